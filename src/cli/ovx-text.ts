/** A cloud or relay for people, and the same as JSON. */
import { countedBytes } from "../base/counted.ts";
import { momentText } from "../base/moment-text.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { formatC2pkh, formatId, keyHash } from "../overlay/dnetdb/ids.ts";
import type { AuthorisedView, OvxView } from "../overlay/dnetdb/ovx-view.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import { decodeTransaction, type Transaction } from "../overlay/dnetdb/transaction.ts";
import { tableText } from "./dht-text.ts";
import { type Beholder, type Row, rowsText } from "./dnet-text.ts";
import { isoMoment } from "./moments.ts";
import { ownersFacts, ownersText } from "./owners.ts";

/** `own`: the hash of this machine's owner key. `more`: rows of the caller's. */
export function ovxText(
  store: Store,
  view: OvxView,
  { now, ownerKeyHash: own }: Beholder,
  more: readonly Row[] = [],
): string {
  const { id, name, kind, isListed, isClosed, key, addresses, authorised, lock } = view;
  const words = [isClosed ? "closed" : null, isListed ? "public" : "private", kind === "ovr" ? "relay" : "cloud"];
  const facts = rowsText([
    ["id", formatId(id)],
    ["owner", ownersText(lock, own)],
    ["key", formatPublicKey(key)],
    ["addresses", addresses.join(", ") || "none"],
    ...more,
  ]);
  const rows = authorised.map((each) => [
    formatId(each.dnet),
    untilText(each, now),
    each.quotaBytes === null ? "-" : countedBytes(each.quotaBytes),
    signersOf(store, each).join(", "),
  ]);
  const table =
    rows.length === 0 ? "no dnet is authorised\n" : tableText(["DNET", "UNTIL", "QUOTA", "SIGNED BY"], rows);
  return `${name ?? "(unnamed)"} (${words.filter((word) => word !== null).join(", ")})\n${facts}\n${table}`;
}

export function ovxFacts(store: Store, view: OvxView, now: number): object {
  const { id, name, kind, isListed, isClosed, key, addresses, lock, height } = view;
  return {
    ovx: formatId(id),
    name,
    kind,
    isListed,
    isClosed,
    key: formatPublicKey(key),
    addresses,
    ...ownersFacts(lock),
    height,
    authorised: view.authorised.map((each) => ({
      dnet: formatId(each.dnet),
      at: isoMoment(each.at),
      expiresAt: isoMoment(each.expiresAt),
      isExpired: each.expiresAt !== null && each.expiresAt <= now,
      quotaBytes: each.quotaBytes,
      signers: signersOf(store, each),
      transaction: formatId(each.transaction),
    })),
  };
}

function untilText({ expiresAt }: AuthorisedView, now: number): string {
  if (expiresAt === null) return "-";
  return `${momentText(expiresAt)}${expiresAt <= now ? " (expired)" : ""}`;
}

function signersOf(store: Store, { transaction }: AuthorisedView): string[] {
  const { signatures } = decodeTransaction(store.transaction(transaction)!) as Transaction;
  return signatures.map(({ publicKey }) => formatC2pkh(keyHash(publicKey)));
}
