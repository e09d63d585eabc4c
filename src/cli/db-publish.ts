import { counted } from "../base/counted.ts";
import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const dbPublish = command({
  name: "publish",
  summary: "Put records into the DHT for 48 hours, where dnet db fetch finds them by their ids",
  details: [
    "Of a dnet also those of its clouds and relays. What private dnets have is sealed there, too. Anyone can overwrite what leads to",
    "a record in the DHT, and so hide it, though not change it: who has a replica's key is better served by dnet db sync KEY.",
  ].join("\n"),
  arguments: [{ name: "RECORD", isRepeated: true }],
  options: { bootstrap: networkOptions.bootstrap, via: networkOptions.via, ...stateOptions },
  async run({ positionals, values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { publishRecord } = await import("../io/dnetdb-dht.ts");
    const { withPeer } = await import("./dht-streams.ts");
    await inDnetDb(values, context, (session) =>
      withPeer(values, undefined, context, async (gateway) => {
        const named = positionals.map((text) => session.record(text));
        const records = named.flatMap((id) => [id, ...session.store.attached(id).map(({ ovx }) => ovx)]);
        const published = [];
        for (const id of new Map(records.map((each) => [each.toHex(), each])).values()) {
          const found = await publishRecord(gateway, session.store, id);
          if (!found) throw tooLong(formatId(id));
          published.push({ record: formatId(id), values: found.values });
          session.printWords(`${formatId(id)}: ${counted(found.values, "value")}\n`);
        }
        session.print(values.json, "dnet.db-publish/1", { records: published }, "");
      }),
    );
  },
});

function tooLong(record: string): DnetError {
  return new DnetError(
    "RECORD_TOO_LONG",
    `the record ${record} is longer than what is put into the DHT: 4 MiB of steps`,
    {
      hint: "dnet db serve --dht, and its key for dnet db sync",
    },
  );
}
