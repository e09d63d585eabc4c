/** What the commands that replicate share: whom they ask for what, and how a record that has come tells of others. */
import { sameBytes } from "../base/bytes.ts";
import { keyHash } from "../overlay/dnetdb/ids.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";

/** As many records as one peer is asked for by name. */
const MAX_INTERESTS = 1_024;

/** The records that this machine is here for: its dnets, what those have attached, and its own clouds and relays. */
export function interestsOf(session: DnetDbSession, more: readonly Uint8Array[] = []): Uint8Array[] {
  const { store, list } = session;
  const known = (["dnet", "ovx"] as const).flatMap((kind) => store.state.records(kind).map(({ id }) => id));
  return withAttached(store, [...more, ...list.read().map(({ id }) => id), ...known]);
}

/** Those that this machine owns, with what its dnets have attached: nobody else is bound to keep them in the DHT. */
export function ownRecords({ store, wallet }: Pick<DnetDbSession, "store" | "wallet">): Uint8Array[] {
  const owner = keyHash(wallet.ownerPublicKey);
  const all = (["dnet", "ovx"] as const).flatMap((kind) => store.state.records(kind));
  const own = all.filter(({ lock }) => lock.keyHashes.some((hash) => sameBytes(hash, owner))).map(({ id }) => id);
  return withAttached(store, [...own, ...ownClouds({ store, wallet })]);
}

/** And the clouds and relays of those that are dnets; none twice, at most so many as one peer is asked for. */
export function withAttached(store: Store, records: readonly Uint8Array[]): Uint8Array[] {
  const all = new Map<string, Uint8Array>();
  for (const record of records) {
    if (all.size >= MAX_INTERESTS) break;
    for (const id of [record, ...store.attached(record).map(({ ovx }) => ovx)]) all.set(id.toHex(), id);
  }
  return [...all.values()].slice(0, MAX_INTERESTS);
}

/** A block for each cloud that this machine is, of what was accepted since its last. Returns how many there were. */
export function sealBlocks({
  store,
  wallet,
  context,
}: DnetDbSession): { readonly ovx: Uint8Array; readonly size: number }[] {
  const { nodeKeyPair } = wallet;
  return ownClouds({ store, wallet }).flatMap((ovx) => {
    const block = store.seal(context.now(), ovx, nodeKeyPair);
    return block ? [{ ovx, size: block.size }] : [];
  });
}

/** Clouds and relays whose key is this machine's, and that are not closed. */
export function ownClouds({ store, wallet }: Pick<DnetDbSession, "store" | "wallet">): Uint8Array[] {
  const { publicKey } = wallet.nodeKeyPair;
  const records = store.state.records("ovx");
  return records.filter(({ key, isClosed }) => key && !isClosed && sameBytes(key, publicKey)).map(({ id }) => id);
}
