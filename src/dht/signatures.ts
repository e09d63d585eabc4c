/** What announcements and mutable records are signed over. Specification §6.1; hyperdht lib/crypto.js, lib/persistent.js. */
import { blake2b256 } from "../crypto/blake2b.ts";
import { sign, verify } from "../crypto/ed25519.ts";
import { NS_ANNOUNCE, NS_MUTABLE_PUT, NS_UNANNOUNCE } from "../crypto/namespaces.ts";
import { encodeMutableSignable, encodePeerRecord, type PeerRecord } from "../wire/dht.ts";

/** An announcement holds at one node and for one round trip: whoever stores it names itself and gives the token. */
export interface AnnounceTerms {
  readonly action: "announce" | "unannounce";
  readonly target: Uint8Array;
  /** The id of the node that is to store it. */
  readonly nodeId: Uint8Array;
  readonly token: Uint8Array;
  readonly peer: PeerRecord;
  readonly refresh: Uint8Array | null;
}

export function signAnnounce(terms: AnnounceTerms, secretKey: Uint8Array): Uint8Array {
  return sign(announceSignable(terms), secretKey);
}

export function verifyAnnounce(terms: AnnounceTerms, signature: Uint8Array): boolean {
  return verify(signature, announceSignable(terms), terms.peer.publicKey);
}

export function signMutable(seq: number, value: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return sign(mutableSignable(seq, value), secretKey);
}

export function verifyMutable(seq: number, value: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): boolean {
  return verify(signature, mutableSignable(seq, value), publicKey);
}

/** 64 bytes: a namespace, and the hash of the terms. */
export function announceSignable({ action, target, nodeId, token, peer, refresh }: AnnounceTerms): Uint8Array {
  const digest = blake2b256(target, nodeId, token, encodePeerRecord(peer), refresh ?? new Uint8Array(0));
  return concat(action === "announce" ? NS_ANNOUNCE : NS_UNANNOUNCE, digest);
}

/** 64 bytes: a namespace, and the hash of number and value. */
export function mutableSignable(seq: number, value: Uint8Array): Uint8Array {
  return concat(NS_MUTABLE_PUT, blake2b256(encodeMutableSignable({ seq, value })));
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
