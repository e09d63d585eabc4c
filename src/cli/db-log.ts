import { command } from "./command.ts";
import { DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";

/** Of a transaction's id: enough to name it by, dnet db prove. */
const SHOWN_CHARACTERS = 11;

export const dbLog = command({
  name: "log",
  summary: "Print the steps of a record in order: when, by whom, what, and whether it is final",
  details: [
    `RECORD is a dnet, or a cloud or relay. ${DNET_HELP}`,
    "A step is pending until as many clouds have witnessed it as the policy of the dnet asks for.",
  ].join("\n"),
  arguments: [{ name: "RECORD" }],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { countEvidence, evidenceText } = await import("./evidence.ts");
    const { historyOf } = await import("./history.ts");
    const { tableText } = await import("./dht-text.ts");
    const { momentText } = await import("../base/moment-text.ts");
    const { isoMoment } = await import("./moments.ts");
    await inDnetDb(values, context, (session) => {
      const record = session.record(text);
      const steps = historyOf(session, record);
      const facts = {
        record: formatId(record),
        steps: steps.map((step) => ({ ...step, time: isoMoment(step.time), transaction: formatId(step.transaction) })),
      };
      const rows = steps.map(({ height, transaction, time, signers, effect, status, op }) => [
        height === null ? "-" : String(height),
        formatId(transaction).slice(0, SHOWN_CHARACTERS),
        momentText(time),
        status,
        signers.join(" "),
        op,
        effect,
      ]);
      const names = ["STEP", "TRANSACTION", "TIME", "STATUS", "SIGNED BY", "OP", "WHAT IT DOES"];
      session.print(values.json, "dnet.db-log/1", facts, tableText(names, rows));
      const evidence = evidenceText(countEvidence(session, record));
      if (evidence) session.printWords(`${evidence}\n`);
    });
  },
});
