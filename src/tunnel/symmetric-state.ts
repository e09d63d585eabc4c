import { deriveKeys, hash } from "../crypto/blake2s.ts";
import type { Suite } from "./suite.ts";

/** Noise §12.3 and §12.4: counter 0 in either suite. Each key of a handshake seals one message, so there is no other. */
const FIRST_NONCE = new Uint8Array(12);

/** Noise's SymmetricState (§5.2): the running hash of all that was said, and the key that grows with every agreement. */
export class SymmetricState {
  #hash: Uint8Array;
  #chainingKey: Uint8Array;
  #key: Uint8Array = new Uint8Array(32);

  constructor(readonly suite: Suite) {
    this.#hash = suite.hash;
    this.#chainingKey = suite.chainingKey.slice();
  }

  mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hash, data);
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = deriveKeys(this.#chainingKey, input, 2);
    this.#become(chainingKey!, key!);
  }

  /** Mixes in a pre-shared key (Noise §9.2). */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, toHash, key] = deriveKeys(this.#chainingKey, input, 3);
    this.#become(chainingKey!, key!);
    this.mixHash(toHash!);
    toHash!.fill(0);
  }

  seal(plaintext: Uint8Array): Uint8Array {
    const sealed = this.suite.aead.seal(this.#key, FIRST_NONCE, plaintext, this.#hash);
    this.mixHash(sealed);
    return sealed;
  }

  /** null when the bytes were not sealed in this state, which is then as it was before. */
  open(sealed: Uint8Array): Uint8Array | null {
    const plaintext = this.suite.aead.open(this.#key, FIRST_NONCE, sealed, this.#hash);
    if (plaintext) this.mixHash(sealed);
    return plaintext;
  }

  /** The two keys of the session: what the initiator sends with, and what the responder sends with. */
  split(): [initiatorKey: Uint8Array, responderKey: Uint8Array] {
    const [initiatorKey, responderKey] = deriveKeys(this.#chainingKey, new Uint8Array(0), 2);
    return [initiatorKey!, responderKey!];
  }

  clone(): SymmetricState {
    const copy = new SymmetricState(this.suite);
    copy.#hash = this.#hash;
    copy.#become(this.#chainingKey.slice(), this.#key.slice());
    return copy;
  }

  zero(): void {
    this.#chainingKey.fill(0);
    this.#key.fill(0);
  }

  #become(chainingKey: Uint8Array, key: Uint8Array): void {
    this.zero();
    this.#chainingKey = chainingKey;
    this.#key = key;
  }
}
