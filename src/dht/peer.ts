/** A node of the DHT as others name it: an address, and the id that follows from it. */
import type { Address } from "../base/address.ts";
import { addressKey } from "../base/ip4.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { encodeAddress4, ID_BYTES } from "../wire/rpc.ts";

export interface Peer extends Address {
  /** BLAKE2b-256 of the address's six bytes. Source: dht-rpc lib/peer.js. */
  readonly id: Uint8Array;
  /** `addressKey` of the address: what tables are keyed by. */
  readonly key: number;
}

export function peerAt({ host, port }: Address): Peer {
  return { host, port, id: nodeId({ host, port }), key: addressKey({ host, port }) };
}

export function nodeId(address: Address): Uint8Array {
  return blake2b256(encodeAddress4(address));
}

/** Negative when `a` is nearer to the target than `b`, by the XOR of ids read as a big-endian number. */
export function compareDistance(target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How many leading bits two ids share: 0 to 256. */
export function sharedBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ID_BYTES; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return 8 * ID_BYTES;
}
