import { command } from "./command.ts";
import { DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";

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
    const { historyOf } = await import("./history.ts");
    const { tableText } = await import("./dht-text.ts");
    const { isoMoment, momentText } = await import("./moments.ts");
    await inDnetDb(values, context, (session) => {
      const record = session.record(text);
      const steps = historyOf(session, record);
      const facts = {
        record: formatId(record),
        steps: steps.map((step) => ({ ...step, time: isoMoment(step.time), transaction: formatId(step.transaction) })),
      };
      const rows = steps.map(({ height, time, signers, effect, status, op }) => [
        height === null ? "-" : String(height),
        momentText(time),
        status,
        signers.join(" "),
        op,
        effect,
      ]);
      const names = ["STEP", "TIME", "STATUS", "SIGNED BY", "OP", "WHAT IT DOES"];
      session.print(values.json, "dnet.db-log/1", facts, tableText(names, rows));
    });
  },
});
