import { counted } from "../base/counted.ts";
import { command, UsageError } from "./command.ts";
import { networkOptions } from "./dht-options.ts";
import { stateOptions } from "./dnetdb-options.ts";
import { printable } from "./printable.ts";

export const dbSync = command({
  name: "sync",
  summary: "Exchange records with another replica, until each has what the other has",
  details: [
    "WHERE is the key of a machine that runs dnet db serve --dht, or the socket of another state directory, a path with a / in it.",
    "What is asked for are the dnets of this machine, what they have attached, and all that is here already; --record asks for",
    "more, by its whole id. Invitations that waited for records are answered.",
  ].join("\n"),
  arguments: [{ name: "WHERE", complete: "file" }],
  options: {
    record: { type: "string", isRepeated: true, placeholder: "ID,...", description: "ask for these records too" },
    all: { type: "boolean", description: "ask for all that is there" },
    ...networkOptions,
    ...stateOptions,
  },
  async run({ positionals: [where = ""], values }, context) {
    const { formatId, inDnetDb, parseId, parsePublicKey } = await import("./dnetdb-run.ts");
    const { parseSpanOption, splitLists } = await import("./option-values.ts");
    const { synchronise } = await import("./synchronising.ts");
    const timeoutMs = parseSpanOption("timeout", values.timeout);
    const more = splitLists(values.record).map((text) => {
      const id = parseId(text);
      if (id) return id;
      throw new UsageError(
        "BAD_RECORD",
        `${printable(text)} is no whole id of a record`,
        "--record ID, as dnet net create printed it",
      );
    });
    const key = where.includes("/") ? null : parsePublicKey(where);
    if (!where.includes("/") && !key) {
      throw new UsageError(
        "BAD_ARGUMENT",
        `${printable(where)} is no key, and no path`,
        "the key that dnet db serve --dht printed",
      );
    }
    await inDnetDb(values, context, async (session) => {
      const to = key ?? where;
      const records = await synchronise(session, { to, more, isAll: values.all, timeoutMs, network: values });
      const facts = { with: key ? where : to, records: records.map(formatId) };
      session.print(values.json, "dnet.db-sync/1", facts, "");
      session.printWords(`in step; ${counted(records.length, "record")} came or went on here\n`);
    });
  },
});
