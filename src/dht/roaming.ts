/**
 * Keeps a connection between two dnets when either end comes to another address. Each end asks, in a sealed message beside the stream,
 * whether it is heard by a way, and moves the stream to one that was answered: a NAT that gave us another port is found out by the other
 * end, and both ends' ways are tried before one is used. A peer that is no dnet never gets these.
 *
 *   ping, pong   counter 8 LE ‖ secretbox of: kind u8 (1, 2), number u32 LE     29 bytes, a UDX message of its own
 * The counter is the nonce's; it grows with every message, and one that is not greater than all before it counts for nothing. A pong is
 * as long as its ping, so nobody can be made to send more than came. Source: RFC 9000 §8.2, §9.3 (the idea of validating a path).
 */
import { sameAddress } from "../base/address.ts";
import { blake2b256Keyed } from "../crypto/blake2b.ts";
import { NS_INITIATOR, NS_PATH, NS_RESPONDER } from "../crypto/namespaces.ts";
import { BOX_NONCE_BYTES, openBox, sealBox } from "../crypto/secretbox.ts";
import { AnswerLimit } from "../transport/udx/answer-limit.ts";
import type { UdxStream } from "../transport/udx/stream.ts";
import type { Path, Way } from "./connection-surroundings.ts";
import type { SocketName } from "./requests.ts";

const PING = 1;
const PONG = 2;
const COUNTER_BYTES = 8;
const PLAIN_BYTES = 5;
const MESSAGE_BYTES = COUNTER_BYTES + 16 + PLAIN_BYTES;

/** Nothing heard for so long, while something of ours is not acknowledged or the connection was used lately. */
const QUIET_MS = 500;
/** For how long after its use a connection asks by itself. Later a keep-alive, which is acknowledged, has to tell. */
const USED_MS = 10_000;
/** How often one that is not used looks whether something is not acknowledged. */
const IDLE_EVERY_MS = 5_000;
/** The way is lost when it was asked by for so long, and for three round trips. */
const LOST_MS = 500;
const ASK_EVERY_MS = 250;
const ASK_LOST_EVERY_MS = 500;
/** How often a way is asked by before it counts as none. */
const TRIES = 12;
/** Who was called asks by a way only so often until it is asked itself: a handshake can name any address, and is longer than these. */
const TRIES_UNASKED = 3;
/** Ways that were asked by and have not answered. Full: the oldest is forgotten. */
const MAX_ASKED = 16;

export interface RoamingOptions {
  readonly isInitiator: boolean;
  readonly handshakeHash: Uint8Array;
  readonly stream: UdxStream;
  /** What our stream is called at the other end of that way: a relay has a name of its own for it. */
  readonly remoteId: (way: Way) => number;
}

export interface RoamingOwner {
  /** The stream is to go by this path: both ends are heard by it. */
  moved(now: number, path: Path): void;
  /** The way that was tried is none. */
  refused(now: number, way: Way): void;
  /** Nothing comes by the way it had; told again with growing pauses until something does. */
  lost(now: number): void;
}

export class Roaming {
  /** Whether nothing comes by the way it has. */
  isLost = false;
  readonly #options: RoamingOptions;
  readonly #owner: RoamingOwner;
  readonly #sendKey: Uint8Array;
  readonly #receiveKey: Uint8Array;
  #sent = 0;
  #received = 0;
  readonly #asked: { readonly number: number; readonly path: Path }[] = [];
  /** The way that is being tried. */
  #tried: { readonly way: Way; left: number; dueAt: number } | null = null;
  readonly #limit = new AnswerLimit();
  /** Whether something has come by the way it has. Whoever was called does not ask before: it may be nobody's. */
  #isProven: boolean;
  #usedAt: number;
  #checkAt: number;
  /** Since when the way has been asked by in vain; null while it is not. */
  #askedAt: number | null = null;
  #tellAt = 0;
  #tellEveryMs = 0;

  constructor(now: number, options: RoamingOptions, owner: RoamingOwner) {
    const { handshakeHash, isInitiator } = options;
    const [ours, theirs] = isInitiator ? [NS_INITIATOR, NS_RESPONDER] : [NS_RESPONDER, NS_INITIATOR];
    this.#options = options;
    this.#owner = owner;
    this.#sendKey = blake2b256Keyed(handshakeHash, ours, NS_PATH);
    this.#receiveKey = blake2b256Keyed(handshakeHash, theirs, NS_PATH);
    this.#isProven = isInitiator;
    this.#usedAt = now;
    this.#checkAt = now + QUIET_MS;
  }

  /** Its user said or heard something. Returns whether the deadline is sooner for it. */
  used(now: number): boolean {
    this.#usedAt = now;
    if (this.#checkAt - now <= QUIET_MS) return false;
    this.#checkAt = now + QUIET_MS;
    return true;
  }

  /** A message beside the stream. False when it is none of ours. */
  receive(now: number, message: Uint8Array): boolean {
    if (message.length !== MESSAGE_BYTES) return false;
    const counter = Number(new DataView(message.buffer, message.byteOffset).getBigUint64(0, true));
    const plain = openBox(this.#receiveKey, nonceOf(message), message.subarray(COUNTER_BYTES));
    const { source } = this.#options.stream;
    if (!plain || !source) return plain !== null;
    const number = new DataView(plain.buffer, plain.byteOffset).getUint32(1, true);
    const way = { socket: source.socket as SocketName, to: source.from };
    if (plain[0] === PONG) this.#answered(now, number);
    else if (counter > this.#received && this.#limit.take(now)) {
      this.#received = counter;
      const path = this.#pathBy(way);
      this.#say(path, PONG, number);
      if (!this.#isUsed(path)) this.ask(way); // and if that is answered, the stream moves
    }
    return true;
  }

  /** The other end's data came by another way than ours go: it may have moved. */
  strayed(now: number): void {
    const { source } = this.#options.stream;
    if (source && this.#limit.take(now)) this.ask({ socket: source.socket as SocketName, to: source.from });
  }

  /** Whether the other end hears us by that way, and we it: the stream moves there when it says so. */
  ask(way: Way): void {
    const number = (this.#sent + 1) >>> 0;
    const path = this.#pathBy(way);
    if (this.#asked.length >= MAX_ASKED) this.#asked.shift();
    this.#asked.push({ number, path });
    this.#say(path, PING, number);
  }

  /** A way that may be better, in place of the one that was tried before: asks until it is answered. */
  try(now: number, way: Way): void {
    this.#tried = { way, left: TRIES, dueAt: now };
    this.#askTried(now);
  }

  /** Our own address may be another: asks at once. */
  check(now: number): void {
    this.#usedAt = now;
    this.#askedAt ??= now;
    this.#askRemote();
    this.#checkAt = now + ASK_EVERY_MS;
  }

  advance(now: number): void {
    this.#askTried(now);
    if (now < this.#checkAt) return;
    const { heardAt, isWaiting, isFromRemote } = this.#options.stream;
    this.#isProven ||= isFromRemote;
    if (!this.#isProven) {
      this.#checkAt = now + QUIET_MS;
      return;
    }
    if (this.#askedAt !== null && heardAt >= this.#askedAt) this.#heard();
    if (this.#askedAt !== null) return this.#doubt(now);
    const quietAt = heardAt + QUIET_MS;
    if (now < quietAt) this.#checkAt = quietAt;
    else if (isWaiting || now - this.#usedAt <= USED_MS) this.#doubt(now);
    else this.#checkAt = now + IDLE_EVERY_MS;
  }

  deadline(): number {
    return Math.min(this.#checkAt, this.#tried?.dueAt ?? Infinity);
  }

  #askTried(now: number): void {
    const tried = this.#tried;
    if (!tried || now < tried.dueAt) return;
    tried.dueAt = now + ASK_EVERY_MS;
    if (tried.left-- > 0) {
      const isUnasked = !this.#options.isInitiator && tried.left < TRIES - TRIES_UNASKED;
      return isUnasked ? undefined : this.ask(tried.way);
    }
    this.#tried = null;
    this.#owner.refused(now, tried.way);
  }

  #doubt(now: number): void {
    this.#askedAt ??= now;
    const { stats } = this.#options.stream;
    if (!this.isLost && now - this.#askedAt >= Math.max(LOST_MS, 3 * stats.rttMs)) {
      this.isLost = true;
      this.#tellAt = now;
      this.#tellEveryMs = 1_000;
    }
    if (this.isLost && now >= this.#tellAt) {
      this.#tellAt = now + this.#tellEveryMs;
      this.#tellEveryMs *= 2;
      this.#owner.lost(now);
    }
    this.#askRemote();
    this.#checkAt = now + (this.isLost ? ASK_LOST_EVERY_MS : ASK_EVERY_MS);
  }

  #askRemote(): void {
    const { remote } = this.#options.stream;
    if (remote) this.ask({ socket: remote.socket as SocketName, to: remote.to });
  }

  #answered(now: number, number: number): void {
    const asked = this.#asked.find((each) => each.number === number);
    if (!asked) return;
    this.#asked.splice(this.#asked.indexOf(asked), 1);
    this.#heard();
    if (this.#tried && isSame(this.#tried.way, asked.path)) this.#tried = null;
    if (!this.#isUsed(asked.path)) this.#owner.moved(now, asked.path);
  }

  #heard(): void {
    this.#askedAt = null;
    this.isLost = false;
  }

  #pathBy(way: Way): Path {
    const { socket, to } = way;
    return { socket, to: { host: to.host, port: to.port }, remoteId: this.#options.remoteId(way) };
  }

  #isUsed({ socket, to, remoteId }: Path): boolean {
    const { remote } = this.#options.stream;
    return remote?.socket === socket && remote.remoteId === remoteId && sameAddress(remote.to, to);
  }

  #say(path: Path, kind: number, number: number): void {
    const message = new Uint8Array(MESSAGE_BYTES);
    new DataView(message.buffer).setBigUint64(0, BigInt(++this.#sent), true);
    const plain = new Uint8Array(PLAIN_BYTES);
    plain[0] = kind;
    new DataView(plain.buffer).setUint32(1, number, true);
    message.set(sealBox(this.#sendKey, nonceOf(message), plain), COUNTER_BYTES);
    this.#options.stream.sendBy(path, message);
  }
}

function isSame(a: Way, b: Way): boolean {
  return a.socket === b.socket && sameAddress(a.to, b.to);
}

function nonceOf(message: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(BOX_NONCE_BYTES);
  nonce.set(message.subarray(0, COUNTER_BYTES));
  return nonce;
}
