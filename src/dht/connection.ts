/**
 * A connection as its user has it: messages, sealed from end to end, over one stream. It can be written to at once; what is written
 * before there is a path waits, up to a bound.
 */
import type { Address } from "../base/address.ts";
import type { Due } from "../base/deadlines.ts";
import type { Random } from "../base/random.ts";
import type { NoiseSession } from "../crypto/noise.ts";
import { SecretChannel, type SecretChannelOwner } from "../transport/secret-channel.ts";
import type { UdxStream } from "../transport/udx/stream.ts";
import type { CloseReason, StreamOwner } from "../transport/udx/stream-owner.ts";
import type { Path } from "./connection-surroundings.ts";
import type { Reason } from "./reasons.ts";

/** What may wait for a path. Full: `send` says so; what is sent all the same is kept, for it is the caller's own memory. */
const MAX_WAITING_BYTES = 1 << 20;
/**
 * After our end the other side's words are all we hear of it, its keep-alives among them. When as many of ours would have come in vain
 * it is gone: a minute, usually.
 */
const SILENT_KEEP_ALIVES = 12;
const MAX_EARLY_PACKETS = 16;

/** Why a connection is over. Null: both sides ended it. */
export type ConnectionEnd = null | "destroyed" | "reset" | "timeout" | "broken" | Reason;

export interface ConnectionOwner {
  /** The other side has shown that it has the keys. */
  opened(connection: Connection): void;
  message(connection: Connection, message: Uint8Array): void;
  unordered(connection: Connection, message: Uint8Array): void;
  /** The other side sends nothing more. */
  ended(connection: Connection): void;
  /** After a `send` that returned false: there is room again. */
  writable(connection: Connection): void;
  /** The last that is heard of it. */
  closed(connection: Connection, why: ConnectionEnd): void;
}

const NOBODY: ConnectionOwner = {
  opened: () => {},
  message: () => {},
  unordered: () => {},
  ended: () => {},
  writable: () => {},
  closed: () => {},
};

export class Connection implements Due {
  dueAt = Infinity;
  place = -1;
  readonly isInitiator: boolean;
  session: NoiseSession | null = null;
  isClosed = false;
  readonly stream: UdxStream;
  readonly #random: Random;
  readonly #keepAliveMs: number;
  /** Who gets what comes; nobody, until someone is told of the connection. */
  owner: ConnectionOwner = NOBODY;
  readonly #onClosed: (now: number, connection: Connection) => void;
  #channel: SecretChannel | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isEnding = false;
  #isFull = false;
  #isPaused = false;
  #silentAt = Infinity;
  readonly #silentMs: number;
  /** Bytes that came while it was paused. */
  #unread = 0;
  #why: ConnectionEnd = null;
  /** What came before we had the keys: the other side's first packets may overtake its answer. */
  #early: Uint8Array[] = [];
  #hasEarlyEnd = false;

  constructor(options: {
    readonly isInitiator: boolean;
    readonly random: Random;
    readonly keepAliveMs: number;
    /** Makes the stream, whose owner this is. */
    readonly open: (owner: StreamOwner) => UdxStream;
    readonly onClosed: (now: number, connection: Connection) => void;
  }) {
    this.isInitiator = options.isInitiator;
    this.#random = options.random;
    this.#keepAliveMs = options.keepAliveMs;
    this.#silentMs = options.keepAliveMs * SILENT_KEEP_ALIVES;
    this.#onClosed = options.onClosed;
    this.stream = options.open(this.#ofStream);
  }

  /** Where the packets go: null until there is a path. */
  get remote(): (Address & { readonly socket: string }) | null {
    const { remote } = this.stream;
    return remote && { ...remote.to, socket: remote.socket };
  }

  get isOpen(): boolean {
    return this.#channel?.isOpen ?? false;
  }

  /** Whether packets may be kept until there are keys; beyond, they have to be sent again. */
  get hasRoomForEarly(): boolean {
    return this.#early.length < MAX_EARLY_PACKETS;
  }

  /** The keys are agreed on, and there is a path: what waited goes out. */
  start(now: number, session: NoiseSession, path: Path): void {
    if (this.isClosed) return;
    const { sendKey, receiveKey, handshakeHash } = session;
    this.session = session;
    this.stream.connect(now, path);
    const keys = { sendKey, receiveKey, handshakeHash };
    const options = { random: this.#random, isInitiator: this.isInitiator, keepAliveMs: this.#keepAliveMs, ...keys };
    this.#channel = new SecretChannel(now, options, this.#ofChannel);
    const wasFull = this.#isFull;
    this.#isFull = false; // or not, if this fills the stream
    for (const message of this.#waiting.splice(0)) this.#channel.send(now, message);
    this.#waitingBytes = 0;
    if (this.#isEnding) this.#end(now);
    else if (wasFull && !this.#isFull) this.owner.writable(this);
    // What came early is heard last: whoever answers it must not overtake what waited.
    for (const bytes of this.#early.splice(0)) this.#channel?.receive(now, bytes);
    if (this.#hasEarlyEnd && !this.isClosed) this.owner.ended(this);
  }

  /** One message, in order. False when that is enough for now: `writable` will say when it is not. */
  send(now: number, message: Uint8Array): boolean {
    if (this.isClosed || this.#isEnding) return false;
    if (this.#channel) this.#channel.send(now, message);
    else {
      this.#waiting.push(message);
      this.#waitingBytes += message.length;
      this.#isFull ||= this.#waitingBytes >= MAX_WAITING_BYTES;
    }
    return !this.#isFull;
  }

  /** One message that may be lost; nothing before there is a path. */
  sendUnordered(now: number, message: Uint8Array): void {
    if (!this.isClosed) this.#channel?.sendUnordered(now, message);
  }

  /** What has come so far is enough: the other side may fill our window, and then has to wait. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.isClosed) this.stream.consumed(this.#unread);
    this.#unread = 0;
  }

  /** Nothing more is sent; the other side may go on. */
  end(now: number): void {
    if (this.isClosed || this.#isEnding) return;
    this.#isEnding = true;
    if (this.stream.isConnected) this.#end(now);
  }

  #end(now: number): void {
    this.stream.end();
    if (this.#keepAliveMs > 0) this.#silentAt = now + this.#silentMs;
  }

  destroy(now: number, why: ConnectionEnd = "destroyed"): void {
    if (this.isClosed) return;
    this.#why = why;
    this.stream.destroy(now);
  }

  advance(now: number): void {
    if (!this.#isEnding) this.#channel?.advance(now);
    else if (now >= this.#silentAt && this.#isPaused)
      this.#silentAt = now + this.#silentMs; // it may not speak
    else if (now >= this.#silentAt) this.destroy(now, "timeout");
  }

  deadline(): number {
    if (this.isClosed) return Infinity;
    return this.#isEnding ? this.#silentAt : (this.#channel?.deadline() ?? Infinity);
  }

  #read(now: number, bytes: Uint8Array): void {
    if (this.#silentAt < Infinity) this.#silentAt = now + this.#silentMs;
    if (this.#channel) this.#channel.receive(now, bytes);
    else this.#early.push(bytes.slice());
    if (this.#isPaused) this.#unread += bytes.length;
    else this.stream.consumed(bytes.length);
  }

  #tellRoom(): void {
    if (!this.#isFull || this.isClosed) return;
    this.#isFull = false;
    this.owner.writable(this);
  }

  #close(now: number, reason: CloseReason): void {
    this.isClosed = true;
    this.#channel?.end();
    this.#waiting = [];
    this.#early = [];
    this.#onClosed(now, this);
    this.owner.closed(this, this.#why ?? (reason === "relay" ? "reset" : reason));
  }

  readonly #ofStream: StreamOwner = {
    data: (now, _stream, bytes) => this.#read(now, bytes),
    ended: () => {
      if (this.#channel) this.owner.ended(this);
      else this.#hasEarlyEnd = true; // told after what came before it
    },
    message: (now, _stream, bytes) => this.#channel?.receiveUnordered(now, bytes),
    writable: () => this.#tellRoom(),
    closed: (now, _stream, reason) => this.#close(now, reason),
  };

  readonly #ofChannel: SecretChannelOwner = {
    write: (_now, bytes) => {
      if (!this.stream.isClosed && !this.stream.write(bytes)) this.#isFull = true;
    },
    writeUnordered: (_now, datagram) => this.stream.send(datagram),
    opened: () => this.owner.opened(this),
    message: (_now, message) => this.owner.message(this, message),
    unordered: (_now, message) => this.owner.unordered(this, message),
    broken: (now) => this.destroy(now, "broken"),
  };
}
