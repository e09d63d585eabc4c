import { counted } from "../base/counted.ts";
import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { Progress } from "./progress.ts";

export const dbVerify = command({
  name: "verify",
  summary: "Check all records here from their first steps on, offline",
  details:
    "Every step and signature is judged again, and all that the records say has to follow from them. Nothing is changed.",
  options: stateOptions,
  async run({ values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) => {
      const progress = new Progress(context.terminal);
      const flaws = session.file.verify((done, total) => {
        progress.note(() => `verifying: ${done} of ${counted(total, "step")}`);
      });
      progress.end();
      const { state } = session.store;
      const records = [...state.records("dnet"), ...state.records("ovx")].map(({ id }) => formatId(id));
      if (flaws.length > 0) {
        for (const { table, what } of flaws) session.printWords(`${table}: ${what}\n`);
        throw new DnetError("STORE_DAMAGED", `${counted(flaws.length, "flaw")} in ${session.state.dnetDb}`, {
          hint: "put it aside; what it held comes back from other replicas",
        });
      }
      session.print(values.json, "dnet.db-verify/1", { records, flaws }, "");
      session.printWords(`${counted(records.length, "record")} verified from the first step on\n`);
    });
  },
});
