import { sameBytes } from "../base/bytes.ts";
import { command } from "./command.ts";
import { stateOptions } from "./dnetdb-options.ts";

export const ovxList = command({
  name: "list",
  summary: "List the clouds and relays that are open to everyone, or your own",
  details: "Of those whose records are here. A private one is in nobody's list but its owner's, --mine.",
  options: {
    mine: { type: "boolean", description: "those that this machine's owner key owns, private ones too" },
    ...stateOptions,
  },
  async run({ values }, context) {
    const { formatId, inDnetDb, keyHash, readOvx } = await import("./dnetdb-run.ts");
    const { ovxFacts } = await import("./ovx-text.ts");
    const { tableText } = await import("./dht-text.ts");
    await inDnetDb(values, context, (session) => {
      const owner = keyHash(session.wallet.ownerPublicKey);
      const records = session.store.state.records("ovx").map(({ id }) => readOvx(session.store, id)!);
      const shown = records.filter(({ isListed, isClosed, lock }) =>
        values.mine ? lock.keyHashes.some((hash) => sameBytes(hash, owner)) : isListed && !isClosed,
      );
      const rows = shown.map(({ id, name, kind, addresses, isListed, isClosed }) => [
        name ?? "-",
        kind === "ovr" ? "relay" : kind === "ovc" ? "cloud" : "?",
        addresses.join(", ") || "-",
        formatId(id),
        ...(values.mine ? [isClosed ? "closed" : isListed ? "public" : "private"] : []),
      ]);
      const names = ["NAME", "KIND", "ADDRESSES", "ID", ...(values.mine ? ["LISTED"] : [])];
      const facts = { ovxs: shown.map((view) => ovxFacts(session.store, view, session.context.now())) };
      session.print(values.json, "dnet.ovx-list/1", facts, rows.length === 0 ? "" : tableText(names, rows));
      const others = values.mine ? "dnet ovx create" : "your own: dnet ovx list --mine";
      if (rows.length === 0) session.printWords(`none is known here; ${others}\n`);
    });
  },
});
