/**
 * What a user asks of the network, as walks and what their replies mean. Source: hyperdht 6.34 index.js; specification §6.3.
 */
import type { Address } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import {
  COMMAND,
  decodeLookupReply,
  decodeMutableRecord,
  decodePeerRecord,
  encodeAnnounce,
  encodeMutablePut,
  type MutableRecord,
  type PeerRecord,
} from "../wire/dht.ts";
import { INTERNAL, K } from "../wire/rpc.ts";
import { Writer } from "../wire/writer.ts";
import type { QueryOptions } from "./query.ts";
import type { Outgoing, Reply } from "./requests.ts";
import { type AnnounceTerms, signAnnounce, signMutable, verifyMutable } from "./signatures.ts";
import { MAX_RELAY_ADDRESSES } from "./storage.ts";

/** A walk, and what each reply gives: null for nothing. */
export interface Operation<Item> {
  readonly query: QueryOptions;
  readonly item: (reply: Reply) => Item | null;
}

/** What every item has. */
export interface Found {
  /** The replier's round-trip token. */
  readonly token: Uint8Array | null;
  readonly from: Reply["from"];
  /** We, as the replier sees us. */
  readonly to: Address;
}

export interface FoundPeers extends Found {
  readonly peers: readonly PeerRecord[];
  /** Milliseconds since 1970, as an announcer said; 0 when none did. */
  readonly bump: number;
}

export interface FoundPeer extends Found {
  readonly peer: PeerRecord;
}

export interface FoundValue extends Found {
  readonly value: Uint8Array;
}

export interface FoundMutable extends FoundValue {
  readonly seq: number;
  readonly signature: Uint8Array;
}

export interface Announcement {
  readonly topic: Uint8Array;
  readonly keyPair: KeyPair;
  readonly relayAddresses: readonly Address[];
  readonly bump: number;
}

export function findNode(target: Uint8Array): Operation<Reply> {
  return { query: { isInternal: true, command: INTERNAL.findNode, target }, item: (reply) => reply };
}

/** `target` is the hash of the peer's public key. */
export function findPeer(target: Uint8Array): Operation<FoundPeer> {
  return {
    query: external(COMMAND.findPeer, target),
    item(reply) {
      const peer = reply.value && decodePeerRecord(reply.value);
      return peer && sameBytes(blake2b256(peer.publicKey), target) ? { ...found(reply), peer } : null;
    },
  };
}

export function lookup(topic: Uint8Array): Operation<FoundPeers> {
  return {
    query: external(COMMAND.lookup, topic),
    item(reply) {
      const peers = reply.value && decodeLookupReply(reply.value);
      return peers && { ...found(reply), ...peers };
    },
  };
}

/** A lookup that then announces to the nearest nodes. */
export function announce(announcement: Announcement): Operation<FoundPeers> {
  const { query, item } = lookup(announcement.topic);
  const commit = (reply: Reply) => sendAnnounce("announce", announcement, reply);
  return { query: { ...query, commit }, item };
}

/** A lookup that takes the key's announcement away from every node that has it. `commit`: announce it anew at the end. */
export function lookupAndUnannounce(announcement: Announcement, commit: boolean): Operation<FoundPeers> {
  const { query, item } = commit ? announce(announcement) : lookup(announcement.topic);
  const { publicKey } = announcement.keyPair;
  const follow = (reply: Reply) => {
    const peers = item(reply)?.peers ?? [];
    // Of more than a reply can hold, ours may be one that it left out.
    const mayHaveIt = peers.length >= K || peers.some((peer) => sameBytes(peer.publicKey, publicKey));
    return mayHaveIt ? sendAnnounce("unannounce", { ...announcement, relayAddresses: [], bump: 0 }, reply) : null;
  };
  return { query: { ...query, follow }, item };
}

export function immutablePut(value: Uint8Array): Operation<FoundValue> {
  const target = blake2b256(value);
  const commit = (reply: Reply) => put(COMMAND.immutablePut, target, reply, value);
  return { query: { ...external(COMMAND.immutableGet, target), commit }, item: immutableGet(target).item };
}

export function immutableGet(target: Uint8Array): Operation<FoundValue> {
  return {
    query: external(COMMAND.immutableGet, target),
    item: (reply) =>
      reply.value && sameBytes(blake2b256(reply.value), target) ? { ...found(reply), value: reply.value } : null,
  };
}

export interface MutableValue {
  readonly keyPair: KeyPair;
  readonly seq: number;
  readonly value: Uint8Array;
}

/** The items are what the nodes have until then. */
export function mutablePut({ keyPair, seq, value }: MutableValue): Operation<FoundMutable> & { signature: Uint8Array } {
  const { publicKey, secretKey } = keyPair;
  const { query, item } = mutableGet(publicKey, 0);
  const signature = signMutable(seq, value, secretKey);
  const record = encodeMutablePut({ publicKey, seq, value, signature });
  const commit = (reply: Reply) => put(COMMAND.mutablePut, query.target, reply, record);
  return { query: { ...query, commit }, item, signature };
}

/** `keep`, asked at the end, gives the record that the nearest nodes are to have once more; null for none. */
export function mutableGet(
  publicKey: Uint8Array,
  leastSeq: number,
  keep?: () => MutableRecord | null,
): Operation<FoundMutable> {
  const target = blake2b256(publicKey);
  let record: MutableRecord | null = null;
  const wantsCommit = () => {
    record = keep?.() ?? null;
    return record !== null;
  };
  const commit = (reply: Reply) =>
    record && put(COMMAND.mutablePut, target, reply, encodeMutablePut({ publicKey, ...record }));
  const value = new Writer().uint(leastSeq).finish();
  return {
    query: { ...external(COMMAND.mutableGet, target), value, ...(keep ? { commit, wantsCommit } : {}) },
    item(reply) {
      const record = reply.value && decodeMutableRecord(reply.value);
      if (!record || record.seq < leastSeq) return null;
      if (!verifyMutable(record.seq, record.value, publicKey, record.signature)) return null;
      return { ...found(reply), ...record };
    },
  };
}

function external(command: number, target: Uint8Array) {
  return { isInternal: false, command, target };
}

function found({ token, from, to }: Reply): Found {
  return { token, from, to };
}

function put(command: number, target: Uint8Array, { token, from }: Reply, value: Uint8Array): Outgoing | null {
  return token && { to: from, ...external(command, target), token, value };
}

/** Signed for one node: by its id, and by the token that it gave. */
export function sendAnnounce(
  action: AnnounceTerms["action"],
  announcement: Announcement,
  reply: Reply,
): Outgoing | null {
  const { topic, keyPair, bump } = announcement;
  const { token, from } = reply;
  if (!token || !from.id) return null;
  const relayAddresses = announcement.relayAddresses.slice(0, MAX_RELAY_ADDRESSES);
  const peer = { publicKey: keyPair.publicKey, relayAddresses };
  const terms = { action, target: topic, nodeId: from.id, token, peer, refresh: null };
  const value = encodeAnnounce({ peer, refresh: null, signature: signAnnounce(terms, keyPair.secretKey), bump });
  const command = action === "announce" ? COMMAND.announce : COMMAND.unannounce;
  return { to: from, ...external(command, topic), token, value };
}
