import { counted } from "../base/counted.ts";
import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const dbWitness = command({
  name: "witness",
  summary: "Sign, as the cloud that this machine is, what its records have accepted since the last time",
  details:
    "dnet db serve does it by itself. Steps of dnets that have attached the cloud become final by it, once dnet db sync tells.",
  options: stateOptions,
  async run({ values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { ownClouds, sealBlocks } = await import("./replicating.ts");
    await inDnetDb(values, context, (session) => {
      if (ownClouds(session).length === 0) throw noCloud();
      const blocks = sealBlocks(session).map(({ ovx, size }) => ({ ovx: formatId(ovx), transactions: size }));
      session.print(values.json, "dnet.db-witness/1", { blocks }, "");
      for (const { ovx, transactions } of blocks)
        session.printWords(`${ovx}: ${counted(transactions, "step")} witnessed in all\n`);
      if (blocks.length === 0) session.printWords("nothing was new\n");
    });
  },
});

function noCloud(): DnetError {
  return new DnetError("NO_CLOUD", "no cloud or relay that is known here has this machine's node key", {
    failure: "not-authorised",
    hint: "dnet ovx create, or dnet db sync for its record",
  });
}
