/** What the commands that replicate share: whom they ask for what, and how a record that has come tells of others. */
import { sameBytes } from "../base/bytes.ts";
import type { DnetDbSession } from "./dnetdb-session.ts";

/** As many records as one peer is asked for by name. */
const MAX_INTERESTS = 1_024;

/** The records that this machine is here for: its dnets, what those have attached, and its own clouds and relays. */
export function interestsOf(session: DnetDbSession, more: readonly Uint8Array[] = []): Uint8Array[] {
  const { store, list } = session;
  const known = (["dnet", "ovx"] as const).flatMap((kind) => store.state.records(kind).map(({ id }) => id));
  const dnets = [...more, ...list.read().map(({ id }) => id), ...known];
  const all = dnets.flatMap((id) => [id, ...store.attached(id).map(({ ovx }) => ovx)]);
  return [...new Map(all.map((id) => [id.toHex(), id])).values()].slice(0, MAX_INTERESTS);
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
