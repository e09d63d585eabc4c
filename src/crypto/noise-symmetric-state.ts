/**
 * Noise's CipherState and SymmetricState (§5.1, §5.2) with BLAKE2b and ChaCha20-Poly1305: the running hash of all that was
 * said, and the key that grows with every agreement. Source: noise-handshake 4.2 symmetric-state.js; specification §10.
 */
import { chacha20Poly1305 } from "./aead.ts";
import { blake2b512, hkdfBlake2b512 } from "./blake2b.ts";

const HASH_BYTES = 64;
const KEY_BYTES = 32;

/** Its fields are there to be read: tests compare each step with the reference's. */
export class NoiseSymmetricState {
  hash: Uint8Array = new Uint8Array(HASH_BYTES);
  chainingKey: Uint8Array;
  /** null until the first agreement: what is sealed before travels in clear. */
  key: Uint8Array | null = null;
  /** How many messages `key` has sealed or opened. */
  nonce = 0;

  /** `protocol` has at most 64 characters of ASCII, so it is padded with zeros and never hashed. */
  constructor(protocol: string) {
    new TextEncoder().encodeInto(protocol, this.hash);
    this.chainingKey = this.hash.slice();
  }

  mixHash(data: Uint8Array): void {
    this.hash = blake2b512(this.hash, data);
  }

  mixKey(shared: Uint8Array): void {
    const [chainingKey, output] = hkdfBlake2b512(this.chainingKey, shared);
    this.zero();
    this.chainingKey = chainingKey;
    this.key = output.subarray(0, KEY_BYTES);
    this.nonce = 0;
  }

  /** Noise's EncryptAndHash: 16 bytes longer once there is a key. */
  seal(plaintext: Uint8Array): Uint8Array {
    const sealed = this.key
      ? chacha20Poly1305.seal(this.key, this.#nextNonce(), plaintext, this.hash)
      : new Uint8Array(plaintext);
    this.mixHash(sealed);
    return sealed;
  }

  /** Noise's DecryptAndHash. null when the bytes were not sealed in this state, which is of no use afterwards. */
  open(sealed: Uint8Array): Uint8Array | null {
    const plaintext = this.key
      ? chacha20Poly1305.open(this.key, this.#nextNonce(), sealed, this.hash)
      : new Uint8Array(sealed);
    if (plaintext) this.mixHash(sealed);
    return plaintext;
  }

  /** What the initiator sends with, and what the responder sends with: 32 bytes each. */
  split(): [initiatorKey: Uint8Array, responderKey: Uint8Array] {
    const [first, second] = hkdfBlake2b512(this.chainingKey, new Uint8Array(0));
    return [first.subarray(0, KEY_BYTES), second.subarray(0, KEY_BYTES)];
  }

  zero(): void {
    this.chainingKey.fill(0);
    this.key?.fill(0);
  }

  /** Noise §12.3: four zero bytes, then the counter as a u64. No handshake here seals more than a few messages. */
  #nextNonce(): Uint8Array {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(4, this.nonce++, true);
    return nonce;
  }
}
