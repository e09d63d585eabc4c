/**
 * A dnet as one reads it: its members, what they are called and where they are, who serves them, what its owner asks; now, or
 * as it was.
 */
import type { Database } from "bun:sqlite";
import { sameBytes } from "../../base/bytes.ts";
import { type Prefix, parseIp } from "../../base/ip.ts";
import { parsePublicKey } from "../../base/public-key.ts";
import { DnetReading, foldName } from "./dnet-reading.ts";
import { type Keyring, openKeyring } from "./keyring.ts";
import type { Lock } from "./lock.ts";
import type { NetworkKey, Secrets } from "./network-key.ts";
import type { AttachedView } from "./ovx-view.ts";
import type { Policy } from "./policy.ts";
import { Store } from "./store.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";

/**
 * How much of a private dnet: all of it; as clouds and relays do, only whose keys are admitted; only what there was before a
 * network key that the reader does not have; nothing.
 */
export type Reads = "everything" | "keys" | "past" | "nothing";

export interface MemberView {
  readonly publicKey: Uint8Array;
  readonly c2pkh: string;
  /** Null when it has none, or that is sealed. */
  readonly name: string | null;
  /** Those that it was given, then the one that follows from its key. */
  readonly addresses: readonly Uint8Array[];
  /** All that it was given: among them may be one that is another's, as it follows from that one's key. */
  readonly given: readonly Uint8Array[];
  readonly how: "added" | "joined";
  /** Ms since 1970, as the signer of its first step says. */
  readonly at: number;
  /** Its first step. */
  readonly transaction: Uint8Array;
}

export interface InvitationView {
  readonly address: Uint8Array;
  readonly name: string | null;
  /** Ms since 1970; null for never. */
  readonly expiresAt: number | null;
  readonly at: number;
  readonly transaction: Uint8Array;
  /** The public key of its seed; null when its body is not here. */
  readonly seedKey: Uint8Array | null;
}

export interface DnetView {
  readonly id: Uint8Array;
  /** Null when it is sealed. */
  readonly name: string | null;
  readonly isPrivate: boolean;
  readonly reads: Reads;
  /** The newest that the secrets lead to. A secret. */
  readonly networkKey: NetworkKey | null;
  /** Null when the members have IPv6 alone, or it is sealed. */
  readonly range4: Prefix | null;
  /** What tags are made by. A secret; null in a public dnet, or when it is sealed. */
  readonly slotKey: Uint8Array | null;
  readonly epoch: number;
  readonly height: number;
  readonly head: Uint8Array;
  readonly isClosed: boolean;
  readonly lock: Lock;
  /** In the record's order. */
  readonly members: readonly MemberView[];
  readonly invitations: readonly InvitationView[];
  /** How many addresses are taken by whom the reader cannot see: sealed, or their bodies are not here. */
  readonly sealed: number;
  /** In the order of their attachment. */
  readonly ovxs: readonly AttachedView[];
  /** Null when it is sealed. */
  readonly policy: Policy | null;
  /** What the owner or a member has written that does not fit, a line each. */
  readonly flaws: readonly string[];
}

/** Null when no such dnet is here. */
export function readDnet(store: Store, dnet: Uint8Array, secrets: Secrets): DnetView | null {
  return read(store, dnet, openKeyring(store, dnet, secrets));
}

/** The newest network key that they lead to: what is kept for the next time. Null for a public dnet, and for who is no member. */
export function currentKey(store: Store, dnet: Uint8Array, secrets: Secrets): NetworkKey | null {
  return openKeyring(store, dnet, secrets).networkKey;
}

/**
 * As it was at a moment (ms since 1970), by what its signers say; null when it was not yet. `empty` is a database with nothing
 * in it, in memory. Bodies of what is no more may have been dropped; then it is as if they were sealed.
 */
export function readDnetAt(
  store: Store,
  dnet: Uint8Array,
  moment: number,
  secrets: Secrets,
  empty: Database,
): DnetView | null {
  // The newest key leads to that of then, by steps that were not yet.
  return read(storeAt(store, dnet, moment, empty), dnet, openKeyring(store, dnet, secrets));
}

/** By its name, key, C2PKH or address, in text. */
export function findMember({ members }: DnetView, text: string): MemberView | null {
  const [publicKey, ip] = [parsePublicKey(text), parseIp(text)];
  const isIt = (member: MemberView): boolean =>
    (publicKey !== null && sameBytes(member.publicKey, publicKey)) ||
    (ip !== null && member.addresses.some((each) => sameBytes(each, ip))) ||
    member.c2pkh === text ||
    (member.name !== null && foldName(member.name) === foldName(text));
  return members.find(isIt) ?? null;
}

/** The record, of either kind, as in `readDnetAt`, with the clouds and relays that it has had. */
export function storeAt(store: Store, record: Uint8Array, moment: number, empty: Database): Store {
  const past = new Store(empty);
  const ovxs = new Map<string, Uint8Array>();
  const replay = (id: Uint8Array): void => {
    for (const bytes of store.transactionsOf(id)) {
      const { time, bodyHash, outputs } = decodeTransaction(bytes) as Transaction;
      const { script } = outputs[0]!;
      if (time > moment) continue; // a join may be late, and the owner's next step before it
      if (script.op === "OP_DNET_OVX") ovxs.set(script.ovx.toHex(), script.ovx);
      past.accept(time, bytes, bodyHash && store.body(id, bodyHash));
    }
  };
  past.atomically(() => {
    replay(record);
    for (const ovx of ovxs.values()) replay(ovx);
  });
  return past;
}

function read(store: Store, dnet: Uint8Array, keyring: Keyring): DnetView | null {
  return store.view(dnet)?.isDnet ? new DnetReading(store, dnet, keyring).read() : null;
}
