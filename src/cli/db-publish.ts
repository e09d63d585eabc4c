import { DnetError } from "../base/error.ts";
import { command } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { publishedWords } from "./published-words.ts";

export const dbPublish = command({
  name: "publish",
  summary: "Put records into the DHT for 48 hours, where dnet db fetch finds them by their ids",
  details: [
    "Of a dnet also those of its clouds and relays. What is there already is left. What private dnets have is sealed there, too. Who",
    "knows the id can overwrite what leads to a record in the DHT, and so hide it, though not change it. dnet db serve --dht puts",
    "this machine's own there as well, again and again, and is found by the id itself.",
  ].join("\n"),
  arguments: [{ name: "RECORD", isRepeated: true }],
  options: { bootstrap: networkOptions.bootstrap, via: networkOptions.via, ...stateOptions },
  async run({ positionals, values }, context) {
    const { formatId, inDnetDb } = await import("./dnetdb-run.ts");
    const { publishRecord } = await import("../io/dnetdb-dht.ts");
    const { withAttached } = await import("./replicating.ts");
    const { withPeer } = await import("./dht-streams.ts");
    await inDnetDb(values, context, (session) =>
      withPeer(values, undefined, context, async (gateway) => {
        const records = withAttached(
          session.store,
          positionals.map((text) => session.record(text)),
        );
        const published = [];
        for (const id of records) {
          const done = await publishRecord(gateway, session.store, id);
          if (!done) throw tooLong(formatId(id));
          published.push({ record: formatId(id), ...done });
          session.printWords(publishedWords(formatId(id), done));
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
