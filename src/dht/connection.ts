/**
 * A connection as its user has it: messages, sealed from end to end, over one stream. It can be written to at once; what is written
 * before there is a path waits, up to a bound. The path may begin at a relay and become a direct one; the stream goes on.
 */
import type { Address } from "../base/address.ts";
import type { Due } from "../base/deadlines.ts";
import type { Random } from "../base/random.ts";
import type { NoiseSession } from "../crypto/noise.ts";
import type { MessageCipher } from "../crypto/secretstream.ts";
import { SecretChannel, type SecretChannelOwner } from "../transport/secret-channel.ts";
import type { UdxStream } from "../transport/udx/stream.ts";
import type { CloseReason, StreamOwner } from "../transport/udx/stream-owner.ts";
import type { Way } from "./connection-surroundings.ts";
import type { Reason } from "./reasons.ts";
import type { SocketName } from "./requests.ts";
import { StreamPath, type StreamPathOwner } from "./stream-path.ts";
import { Trace } from "./trace.ts";

/** What may wait for a path. Full: `send` says so; what is sent all the same is kept, for it is the caller's own memory. */
const MAX_WAITING_BYTES = 1 << 20;
/**
 * After our end the other side's words are all we hear of it, its keep-alives among them. When as many of ours would have come in vain
 * it is gone: a minute, usually.
 */
const SILENT_KEEP_ALIVES = 12;
const MAX_EARLY_PACKETS = 16;
/** Each has 107 bytes on the wire, a handshake 235 and more: nobody is sent more than it took to name it. */
const FIRST_FRAMES = 2;

/** Why a connection is over. Null: both sides ended it. */
export type ConnectionEnd = null | "destroyed" | "reset" | "timeout" | "broken" | Reason;

export interface ConnectionOwner {
  /** The other side has shown that it has the keys. */
  opened(now: number, connection: Connection): void;
  message(now: number, connection: Connection, message: Uint8Array): void;
  unordered(now: number, connection: Connection, message: Uint8Array): void;
  /** The other side sends nothing more. */
  ended(now: number, connection: Connection): void;
  /** After a `send` that returned false: there is room again. */
  writable(now: number, connection: Connection): void;
  /** Its packets go another way than before: from a relay to a direct path, or back, or with the other side to where that is now. */
  moved(now: number, connection: Connection): void;
  /** The last that is heard of it. */
  closed(now: number, connection: Connection, why: ConnectionEnd): void;
}

/** Whoever has a connection before its user is told of it. */
export const NOBODY: ConnectionOwner = {
  opened: () => {},
  message: () => {},
  unordered: () => {},
  ended: () => {},
  writable: () => {},
  moved: () => {},
  closed: () => {},
};

/** Looks for a path. */
export interface Seeker {
  /** A packet of the stream came that way, by which no path leads yet. */
  reached(now: number, way: Way): void;
  /** Nobody wants it any more. */
  cancel(now: number): void;
}

export interface ConnectionOptions {
  readonly isInitiator: boolean;
  readonly random: Random;
  readonly keepAliveMs: number;
  readonly messageCipher: MessageCipher;
  /** Makes the stream, whose owner this is. */
  readonly open: (owner: StreamOwner) => UdxStream;
  /** Its deadline may be sooner than it was. */
  readonly onSooner: (connection: Connection) => void;
  /** Nothing comes by the path that it has. */
  readonly onLost: (now: number, connection: Connection) => void;
  /** It does not use that socket any more, if it ever did. */
  readonly onLeft: (now: number, socket: SocketName) => void;
  readonly onClosed: (now: number, connection: Connection) => void;
}

export class Connection implements Due {
  dueAt = Infinity;
  place = -1;
  readonly isInitiator: boolean;
  /** Whoever looks for a path, or another one. */
  seeker: Seeker | null = null;
  isClosed = false;
  readonly stream: UdxStream;
  /** What was done to get here. */
  readonly trace: Trace;
  /** Where its packets go. */
  readonly path: StreamPath;
  readonly #options: ConnectionOptions;
  /** Who gets what comes; nobody, until someone is told of the connection. */
  owner: ConnectionOwner = NOBODY;
  #channel: SecretChannel | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isEnding = false;
  #isFull = false;
  /**
   * Until the first packet comes from who called us, there is no more to send than our first frame, and that twice: a handshake can name
   * any address, and nobody has shown yet that it wants anything there.
   */
  #isHeld = false;
  #isPaused = false;
  #silentAt = Infinity;
  readonly #silentMs: number;
  /** Bytes that came while it was paused. */
  #unread = 0;
  #why: ConnectionEnd = null;
  /** What came before we had the keys: the other side's first packets may overtake its answer. */
  #early: Uint8Array[] = [];
  #hasEarlyEnd = false;

  constructor(now: number, options: ConnectionOptions) {
    this.trace = new Trace(now);
    this.isInitiator = options.isInitiator;
    this.#options = options;
    this.#silentMs = options.keepAliveMs * SILENT_KEEP_ALIVES;
    this.stream = options.open(this.#ofStream);
    this.path = new StreamPath(this.isInitiator, this.stream, this.trace, this.#ofPath);
  }

  /** Null until both sides have the keys. */
  get session(): NoiseSession | null {
    return this.path.session;
  }

  /** Where the packets go: null until there is a path. */
  get remote(): (Address & { readonly socket: SocketName }) | null {
    const { remote } = this.stream;
    return remote && { ...remote.to, socket: remote.socket as SocketName };
  }

  get hasPath(): boolean {
    return this.stream.isConnected;
  }

  /**
   * The answer to a handshake is made with the server's key, so whoever called knows as soon as there is a path; that a client has its
   * key, only its first frame shows, for a handshake can be repeated by anyone.
   */
  get isOpen(): boolean {
    return this.#channel !== null && (this.isInitiator || this.#channel.isOpen);
  }

  /** Whether packets may be kept until there are keys; beyond, they have to be sent again. */
  get hasRoomForEarly(): boolean {
    return this.#early.length < MAX_EARLY_PACKETS;
  }

  /** What waited goes out. */
  #start(now: number, { sendKey, receiveKey, handshakeHash }: NoiseSession): void {
    const { random, keepAliveMs, messageCipher } = this.#options;
    const keys = { sendKey, receiveKey, handshakeHash };
    const options = { random, isInitiator: this.isInitiator, keepAliveMs, messageCipher, ...keys };
    this.#isHeld = !this.isInitiator && this.stream.heardAt === -Infinity && !this.path.isRelayed;
    this.#channel = new SecretChannel(now, options, this.#ofChannel);
    if (this.#isHeld) this.stream.allowUnheard(FIRST_FRAMES);
    else this.#release(now);
    // What came early is heard last: whoever answers it must not overtake what waited.
    for (const bytes of this.#early.splice(0)) this.#channel?.receive(now, bytes);
    if (this.#hasEarlyEnd && !this.isClosed) this.owner.ended(now, this);
  }

  #release(now: number): void {
    this.#isHeld = false;
    const channel = this.#channel!;
    const wasFull = this.#isFull;
    this.#isFull = false; // or not, if this fills the stream
    for (const message of this.#waiting.splice(0)) channel.send(now, message);
    this.#waitingBytes = 0;
    if (this.isInitiator) this.owner.opened(now, this);
    if (this.#isEnding) this.#end(now);
    else if (wasFull && !this.#isFull) this.owner.writable(now, this);
  }

  /** One message, in order. False when that is enough for now: `writable` will say when it is not. */
  send(now: number, message: Uint8Array): boolean {
    if (this.isClosed || this.#isEnding) return false;
    this.path.used(now);
    if (this.#channel && !this.#isHeld) this.#channel.send(now, message);
    else {
      this.#waiting.push(message);
      this.#waitingBytes += message.length;
      this.#isFull ||= this.#waitingBytes >= MAX_WAITING_BYTES;
    }
    return !this.#isFull;
  }

  /** One message that may be lost; nothing before there is a path. */
  sendUnordered(now: number, message: Uint8Array): void {
    if (!this.isClosed && !this.#isHeld) this.#channel?.sendUnordered(now, message);
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
    if (this.stream.isConnected && !this.#isHeld) this.#end(now);
  }

  #end(now: number): void {
    this.stream.end();
    if (this.#options.keepAliveMs > 0) this.#silentAt = now + this.#silentMs;
  }

  destroy(now: number, why: ConnectionEnd = "destroyed"): void {
    if (this.isClosed) return;
    this.#why = why;
    this.stream.destroy(now);
  }

  advance(now: number): void {
    this.path.advance(now);
    if (this.isClosed) return;
    if (!this.#isEnding) this.#channel?.advance(now);
    else if (now >= this.#silentAt && this.#isPaused)
      this.#silentAt = now + this.#silentMs; // it may not speak
    else if (now >= this.#silentAt) this.destroy(now, "timeout");
  }

  deadline(): number {
    if (this.isClosed) return Infinity;
    return Math.min(this.path.deadline(), this.#isEnding ? this.#silentAt : (this.#channel?.deadline() ?? Infinity));
  }

  #read(now: number, bytes: Uint8Array): void {
    this.path.heard(now, bytes.length);
    if (this.#isHeld) this.#release(now);
    if (this.#silentAt < Infinity) this.#silentAt = now + this.#silentMs;
    if (this.#channel) this.#channel.receive(now, bytes);
    else this.#early.push(bytes.slice());
    if (this.#isPaused) this.#unread += bytes.length;
    else this.stream.consumed(bytes.length);
  }

  #tellRoom(now: number): void {
    if (!this.#isFull || this.isClosed) return;
    this.#isFull = false;
    this.owner.writable(now, this);
  }

  #close(now: number, reason: CloseReason): void {
    this.isClosed = true;
    this.path.close(now);
    this.#channel?.end();
    this.#waiting = [];
    this.#early = [];
    this.seeker?.cancel(now);
    this.#options.onClosed(now, this);
    this.owner.closed(now, this, this.#why ?? (reason === "relay" ? "reset" : reason));
  }

  readonly #ofStream: StreamOwner = {
    data: (now, _stream, bytes) => this.#read(now, bytes),
    ended: (now) => {
      if (this.#channel) this.owner.ended(now, this);
      else this.#hasEarlyEnd = true; // told after what came before it
    },
    message: (now, _stream, bytes) => {
      this.path.heard(now, bytes.length);
      if (!this.path.receive(now, bytes)) this.#channel?.receiveUnordered(now, bytes);
    },
    remoteChanged: () => this.path.remoteChanged(),
    writable: (now) => this.#tellRoom(now),
    closed: (now, _stream, reason) => this.#close(now, reason),
  };

  readonly #ofPath: StreamPathOwner = {
    connected: (now, session) => this.#start(now, session),
    moved: (now) => this.owner.moved(now, this),
    lost: (now) => this.#options.onLost(now, this),
    left: (now, socket) => this.#options.onLeft(now, socket),
    sooner: () => this.#options.onSooner(this),
  };

  readonly #ofChannel: SecretChannelOwner = {
    write: (_now, bytes) => {
      if (!this.stream.isClosed && !this.stream.write(bytes)) this.#isFull = true;
    },
    writeUnordered: (_now, datagram) => this.stream.send(datagram),
    opened: (now) => {
      if (!this.isInitiator) this.owner.opened(now, this);
    },
    message: (now, message) => {
      this.path.used(now);
      this.owner.message(now, this, message);
    },
    unordered: (now, message) => this.owner.unordered(now, this, message),
    broken: (now) => this.destroy(now, "broken"),
  };
}
