/**
 * HyperDHT's secret stream over an ordered stream of bytes: messages in frames, each way sealed in order; and unordered messages beside
 * them. Source: @hyperswarm/secret-stream 6.9 index.js; specification §14.2, §14.3.
 *
 *   frame          length u24 LE, then so many bytes
 *   first frame    length 56: stream id 32 ‖ header 24, in clear; sent at once, each way, without waiting for the other's
 *   other frames   one sealed message: plaintext + 17 bytes
 *   unordered      counter 8 ‖ secretbox (plaintext + 16), a datagram of its own
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { blake2b256Keyed } from "../crypto/blake2b.ts";
import { equalInConstantTime } from "../crypto/constant-time.ts";
import { NS_INITIATOR, NS_RESPONDER, NS_SEND } from "../crypto/namespaces.ts";
import { BOX_NONCE_BYTES, openBox, sealBox } from "../crypto/secretbox.ts";
import { type MessageCipher, SEALED_EXTRA_BYTES, SecretStream, STREAM_HEADER_BYTES } from "../crypto/secretstream.ts";

const LENGTH_BYTES = 3;
const STREAM_ID_BYTES = 32;
const FIRST_BYTES = STREAM_ID_BYTES + STREAM_HEADER_BYTES;
const COUNTER_BYTES = 8;
/** Room for what has come of a frame: a message of 64 KiB fits, and is copied once. */
const FIRST_PART_BYTES = 66_000;
const NOTHING = new Uint8Array(0);
/** The longest message that is sent, and taken. A frame could say 2^24 - 1; whoever sends one fills our memory until it ends. */
export const MAX_MESSAGE_BYTES = 2 ** 24 - 1 - SEALED_EXTRA_BYTES;

export interface SecretChannelOptions {
  readonly random: Random;
  readonly messageCipher: MessageCipher;
  readonly isInitiator: boolean;
  /** 32 bytes each, and 64: of the handshake. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly handshakeHash: Uint8Array;
  /** After so long without a word of ours an empty message goes out; 0 for never. */
  readonly keepAliveMs: number;
}

export interface SecretChannelOwner {
  /** Bytes for the ordered stream below. */
  write(now: number, bytes: Uint8Array): void;
  /** A datagram for the stream below. */
  writeUnordered(now: number, datagram: Uint8Array): void;
  /** The other side's first frame came: it has the keys. */
  opened(now: number): void;
  message(now: number, message: Uint8Array): void;
  unordered(now: number, message: Uint8Array): void;
  /** What came was not sealed by the other side: nothing more is taken. */
  broken(now: number): void;
}

export class SecretChannel {
  isOpen = false;
  readonly #options: SecretChannelOptions;
  readonly #owner: SecretChannelOwner;
  readonly #sealing: SecretStream;
  #opening: SecretStream | null = null;
  #isBroken = false;
  /**
   * Bytes of a frame's body that has not come whole, `#partBytes` of them. It grows as they come: whoever announces a long frame has to
   * send it to fill our memory, and many small pieces take no more room than few.
   */
  #part = NOTHING;
  #partBytes = 0;
  /** How much of the frame's length has come, and what that is. */
  #lengthBytes = 0;
  #bodyBytes = 0;
  readonly #sendUnorderedKey: Uint8Array;
  readonly #receiveUnorderedKey: Uint8Array;
  readonly #counter: Uint8Array;
  #keepAliveAt = Infinity;

  /** Sends the first frame at once. */
  constructor(now: number, options: SecretChannelOptions, owner: SecretChannelOwner) {
    const { random, messageCipher, isInitiator, sendKey, handshakeHash } = options;
    this.#options = options;
    this.#owner = owner;
    const [ours, theirs] = isInitiator ? [NS_INITIATOR, NS_RESPONDER] : [NS_RESPONDER, NS_INITIATOR];
    this.#sendUnorderedKey = blake2b256Keyed(handshakeHash, ours, NS_SEND);
    this.#receiveUnorderedKey = blake2b256Keyed(handshakeHash, theirs, NS_SEND);
    this.#counter = random.bytes(COUNTER_BYTES);
    const header = random.bytes(STREAM_HEADER_BYTES);
    this.#sealing = new SecretStream(sendKey, header, messageCipher);
    const first = newFrame(FIRST_BYTES);
    first.set(blake2b256Keyed(handshakeHash, ours), LENGTH_BYTES);
    first.set(header, LENGTH_BYTES + STREAM_ID_BYTES);
    this.#write(now, first);
  }

  /** One message, delivered in order. It may be sent before the other side has said anything. */
  send(now: number, message: Uint8Array): void {
    assert(message.length <= MAX_MESSAGE_BYTES, `a message has at most ${MAX_MESSAGE_BYTES} bytes`);
    if (this.#isBroken) return;
    const frame = newFrame(message.length + SEALED_EXTRA_BYTES);
    this.#sealing.seal(message, frame, LENGTH_BYTES);
    this.#write(now, frame);
  }

  /** One message that may be lost, repeated or overtaken; it must fit a datagram. */
  sendUnordered(now: number, message: Uint8Array): void {
    increment(this.#counter);
    const nonce = new Uint8Array(BOX_NONCE_BYTES);
    nonce.set(this.#counter);
    const box = sealBox(this.#sendUnorderedKey, nonce, message);
    const datagram = new Uint8Array(COUNTER_BYTES + box.length);
    datagram.set(this.#counter);
    datagram.set(box, COUNTER_BYTES);
    this.#owner.writeUnordered(now, datagram);
  }

  /** Bytes of the ordered stream, cut anywhere. They are lent: of a frame that is not whole yet a copy is kept. */
  receive(now: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && !this.#isBroken; ) {
      if (this.#lengthBytes < LENGTH_BYTES) {
        this.#bodyBytes |= bytes[at++]! << (8 * this.#lengthBytes++);
        if (this.#lengthBytes === LENGTH_BYTES && !this.#isPossible) this.#break(now);
        continue;
      }
      const end = at + this.#bodyBytes - this.#partBytes;
      const piece = at === 0 && end >= bytes.length ? bytes : bytes.subarray(at, end);
      at += piece.length;
      if (piece.length < this.#bodyBytes && this.#keep(piece) < this.#bodyBytes) return;
      const body = piece.length === this.#bodyBytes ? piece : this.#part.subarray(0, this.#bodyBytes);
      const isOurs = body !== piece;
      this.#nextFrame();
      if (this.#opening) this.#onSealed(now, body, isOurs);
      else this.#onFirst(now, body);
    }
  }

  /** A datagram beside the ordered stream. What the other side did not seal is dropped without a word. */
  receiveUnordered(now: number, datagram: Uint8Array): void {
    if (datagram.length < COUNTER_BYTES) return;
    const nonce = new Uint8Array(BOX_NONCE_BYTES);
    nonce.set(datagram.subarray(0, COUNTER_BYTES));
    const message = openBox(this.#receiveUnorderedKey, nonce, datagram.subarray(COUNTER_BYTES));
    if (message) this.#owner.unordered(now, message);
  }

  advance(now: number): void {
    if (now >= this.#keepAliveAt) this.send(now, NOTHING);
  }

  deadline(): number {
    return this.#keepAliveAt;
  }

  /** Nothing more is sent. */
  end(): void {
    this.#isBroken = true;
    this.#keepAliveAt = Infinity;
    this.#part = NOTHING;
  }

  /** Whether a frame of that length may come now. */
  get #isPossible(): boolean {
    return this.#opening ? this.#bodyBytes >= SEALED_EXTRA_BYTES : this.#bodyBytes === FIRST_BYTES;
  }

  #nextFrame(): void {
    this.#part = NOTHING;
    this.#partBytes = 0;
    this.#lengthBytes = 0;
    this.#bodyBytes = 0;
  }

  #onFirst(now: number, first: Uint8Array): void {
    const { isInitiator, handshakeHash, receiveKey, messageCipher } = this.#options;
    const theirs = blake2b256Keyed(handshakeHash, isInitiator ? NS_RESPONDER : NS_INITIATOR);
    if (!equalInConstantTime(first.subarray(0, STREAM_ID_BYTES), theirs)) return this.#break(now);
    this.#opening = new SecretStream(receiveKey, first.subarray(STREAM_ID_BYTES), messageCipher);
    this.isOpen = true;
    this.#owner.opened(now);
  }

  /** `isOurs`: the bytes may be written to, and given away. */
  #onSealed(now: number, sealed: Uint8Array, isOurs: boolean): void {
    const inPlace = isOurs ? sealed.subarray(1, 1 + sealed.length - SEALED_EXTRA_BYTES) : undefined;
    const message = this.#opening!.open(sealed, inPlace);
    if (!message) return this.#break(now);
    // An empty message keeps the stream alive, and with it the other side's NAT.
    if (message.length > 0 || this.#options.keepAliveMs === 0) this.#owner.message(now, message);
  }

  #break(now: number): void {
    this.end();
    this.#owner.broken(now);
  }

  #write(now: number, frame: Uint8Array): void {
    const { keepAliveMs } = this.#options;
    if (keepAliveMs > 0) this.#keepAliveAt = now + keepAliveMs;
    this.#owner.write(now, frame);
  }

  /** Returns how many bytes there are now. */
  #keep(piece: Uint8Array): number {
    const bytes = this.#partBytes + piece.length;
    if (bytes > this.#part.length) {
      const larger = new Uint8Array(Math.min(this.#bodyBytes, Math.max(2 * bytes, FIRST_PART_BYTES)));
      larger.set(this.#part.subarray(0, this.#partBytes));
      this.#part = larger;
    }
    this.#part.set(piece, this.#partBytes);
    this.#partBytes = bytes;
    return bytes;
  }
}

/** Its length is written; the body is for the caller to fill. */
function newFrame(bodyBytes: number): Uint8Array {
  const frame = new Uint8Array(LENGTH_BYTES + bodyBytes);
  frame[0] = bodyBytes;
  frame[1] = bodyBytes >>> 8;
  frame[2] = bodyBytes >>> 16;
  return frame;
}

/** As one little-endian number. */
function increment(counter: Uint8Array): void {
  for (let i = 0; i < counter.length; i++) {
    counter[i]!++;
    if (counter[i] !== 0) return;
  }
}
