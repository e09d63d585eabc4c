import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { OVX_HELP, stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

export const dbProve = command({
  name: "prove",
  summary: "Print a proof that a cloud has accepted a step, for who has nothing but the cloud's key",
  details: [
    "TRANSACTION is an id, or the beginning of one, as dnet db log prints it. The proof is JSON, with --json or without, and has",
    `what stands of the step in its record: nothing more is opened. ${OVX_HELP}`,
  ].join("\n"),
  arguments: [{ name: "TRANSACTION" }],
  options: {
    cloud: { type: "string", placeholder: "OVX", description: "by what that cloud has said; without it any" },
    ...stateOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { encodeProof, prove } = await import("../overlay/dnetdb/proof.ts");
    const { findTransaction } = await import("./dnet-reference.ts");
    await inDnetDb(values, context, (session) => {
      const { record, id } = findTransaction(session.store, text);
      const cloud = values.cloud === undefined ? null : session.ovx(values.cloud);
      const proof = prove(session.store, record, id, cloud);
      if (!proof) throw noStatement(printable(text));
      context.terminal.stdout.write(encodeProof(proof));
    });
  },
});

function noStatement(transaction: string): DnetError {
  return new DnetError("NO_STATEMENT", `no such cloud's word for ${transaction}, or what follows it, is here`, {
    failure: "unreachable",
    hint: "dnet db sync with a cloud that is attached; dnet db log shows what is final",
  });
}
