import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const dbCollect = command({
  name: "collect",
  summary: "Drop what stands beside the records and says nothing of what is so now",
  details:
    "Names and addresses of members that have gone, old policies. The records still verify; their past can no more be read here.",
  options: stateOptions,
  async run({ values }, context) {
    const { inDnetDb } = await import("./dnetdb-run.ts");
    await inDnetDb(values, context, (session) => {
      const bodies = session.store.collectBodies();
      session.print(values.json, "dnet.db-collect/1", { bodies }, "");
      session.printWords(`dropped: ${bodies === 1 ? "1 body" : `${bodies} bodies`}\n`);
    });
  },
});
