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

/** HyperDHT sends 0 alone; a tag has no effect but that those with bit 1 set (REKEY, FINAL) change the key. */
const TAG_MESSAGE = 0;
const REKEYS = 2;

const KEY_BYTES = 32;
const MAC_BYTES = 16;
const BLOCK_BYTES = 64;
const FIRST_COUNTER = 1;
const EXPAND_32_BYTE_K = Uint32Array.of(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);

export class SecretStream {
  /** The key 32 ‖ inonce 8: together they are what a rekey replaces. */
  readonly #keyAndInonce: Uint8Array;
  readonly #key: Uint8Array;
  readonly #inonce: Uint8Array;
  /** Counter u32 ‖ inonce 8, as ChaCha20 (RFC 8439) takes it. */
  readonly #nonce = new Uint8Array(12);
  #counter: number;

  /** `key` has 32 bytes, `header` 24. The counter starts elsewhere only in a test of its end, which is 2^32 messages away. */
  constructor(key: Uint8Array, header: Uint8Array, counter = FIRST_COUNTER) {
    assert(key.length === KEY_BYTES && header.length === STREAM_HEADER_BYTES, "a key of 32 bytes and a header of 24");
    this.#keyAndInonce = new Uint8Array(KEY_BYTES + 8);
    this.#key = this.#keyAndInonce.subarray(0, KEY_BYTES);
    this.#inonce = this.#keyAndInonce.subarray(KEY_BYTES);
    this.#key.set(hchacha20(key, header.subarray(0, 16)));
    this.#inonce.set(header.subarray(16));
    this.#counter = counter;
    this.#setNonce();
  }

  seal(plaintext: Uint8Array, tag = TAG_MESSAGE): Uint8Array {
    // One pass of the cipher from block 0: the mac's key, the block that holds the tag, the text from block 2 on.
    const blocks = new Uint8Array(2 * BLOCK_BYTES + plaintext.length);
    blocks[BLOCK_BYTES] = tag;
    blocks.set(plaintext, 2 * BLOCK_BYTES);
    const out = chacha20(this.#key, this.#nonce, blocks);
    const [tagBlock, ciphertext] = [out.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES), out.subarray(2 * BLOCK_BYTES)];
    const mac = authenticate(out.subarray(0, 32), tagBlock, ciphertext);
    const sealed = new Uint8Array(plaintext.length + SEALED_EXTRA_BYTES);
    sealed[0] = tagBlock[0]!;
    sealed.set(ciphertext, 1);
    sealed.set(mac, 1 + ciphertext.length);
    this.#advance(mac, tag);
    return sealed;
  }

  /** null when this is not the next message; the stream is then as it was before. */
  open(sealed: Uint8Array): Uint8Array | null {
    if (sealed.length < SEALED_EXTRA_BYTES) return null;
    const macStart = sealed.length - MAC_BYTES;
    const [ciphertext, mac] = [sealed.subarray(1, macStart), sealed.subarray(macStart)];
    const keystream = chacha20(this.#key, this.#nonce, new Uint8Array(2 * BLOCK_BYTES));
    const tagBlock = keystream.subarray(BLOCK_BYTES);
    const tag = tagBlock[0]! ^ sealed[0]!;
    tagBlock[0] = sealed[0]!;
    if (!equalInConstantTime(mac, authenticate(keystream.subarray(0, 32), tagBlock, ciphertext))) return null;
    const plaintext = chacha20(this.#key, this.#nonce, ciphertext, undefined, 2);
    this.#advance(mac, tag);
    return plaintext;
  }

  #advance(mac: Uint8Array, tag: number): void {
    for (let i = 0; i < this.#inonce.length; i++) this.#inonce[i]! ^= mac[i]!;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#setNonce();
    if (tag & REKEYS || this.#counter === 0) this.#rekey();
  }

  #rekey(): void {
    this.#keyAndInonce.set(chacha20(this.#key, this.#nonce, this.#keyAndInonce));
    this.#counter = FIRST_COUNTER;
    this.#setNonce();
  }

  #setNonce(): void {
    new DataView(this.#nonce.buffer).setUint32(0, this.#counter, true);
    this.#nonce.set(this.#inonce, 4);
  }
}

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
