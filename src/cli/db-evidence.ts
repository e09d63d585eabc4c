import { command } from "./command.ts";
import { passphraseOptions, stateOptions } from "./dnetdb-options.ts";

export const dbEvidence = command({
  name: "evidence",
  summary: "Show who has said two things: steps that lost to others that spend the same, clouds that signed two blocks",
  details:
    "RECORD is a dnet, or a cloud or relay, by its id, the beginning of one, or its name; without it all that are here.",
  arguments: [{ name: "RECORD", isOptional: true }],
  options: { ...passphraseOptions, ...stateOptions },
  async run({ positionals: [text], values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { evidenceOf } = await import("./evidence.ts");
    const { evidenceFacts, evidenceShown } = await import("./evidence-text.ts");
    await inDnetDb(values, context, (session) => {
      const { state } = session.store;
      const all = () => [...state.records("dnet"), ...state.records("ovx")].map(({ id }) => id);
      const records = text === undefined ? all() : [session.record(text)];
      const found = records.flatMap((record) => evidenceOf(session, record) ?? []);
      const facts = { records: found.map(evidenceFacts) };
      session.print(values.json, "dnet.db-evidence/1", facts, found.map(evidenceShown).join("\n"));
      if (found.length === 0) session.printWords("nobody has said two things\n");
    });
  },
});
