/** Hole punch payloads, sealed under what only the two peers know; and the tokens that show that an address receives. §13.6. */
import type { Random } from "../base/random.ts";
import { blake2b256Keyed } from "../crypto/blake2b.ts";
import { equalInConstantTime } from "../crypto/constant-time.ts";
import { NS_PEER_HOLEPUNCH } from "../crypto/namespaces.ts";
import { BOX_NONCE_BYTES, openBox, sealBox } from "../crypto/secretbox.ts";
import { decodeHolepunchPayload, encodeHolepunchPayload, type HolepunchPayload } from "../wire/holepunch-payload.ts";

const SECRET_BYTES = 32;

export class SecurePayloads {
  readonly #random: Random;
  readonly #key: Uint8Array;
  readonly #localSecret: Uint8Array;

  /** `handshakeHash` has 64 bytes. */
  constructor(random: Random, handshakeHash: Uint8Array) {
    this.#random = random;
    this.#key = blake2b256Keyed(handshakeHash, NS_PEER_HOLEPUNCH);
    this.#localSecret = random.bytes(SECRET_BYTES);
  }

  /** A 24-byte nonce, then the box. */
  seal(payload: HolepunchPayload): Uint8Array {
    const nonce = this.#random.bytes(BOX_NONCE_BYTES);
    const box = sealBox(this.#key, nonce, encodeHolepunchPayload(payload));
    const sealed = new Uint8Array(nonce.length + box.length);
    sealed.set(nonce);
    sealed.set(box, nonce.length);
    return sealed;
  }

  /** Null for what the peer did not seal, or is no payload. */
  open(sealed: Uint8Array): HolepunchPayload | null {
    if (sealed.length < BOX_NONCE_BYTES) return null;
    const plain = openBox(this.#key, sealed.subarray(0, BOX_NONCE_BYTES), sealed.subarray(BOX_NONCE_BYTES));
    return plain && decodeHolepunchPayload(plain);
  }

  /** Ours for whoever is at `host`; 32 bytes. */
  token(host: string): Uint8Array {
    return blake2b256Keyed(this.#localSecret, new TextEncoder().encode(host));
  }

  /** Whether the peer gave back what we gave out for `host`. */
  isEchoed(host: string, token: Uint8Array | null): boolean {
    return token !== null && equalInConstantTime(token, this.token(host));
  }
}
