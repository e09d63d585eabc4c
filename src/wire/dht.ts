/**
 * What the DHT's commands carry as values, and their numbers. Byte fields of decoded messages are views; bytes after the last
 * field are ignored. Source: hyperdht 6.34 lib/messages.js, lib/constants.js; specification §6, §20.
 *
 *   peer record    publicKey 32, relayAddresses (count, then 6 each)
 *   lookup reply   count, so many peer records, bump uint; a reply that ends before the bump means 0
 *   announce       flags uint, peer record (flag 1), refresh 32 (flag 2), signature 64 (flag 4), bump uint (flag 8)
 *   mutable put    publicKey 32, then a mutable record
 *   mutable record seq uint, value bytes, signature 64
 *   plugin request plugin string, version uint, command uint, flags uint, value bytes (flag 1)
 */
import type { Address } from "../base/address.ts";
import { PUBLIC_KEY_BYTES } from "../base/public-key.ts";
import { Reader } from "./reader.ts";
import { MAX_DATAGRAM_BYTES } from "./rpc.ts";
import { Writer } from "./writer.ts";

/** Commands of requests whose `isInternal` is false. */
export const COMMAND = {
  peerHandshake: 0,
  peerHolepunch: 1,
  findPeer: 2,
  lookup: 3,
  announce: 4,
  unannounce: 5,
  mutablePut: 6,
  mutableGet: 7,
  immutablePut: 8,
  immutableGet: 9,
  plugin: 10,
} as const;

/** What a response to a mutable put may say, beside RPC_ERROR. */
export const DHT_ERROR = {
  seqReused: 16,
  seqTooLow: 17,
  /** dnet's own: there is no room for the record. */
  storeFull: 18,
} as const;

/** A storing node keeps three of them and the reference sends no more. */
const MAX_RELAY_ADDRESSES = 64;
/** More records than a datagram holds. */
const MAX_LOOKUP_PEERS = 256;
const MAX_VALUE_BYTES = MAX_DATAGRAM_BYTES;
const MAX_PLUGIN_NAME_BYTES = 256;

const REFRESH_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface PeerRecord {
  readonly publicKey: Uint8Array;
  /** Nodes that know the way to the peer. */
  readonly relayAddresses: readonly Address[];
}

export function encodePeerRecord(record: PeerRecord): Uint8Array {
  const w = new Writer();
  writePeerRecord(w, record);
  return w.finish();
}

/** This and all other decoders here return null for anything but a whole message within its bounds. */
export function decodePeerRecord(bytes: Uint8Array): PeerRecord | null {
  const r = new Reader(bytes);
  const record = readPeerRecord(r);
  return r.ok ? record : null;
}

export interface LookupReply {
  readonly peers: readonly PeerRecord[];
  /** Unix milliseconds, as an announcer gave it; 0 for none. */
  readonly bump: number;
}

export function encodeLookupReply({ peers, bump }: LookupReply): Uint8Array {
  const w = new Writer();
  w.array(peers, (peer) => writePeerRecord(w, peer));
  w.uint(bump);
  return w.finish();
}

/** `encodeLookupReply` of peer records that are encoded already. */
export function joinLookupReply(records: readonly Uint8Array[], bump: number): Uint8Array {
  const w = new Writer();
  w.array(records, (record) => w.fixed(record));
  return w.uint(bump).finish();
}

export function decodeLookupReply(bytes: Uint8Array): LookupReply | null {
  const r = new Reader(bytes);
  const peers = r.array(MAX_LOOKUP_PEERS, () => readPeerRecord(r));
  const bump = r.remaining > 0 ? r.uint() : 0;
  return r.ok ? { peers, bump } : null;
}

/** Of ANNOUNCE and UNANNOUNCE alike. */
export interface Announce {
  readonly peer: PeerRecord | null;
  /** The hash of what will refresh this announcement later, or that itself when there is no peer; 32 bytes. */
  readonly refresh: Uint8Array | null;
  readonly signature: Uint8Array | null;
  /** As in a lookup's reply. The signature does not cover it. */
  readonly bump: number;
}

const HAS_PEER = 1;
const HAS_REFRESH = 2;
const HAS_SIGNATURE = 4;
const HAS_BUMP = 8;

export function encodeAnnounce({ peer, refresh, signature, bump }: Announce): Uint8Array {
  const w = new Writer();
  w.uint((peer ? HAS_PEER : 0) | (refresh ? HAS_REFRESH : 0) | (signature ? HAS_SIGNATURE : 0) | (bump ? HAS_BUMP : 0));
  if (peer) writePeerRecord(w, peer);
  if (refresh) w.fixed(refresh);
  if (signature) w.fixed(signature);
  if (bump) w.uint(bump);
  return w.finish();
}

export function decodeAnnounce(bytes: Uint8Array): Announce | null {
  const r = new Reader(bytes);
  const flags = r.uint();
  const peer = flags & HAS_PEER ? readPeerRecord(r) : null;
  const refresh = flags & HAS_REFRESH ? r.fixed(REFRESH_BYTES) : null;
  const signature = flags & HAS_SIGNATURE ? r.fixed(SIGNATURE_BYTES) : null;
  const bump = flags & HAS_BUMP ? r.uint() : 0;
  return r.ok ? { peer, refresh, signature, bump } : null;
}

/** The value of MUTABLE_GET's reply. */
export interface MutableRecord extends MutableSignable {
  readonly signature: Uint8Array;
}

/** The value of MUTABLE_PUT's request. */
export interface MutablePut extends MutableRecord {
  readonly publicKey: Uint8Array;
}

export interface MutableSignable {
  readonly seq: number;
  readonly value: Uint8Array;
}

/** What a mutable record's signature covers the hash of. Nobody sends it, so there is no way back. */
export function encodeMutableSignable({ seq, value }: MutableSignable): Uint8Array {
  return new Writer().uint(seq).bytes(value).finish();
}

export function encodeMutableRecord({ seq, value, signature }: MutableRecord): Uint8Array {
  return new Writer().uint(seq).bytes(value).fixed(signature).finish();
}

export function decodeMutableRecord(bytes: Uint8Array): MutableRecord | null {
  const r = new Reader(bytes);
  const record = readMutableRecord(r);
  return r.ok ? record : null;
}

export function encodeMutablePut({ publicKey, seq, value, signature }: MutablePut): Uint8Array {
  return new Writer().fixed(publicKey).uint(seq).bytes(value).fixed(signature).finish();
}

export function decodeMutablePut(bytes: Uint8Array): MutablePut | null {
  const r = new Reader(bytes);
  const publicKey = r.fixed(PUBLIC_KEY_BYTES);
  const record = readMutableRecord(r);
  return r.ok ? { publicKey, ...record } : null;
}

export interface PluginRequest {
  readonly plugin: string;
  readonly version: number;
  readonly command: number;
  readonly value: Uint8Array | null;
}

const HAS_VALUE = 1;

export function encodePluginRequest({ plugin, version, command, value }: PluginRequest): Uint8Array {
  const w = new Writer().string(plugin).uint(version).uint(command);
  w.uint(value ? HAS_VALUE : 0);
  if (value) w.bytes(value);
  return w.finish();
}

export function decodePluginRequest(bytes: Uint8Array): PluginRequest | null {
  const r = new Reader(bytes);
  const plugin = r.string(MAX_PLUGIN_NAME_BYTES);
  const [version, command, flags] = [r.uint(), r.uint(), r.uint()];
  const value = flags & HAS_VALUE ? r.bytes(MAX_VALUE_BYTES) : null;
  return r.ok ? { plugin, version, command, value } : null;
}

function writePeerRecord(w: Writer, { publicKey, relayAddresses }: PeerRecord): void {
  w.fixed(publicKey).array(relayAddresses, (address) => w.address4(address));
}

function readPeerRecord(r: Reader): PeerRecord {
  const publicKey = r.fixed(PUBLIC_KEY_BYTES);
  const relayAddresses = r.array(MAX_RELAY_ADDRESSES, () => r.address4());
  return { publicKey, relayAddresses };
}

function readMutableRecord(r: Reader): MutableRecord {
  const seq = r.uint();
  const value = r.bytes(MAX_VALUE_BYTES);
  return { seq, value, signature: r.fixed(SIGNATURE_BYTES) };
}
