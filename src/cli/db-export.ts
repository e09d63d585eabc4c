import { counted } from "../base/counted.ts";
import { command } from "./command.ts";
import { DNET_HELP, stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";
import { Progress } from "./progress.ts";

export const dbExport = command({
  name: "export",
  summary: "Write records to a new file, for dnet db import on another machine",
  details: `Without RECORD all that are here; of a dnet also what it has attached. ${DNET_HELP}\nThe file has no keys. - is standard output.`,
  arguments: [
    { name: "FILE", complete: "file" },
    { name: "RECORD", isOptional: true, isRepeated: true },
  ],
  options: stateOptions,
  async run({ positionals: [path = "", ...words], values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { exportRecords } = await import("../io/record-file.ts");
    const { optionConflict } = await import("./option-values.ts");
    if (path === "-" && values.json)
      throw optionConflict("the records themselves go to standard output", "a file, or no --json");
    await inDnetDb(values, context, (session) => {
      const { store } = session;
      const all = () => (["ovx", "dnet"] as const).flatMap((kind) => store.state.records(kind).map(({ id }) => id));
      const named = words.map((word) => session.record(word));
      const served = named.flatMap((record) => store.attached(record).map(({ ovx }) => ovx));
      const wanted = words.length === 0 ? all() : [...served, ...named];
      const records = [...new Map(wanted.filter((id) => store.view(id)).map((id) => [formatId(id), id])).values()];
      const { transactions, bytes } = exportRecords(store, records, path);
      const facts = { file: path, records: records.map(formatId), transactions, bytes };
      session.print(values.json, "dnet.db-export/1", facts, "");
      session.printWords(
        `${counted(records.length, "record")} with ${counted(transactions, "step")}: ${bytes} bytes\n`,
      );
    });
  },
});

export const dbImport = command({
  name: "import",
  summary: "Take over records from a file of dnet db export",
  details:
    "Each step is held against the rules, as one that comes from another replica; an invitation that waited for it is answered. - is standard input.",
  arguments: [{ name: "FILE", complete: "file" }],
  options: stateOptions,
  async run({ positionals: [path = ""], values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { importRecords } = await import("../io/record-file.ts");
    const { answerPending } = await import("./joining.ts");
    const { nothingTaken, refusalMeaning } = await import("./refusal-words.ts");
    await inDnetDb(values, context, (session) => {
      const progress = new Progress(context.terminal);
      const { accepted, known, refused } = importRecords(session.store, context.now(), path, (bytes) => {
        progress.note(() => `read ${bytes} bytes`);
      });
      progress.end();
      const [why] = refused.keys();
      if (why !== undefined && accepted + known === 0) throw nothingTaken(printable(path), why, context.now());
      const facts = { accepted, known, refused: Object.fromEntries(refused) };
      session.print(values.json, "dnet.db-import/1", facts, "");
      session.printWords(`${counted(accepted, "step")} accepted, ${known} known before\n`);
      for (const [why, count] of refused)
        session.printWords(`warning: ${count} refused, ${why}: ${refusalMeaning(why)}\n`);
      answerPending(session);
    });
  },
});
