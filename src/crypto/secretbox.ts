/**
 * XSalsa20-Poly1305: NaCl's secretbox, with the 16-byte tag *before* the ciphertext. Keys have 32 bytes and nonces 24,
 * long enough to be drawn at random. Source: libsodium `crypto_secretbox_easy`; specification §2.
 */
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";

export const BOX_NONCE_BYTES = 24;
const TAG_BYTES = 16;

export function sealBox(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return xsalsa20poly1305(key, nonce).encrypt(plaintext);
}

/** null when `sealed` was not made with this key and nonce. */
export function openBox(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | null {
  if (sealed.length < TAG_BYTES) return null;
  try {
    return xsalsa20poly1305(key, nonce).decrypt(sealed);
  } catch {
    return null; // the tag did not match: lengths were checked above, and keys and nonces are our own
  }
}
