import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

export const dbFetch = command({
  name: "fetch",
  summary: "Get a record by nothing but its id: from the DHT, and from those who say there that they share it",
  details:
    "Of a dnet also those of its clouds and relays. All of it is held against the rules. An invitation that waited for it is answered.",
  arguments: [{ name: "ID" }],
  options: { ...networkOptions, timeout: { ...networkOptions.timeout, default: "2m" }, ...stateOptions },
  async run({ positionals: [text = ""], values }, context) {
    const { formatId, inDnetDb, parseId } = await import("./dnetdb-run.ts");
    const { parseSpanOption } = await import("./option-values.ts");
    const { fetchById } = await import("./fetching.ts");
    const timeoutMs = parseSpanOption("timeout", values.timeout);
    const id = parseId(text);
    if (!id)
      throw new UsageError(
        "BAD_RECORD",
        `${printable(text)} is no whole id of a record`,
        "as dnet net create printed it",
      );
    await inDnetDb(values, context, async (session) => {
      const { store } = session;
      const { replicas, heads, values: got, refused } = await fetchById(session, { id, timeoutMs, network: values });
      const attached = store.attached(id).map(({ ovx }) => ovx);
      const records = [id, ...attached].filter((each) => store.headOf(each) !== null).map(formatId);
      if (records.length === 0) throw notFound(text);
      const facts = { records, replicas, heads, values: got, refused: Object.fromEntries(refused) };
      session.print(values.json, "dnet.db-fetch/1", facts, `${records.join("\n")}\n`);
      for (const [why, count] of refused) session.printWords(`warning: ${count} of the DHT's heads refused: ${why}\n`);
    });
  },
});

function notFound(record: string): DnetError {
  return new DnetError("RECORD_NOT_FOUND", `neither the DHT has a record ${record} that holds, nor anyone in it`, {
    failure: "unreachable",
    hint: "dnet db serve --dht, or dnet db publish, by whoever has it; or dnet db sync KEY",
  });
}
