/**
 * One direction of an encrypted stream: messages that open only in the order in which they were sealed, none missing.
 * A sealed message is 17 bytes longer than its plaintext: a masked tag 1 ‖ ciphertext ‖ mac 16. The mac changes the next
 * message's nonce, so every message depends on all before it. Source: libsodium crypto_secretstream_xchacha20poly1305.c,
 * without additional data; specification §14.2.
 */
import { poly1305 } from "@noble/ciphers/_poly1305.js";
import { chacha20, hchacha } from "@noble/ciphers/chacha.js";
import { assert } from "../base/assert.ts";
import { equalInConstantTime } from "./constant-time.ts";

/** Random, from the sealing side, and public; it must reach the other end before the first message. */
export const STREAM_HEADER_BYTES = 24;
export const SEALED_EXTRA_BYTES = 17;

/**
 * Seals and opens one message: what a stream costs. `state` is the key 32 ‖ the block counter 4, which is 0 ‖ the nonce 12, as ChaCha20
 * (RFC 8439) takes them.
 */
export interface MessageCipher {
  /** Writes `plaintext.length + 17` bytes to `into`, from `at` on. */
  seal(state: Uint8Array, tag: number, plaintext: Uint8Array, into: Uint8Array, at: number): void;
  /**
   * Fills `plaintext`, which is 17 bytes shorter than `sealed`, and may be what lies behind its first byte. Returns the tag; null, with
   * nothing written, when it is forged.
   */
  open(state: Uint8Array, sealed: Uint8Array, plaintext: Uint8Array): number | null;
}

/** HyperDHT sends 0 alone; a tag has no effect but that those with bit 1 set (REKEY, FINAL) change the key. */
const TAG_MESSAGE = 0;
const REKEYS = 2;

const KEY_BYTES = 32;
const NONCE_AT = KEY_BYTES + 4;
const INONCE_BYTES = 8;
const STATE_BYTES = NONCE_AT + 4 + INONCE_BYTES;
const MAC_BYTES = 16;
const BLOCK_BYTES = 64;
const FIRST_COUNTER = 1;
const EXPAND_32_BYTE_K = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);

export class SecretStream {
  /** For the cipher; its nonce is the counter u32 ‖ the inonce 8, which every mac changes. */
  readonly #state = new Uint8Array(STATE_BYTES);
  readonly #key = this.#state.subarray(0, KEY_BYTES);
  readonly #nonce = this.#state.subarray(NONCE_AT);
  readonly #inonce = this.#state.subarray(NONCE_AT + 4);
  readonly #view = new DataView(this.#state.buffer);
  readonly #cipher: MessageCipher;

  /** `key` has 32 bytes, `header` 24. The counter starts elsewhere only in a test of its end, which is 2^32 messages away. */
  constructor(key: Uint8Array, header: Uint8Array, cipher: MessageCipher, counter = FIRST_COUNTER) {
    assert(key.length === KEY_BYTES && header.length === STREAM_HEADER_BYTES, "a key of 32 bytes and a header of 24");
    this.#cipher = cipher;
    this.#key.set(hchacha20(key, header.subarray(0, 16)));
    this.#inonce.set(header.subarray(16));
    this.#counter = counter;
  }

  /** Writes the sealed message, 17 bytes longer than `plaintext`, to `into` from `at` on. */
  seal(plaintext: Uint8Array, into: Uint8Array, at = 0, tag = TAG_MESSAGE): void {
    this.#cipher.seal(this.#state, tag, plaintext, into, at);
    this.#advance(into, at + 1 + plaintext.length, tag);
  }

  /**
   * Returns the message, written to `into`, 17 bytes shorter than `sealed`: it may be what lies behind the first byte of that. Null when
   * this is not the next message; the stream is then as it was before.
   */
  open(sealed: Uint8Array, into?: Uint8Array): Uint8Array | null {
    const bytes = sealed.length - SEALED_EXTRA_BYTES;
    if (bytes < 0) return null;
    const plaintext = into ?? new Uint8Array(bytes);
    const tag = this.#cipher.open(this.#state, sealed, plaintext);
    if (tag === null) return null;
    this.#advance(sealed, 1 + bytes, tag);
    return plaintext;
  }

  get #counter(): number {
    return this.#view.getUint32(NONCE_AT, true);
  }

  set #counter(counter: number) {
    this.#view.setUint32(NONCE_AT, counter, true);
  }

  #advance(sealed: Uint8Array, macAt: number, tag: number): void {
    for (let i = 0; i < INONCE_BYTES; i++) this.#inonce[i]! ^= sealed[macAt + i]!;
    this.#counter++; // modulo 2^32, and then it is 0
    if (tag & REKEYS || this.#counter === 0) this.#rekey();
  }

  #rekey(): void {
    const both = new Uint8Array(KEY_BYTES + INONCE_BYTES);
    both.set(this.#key);
    both.set(this.#inonce, KEY_BYTES);
    const next = chacha20(this.#key, this.#nonce, both);
    this.#key.set(next.subarray(0, KEY_BYTES));
    this.#inonce.set(next.subarray(KEY_BYTES));
    this.#counter = FIRST_COUNTER;
  }
}

/** The cipher that needs nothing of the system: 1,420 bytes take 15 µs. */
export const portableCipher: MessageCipher = {
  seal(state, tag, plaintext, into, at) {
    // One pass of the cipher from block 0: the mac's key, the block that holds the tag, the text from block 2 on.
    const blocks = new Uint8Array(2 * BLOCK_BYTES + plaintext.length);
    blocks[BLOCK_BYTES] = tag;
    blocks.set(plaintext, 2 * BLOCK_BYTES);
    const out = chacha20(state.subarray(0, KEY_BYTES), state.subarray(NONCE_AT), blocks);
    const [tagBlock, ciphertext] = [out.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES), out.subarray(2 * BLOCK_BYTES)];
    into[at] = tagBlock[0]!;
    into.set(ciphertext, at + 1);
    into.set(authenticate(out.subarray(0, 32), tagBlock, ciphertext), at + 1 + ciphertext.length);
  },

  open(state, sealed, plaintext) {
    const [key, nonce] = [state.subarray(0, KEY_BYTES), state.subarray(NONCE_AT)];
    const macAt = sealed.length - MAC_BYTES;
    const ciphertext = sealed.subarray(1, macAt);
    const keystream = chacha20(key, nonce, new Uint8Array(2 * BLOCK_BYTES));
    const tagBlock = keystream.subarray(BLOCK_BYTES);
    const tag = tagBlock[0]! ^ sealed[0]!;
    tagBlock[0] = sealed[0]!;
    const mac = authenticate(keystream.subarray(0, 32), tagBlock, ciphertext);
    if (!equalInConstantTime(sealed.subarray(macAt), mac)) return null;
    plaintext.set(chacha20(key, nonce, ciphertext, undefined, 2));
    return tag;
  },
};

/**
 * The mac of a whole tag block and a ciphertext. The zeros between them and the lengths are as many as the ciphertext's
 * length modulo 16, which pads nothing; the construction has it so.
 */
function authenticate(key: Uint8Array, tagBlock: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const lengths = new DataView(new ArrayBuffer(16)); // u64 of the additional data's, which is 0; then u64
  lengths.setBigUint64(8, BigInt(BLOCK_BYTES + ciphertext.length), true);
  return poly1305
    .create(key)
    .update(tagBlock)
    .update(ciphertext)
    .update(new Uint8Array(ciphertext.length % 16))
    .update(new Uint8Array(lengths.buffer))
    .digest();
}

/** The subkey of draft-irtf-cfrg-xchacha-03 §2.2. `input` has 16 bytes. */
function hchacha20(key: Uint8Array, input: Uint8Array): Uint8Array {
  const out = new Uint32Array(8);
  hchacha(EXPAND_32_BYTE_K, words(key), words(input), out);
  return new Uint8Array(out.buffer);
}

/** Noble counts in words of the machine's own order, which on all we run on is little-endian. */
function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}
