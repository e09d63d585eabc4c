import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";

/** BLAKE2s (RFC 7693), and what the WireGuard paper §5.4 builds from it. */
export const HASH_BYTES = 32;
export const MAC_BYTES = 16;

/** The 32-byte hash of the parts one after another. */
export function hash(...parts: Uint8Array[]): Uint8Array {
  const state = blake2s.create({ dkLen: HASH_BYTES });
  for (const part of parts) state.update(part);
  return state.digest();
}

/** Keyed BLAKE2s with 16 bytes of output. `key` has up to 32 bytes. */
export function mac(key: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const state = blake2s.create({ key, dkLen: MAC_BYTES });
  for (const part of parts) state.update(part);
  return state.digest();
}

/**
 * `count` keys of 32 bytes: HKDF (RFC 5869) over HMAC-BLAKE2s with `salt` and an empty info, as in Noise §4.3.
 * The keys depend on each other in order, so the first two of three are those of two.
 */
export function deriveKeys(salt: Uint8Array, input: Uint8Array, count: 1 | 2 | 3): Uint8Array[] {
  const extracted = hmac(blake2s, salt, input);
  const keys: Uint8Array[] = [];
  let last = new Uint8Array(0);
  for (let n = 1; n <= count; n++) {
    last = hmac(blake2s, extracted, Buffer.concat([last, Uint8Array.of(n)]));
    keys.push(last);
  }
  extracted.fill(0);
  return keys;
}
