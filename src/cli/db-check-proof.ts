import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const dbCheckProof = command({
  name: "check-proof",
  summary: "Check what dnet db prove has printed: which step it is, and which cloud has accepted it, when",
  details:
    "With --key FILE is all that it takes. Without, the cloud's record has to be here, and to name the key. - is standard input.",
  arguments: [{ name: "FILE", complete: "file" }],
  options: {
    key: { type: "string", placeholder: "KEY", description: "the cloud's public key, as dnet ovx show prints it" },
    since: {
      type: "string",
      placeholder: "FILE",
      complete: "file",
      description: "the earlier proof that it has to go on from",
    },
    ...stateOptions,
  },
  async run({ positionals: [path = ""], values }, context) {
    const { formatPublicKey, inDnetDb, parsePublicKey } = await import("./dnetdb-run.ts");
    const { decodeProof, MAX_PROOF_TEXT } = await import("../overlay/dnetdb/proof.ts");
    const { proofFacts, proofText } = await import("./proof-text.ts");
    const { readText } = await import("./input-file.ts");
    const { badOption } = await import("./option-values.ts");
    const key = values.key === undefined ? null : parsePublicKey(values.key);
    if (values.key !== undefined && !key) throw badOption("key", values.key, "a cloud's public key", "KEY");
    const read = async (file: string) => decodeProof(await readText(file, MAX_PROOF_TEXT, context));
    const proof = await read(path);
    const before = values.since === undefined ? null : (await read(values.since)).statement.block;
    if (before && !(proof.earlier && sameBytes(proof.earlier.block.id, before.id))) throw notSince(before.height);
    const { block } = proof.statement;
    const found = formatPublicKey(block.key);
    if (key && formatPublicKey(key) !== found)
      throw wrongKey(`${found} has signed it`, "the key of the cloud that is meant");
    if (!key) {
      await inDnetDb(values, context, ({ store }) => {
        if (store.state.isKeyOf(block.ovx, block.key)) return;
        throw wrongKey(`no cloud that is known here has the key ${found}`, "--key KEY, or dnet db sync for its record");
      });
    }
    const facts = { schema: "dnet.db-check-proof/1", ...proofFacts(proof) };
    context.terminal.stdout.write(values.json ? `${JSON.stringify(facts)}\n` : proofText(proof));
  },
});

function notSince(height: number): DnetError {
  const why = `it does not say that the cloud's log begins as in block ${height}, which the earlier proof is of`;
  return new DnetError("PROOF_REFUSED", `this proves nothing: ${why}`, {
    hint: "have it made by dnet db prove --since with that earlier proof",
  });
}

function wrongKey(why: string, hint: string): DnetError {
  return new DnetError("PROOF_REFUSED", `this proves nothing: ${why}`, { hint });
}
