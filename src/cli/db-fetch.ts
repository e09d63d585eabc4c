import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

export const dbFetch = command({
  name: "fetch",
  summary: "Get a record from the DHT, with nothing but its id",
  details:
    "Of a dnet also those of its clouds and relays. All of it is held against the rules. An invitation that waited for it is answered.",
  arguments: [{ name: "ID" }],
  options: { bootstrap: networkOptions.bootstrap, via: networkOptions.via, ...stateOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { formatId, inDnetDb, parseId } = await import("./dnetdb-run.ts");
    const { fetchRecord } = await import("../io/dnetdb-dht.ts");
    const { Replica } = await import("../overlay/dnetdb/replica.ts");
    const { answerPending } = await import("./joining.ts");
    const { withPeer } = await import("./dht-streams.ts");
    const id = parseId(text);
    if (!id)
      throw new UsageError(
        "BAD_RECORD",
        `${printable(text)} is no whole id of a record`,
        "as dnet net create printed it",
      );
    await inDnetDb(values, context, (session) =>
      withPeer(values, undefined, context, async (gateway) => {
        const { store } = session;
        const replica = new Replica(store);
        const take = async (record: Uint8Array): Promise<boolean> => {
          const items = await fetchRecord(gateway, record);
          if (items) replica.bring(performance.now(), context.now(), "the DHT", record, items);
          return store.headOf(record) !== null;
        };
        if (!(await take(id))) throw notFound(text);
        // A cloud's statements about the dnet are only heard once the cloud itself is known.
        const attached = store.attached(id).map(({ ovx }) => ovx);
        for (const ovx of attached) await take(ovx);
        if (attached.length > 0) await take(id);
        answerPending(session);
        const records = [id, ...attached].filter((each) => store.headOf(each) !== null).map(formatId);
        session.print(values.json, "dnet.db-fetch/1", { records }, `${records.join("\n")}\n`);
      }),
    );
  },
});

function notFound(record: string): DnetError {
  return new DnetError("RECORD_NOT_FOUND", `the DHT has no record ${record} that holds`, {
    failure: "unreachable",
    hint: "dnet db publish, by whoever has it, puts it there for 48 hours; or dnet db sync KEY",
  });
}
