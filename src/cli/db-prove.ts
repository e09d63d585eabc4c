import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { OVX_HELP, stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

export const dbProve = command({
  name: "prove",
  summary: "Print a proof that a cloud has accepted a step, for who has nothing but the cloud's key",
  details: [
    "TRANSACTION is an id, or the beginning of one, as dnet db log prints it. The proof is JSON, with --json or without, and has",
    "what stands of the step in its record: nothing more is opened. With --since, on the cloud's own machine, it also shows that the",
    `cloud has taken nothing back since an earlier proof. ${OVX_HELP}`,
  ].join("\n"),
  arguments: [{ name: "TRANSACTION" }],
  options: {
    cloud: { type: "string", placeholder: "OVX", description: "by what that cloud has said; without it any" },
    since: { type: "string", placeholder: "FILE", complete: "file", description: "an earlier proof of the same cloud" },
    ...stateOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { decodeProof, encodeProof, MAX_PROOF_TEXT, prove, proveSince } = await import("../overlay/dnetdb/proof.ts");
    const { findTransaction } = await import("./dnet-reference.ts");
    const { readText } = await import("./input-file.ts");
    const before =
      values.since === undefined ? null : decodeProof(await readText(values.since, MAX_PROOF_TEXT, context));
    await inDnetDb(values, context, (session) => {
      const { record, id } = findTransaction(session.store, text);
      const cloud = values.cloud === undefined ? null : session.ovx(values.cloud);
      const proof = prove(session.store, record, id, cloud);
      if (!proof) throw noStatement(printable(text));
      const { block } = before?.statement ?? {};
      context.terminal.stdout.write(encodeProof(block ? proveSince(session.store, proof, block) : proof));
    });
  },
});

function noStatement(transaction: string): DnetError {
  return new DnetError("NO_STATEMENT", `no such cloud's word for ${transaction}, or what follows it, is here`, {
    failure: "unreachable",
    hint: "dnet db sync with a cloud that is attached; dnet db log shows what is final",
  });
}
