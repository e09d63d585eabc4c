import { createCipheriv, createDecipheriv } from "node:crypto";
import { chacha20poly1305, xchacha20poly1305 } from "@noble/ciphers/chacha.js";

/** One-shot authenticated encryption. Keys have 32 bytes; the 16-byte tag stands at the end of the sealed bytes. */
export interface Aead {
  readonly nonceBytes: number;
  seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, associated: Uint8Array): Uint8Array;
  /** null when `sealed` is too short or was not made with exactly these; no plaintext is given out in that case. */
  open(key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Uint8Array | null;
}

export const TAG_BYTES = 16;

/** RFC 8439. */
export const chacha20Poly1305: Aead = fromNoble(12, chacha20poly1305);

/** draft-irtf-cfrg-xchacha-03: nonces long enough to be drawn at random. */
export const xchacha20Poly1305: Aead = fromNoble(24, xchacha20poly1305);

/** NIST SP 800-38D with a 256-bit key, by the runtime's own library. */
export const aes256Gcm: Aead = {
  nonceBytes: 12,
  seal(key, nonce, plaintext, associated) {
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(associated);
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed;
  },
  open(key, nonce, sealed, associated) {
    if (sealed.length < TAG_BYTES) return null;
    const tagStart = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(tagStart));
    const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, tagStart)));
    try {
      decipher.final();
      return plaintext;
    } catch {
      return null;
    }
  },
};

function fromNoble(nonceBytes: number, cipher: typeof chacha20poly1305): Aead {
  return {
    nonceBytes,
    seal: (key, nonce, plaintext, associated) => cipher(key, nonce, associated).encrypt(plaintext),
    open(key, nonce, sealed, associated) {
      if (sealed.length < TAG_BYTES) return null;
      try {
        return cipher(key, nonce, associated).decrypt(sealed);
      } catch {
        return null; // the tag did not match: lengths were checked above, and keys and nonces are our own
      }
    },
  };
}
