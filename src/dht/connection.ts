/**
 * A connection as its user has it: messages, sealed from end to end, over one stream. It can be written to at once; what is written
 * before there is a path waits, up to a bound. The path may begin at a relay and become a direct one; the stream goes on.
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
import type { Relaying } from "./relaying.ts";
import type { SocketName } from "./requests.ts";
import { Trace } from "./trace.ts";

/** What may wait for a path. Full: `send` says so; what is sent all the same is kept, for it is the caller's own memory. */
const MAX_WAITING_BYTES = 1 << 20;
/**
 * After our end the other side's words are all we hear of it, its keep-alives among them. When as many of ours would have come in vain
 * it is gone: a minute, usually.
 */
const SILENT_KEEP_ALIVES = 12;
const MAX_EARLY_PACKETS = 16;
/** How long the other side may take to send by the direct path, too. Beyond, it goes by the relay again. Differs: the reference never looks back. */
const CONFIRM_MS = 5_000;
const NOTHING = new Uint8Array(0);

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

export interface ConnectionOptions {
  readonly isInitiator: boolean;
  readonly random: Random;
  readonly keepAliveMs: number;
  /** Makes the stream, whose owner this is. */
  readonly open: (owner: StreamOwner) => UdxStream;
  /** Its deadline may be sooner than it was. */
  readonly onSooner: (connection: Connection) => void;
  /** It does not use that socket any more, if it ever did. */
  readonly onLeft: (now: number, socket: SocketName) => void;
  readonly onClosed: (now: number, connection: Connection) => void;
}

export class Connection implements Due {
  dueAt = Infinity;
  place = -1;
  readonly isInitiator: boolean;
  session: NoiseSession | null = null;
  isClosed = false;
  readonly stream: UdxStream;
  /** What was done to get here. */
  readonly trace: Trace;
  /** The relay that carries it, or may until a direct path has shown that it works. */
  #relaying: Relaying | null = null;
  /** Until when the direct path, to which it has moved, must have shown that. */
  #confirmBy = Infinity;
  /** Which it does not share with others, if it is one that was opened to punch with. */
  #directSocket: SocketName | null = null;
  readonly #options: ConnectionOptions;
  /** Who gets what comes; nobody, until someone is told of the connection. */
  owner: ConnectionOwner = NOBODY;
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

  constructor(now: number, options: ConnectionOptions) {
    this.trace = new Trace(now);
    this.isInitiator = options.isInitiator;
    this.#options = options;
    this.#silentMs = options.keepAliveMs * SILENT_KEEP_ALIVES;
    this.stream = options.open(this.#ofStream);
  }

  /** Where the packets go: null until there is a path. */
  get remote(): (Address & { readonly socket: SocketName }) | null {
    const { remote } = this.stream;
    return remote && { ...remote.to, socket: remote.socket as SocketName };
  }

  /** Whether it goes, or may yet go, by a relay. */
  get mayBeRelayed(): boolean {
    return this.#relaying !== null;
  }

  /** Whether its packets go by a relay now. */
  get isRelayed(): boolean {
    return this.#relaying?.path != null && this.remote !== null && this.#confirmBy === Infinity;
  }

  get isOpen(): boolean {
    return this.#channel?.isOpen ?? false;
  }

  /** Whether packets may be kept until there are keys; beyond, they have to be sent again. */
  get hasRoomForEarly(): boolean {
    return this.#early.length < MAX_EARLY_PACKETS;
  }

  /** A relay may get there first. */
  relayBy(now: number, relaying: Relaying): void {
    this.#endRelaying(now);
    if (this.isClosed) return relaying.end(now);
    this.#relaying = relaying;
    this.#options.onSooner(this);
  }

  /** Whether packets from there come from the relay, which is no path of the other side's own. */
  isRelay(socket: string, from: Address): boolean {
    return this.#relaying?.isRelay(socket, from) ?? false;
  }

  /** The relay has joined both ends. */
  relayed(now: number, session: NoiseSession, path: Path): void {
    this.trace.note(now, "relayed", path.to);
    this.start(now, session, path);
  }

  /** There is a relay no more. Returns whether there is a path all the same. */
  unrelayed(now: number): boolean {
    this.trace.note(now, "relay-lost");
    const wasRelayed = this.isRelayed;
    this.#relaying = null;
    this.#confirmBy = Infinity;
    return !wasRelayed && this.stream.isConnected;
  }

  /** A direct path is there: it begins with it, or moves to it from the relay. The path's socket is its own from now on. */
  reached(now: number, session: NoiseSession, path: Path): void {
    if (this.isClosed || (this.stream.isConnected && !this.isRelayed)) return this.#options.onLeft(now, path.socket);
    this.#directSocket = path.socket;
    this.trace.reason = null;
    if (!this.stream.isConnected) {
      this.trace.note(now, "direct", path.to);
      this.#endRelaying(now);
      return this.start(now, session, path);
    }
    this.trace.note(now, "upgraded", path.to);
    this.#confirmBy = now + CONFIRM_MS;
    this.stream.changeRemote(now, path);
    this.#options.onSooner(this);
    this.owner.moved(now, this);
  }

  /** The keys are agreed on, and there is a path: what waited goes out. */
  start(now: number, session: NoiseSession, path: Path): void {
    if (this.isClosed || this.stream.isConnected) return;
    const { sendKey, receiveKey, handshakeHash } = session;
    this.session = session;
    this.stream.connect(now, path);
    const keys = { sendKey, receiveKey, handshakeHash };
    const { random, keepAliveMs } = this.#options;
    const options = { random, isInitiator: this.isInitiator, keepAliveMs, ...keys };
    this.#channel = new SecretChannel(now, options, this.#ofChannel);
    const wasFull = this.#isFull;
    this.#isFull = false; // or not, if this fills the stream
    for (const message of this.#waiting.splice(0)) this.#channel.send(now, message);
    this.#waitingBytes = 0;
    if (this.#isEnding) this.#end(now);
    else if (wasFull && !this.#isFull) this.owner.writable(now, this);
    // What came early is heard last: whoever answers it must not overtake what waited.
    for (const bytes of this.#early.splice(0)) this.#channel?.receive(now, bytes);
    if (this.#hasEarlyEnd && !this.isClosed) this.owner.ended(now, this);
    this.#options.onSooner(this);
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
    if (this.#options.keepAliveMs > 0) this.#silentAt = now + this.#silentMs;
  }

  destroy(now: number, why: ConnectionEnd = "destroyed"): void {
    if (this.isClosed) return;
    this.#why = why;
    this.stream.destroy(now);
  }

  advance(now: number): void {
    this.#relaying?.advance(now);
    if (now >= this.#confirmBy) this.#goBack(now);
    if (this.isClosed) return;
    if (!this.#isEnding) this.#channel?.advance(now);
    else if (now >= this.#silentAt && this.#isPaused)
      this.#silentAt = now + this.#silentMs; // it may not speak
    else if (now >= this.#silentAt) this.destroy(now, "timeout");
  }

  deadline(): number {
    if (this.isClosed) return Infinity;
    const ofPath = Math.min(this.#confirmBy, this.#relaying?.deadline() ?? Infinity);
    return Math.min(ofPath, this.#isEnding ? this.#silentAt : (this.#channel?.deadline() ?? Infinity));
  }

  #goBack(now: number): void {
    this.#confirmBy = Infinity;
    this.trace.note(now, "unconfirmed");
    this.stream.changeRemote(now, this.#relaying!.path!);
    this.#leaveSocket(now);
    this.owner.moved(now, this);
  }

  /** The other side sends by the direct path, so it has moved to it, too. */
  #confirm(now: number): void {
    if (this.#confirmBy === Infinity || !this.stream.isFromRemote) return;
    this.#confirmBy = Infinity;
    this.#endRelaying(now);
  }

  #leaveSocket(now: number): void {
    if (this.#directSocket) this.#options.onLeft(now, this.#directSocket);
    this.#directSocket = null;
  }

  #endRelaying(now: number): void {
    const relaying = this.#relaying;
    this.#relaying = null;
    relaying?.end(now);
  }

  #read(now: number, bytes: Uint8Array): void {
    this.#confirm(now);
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
    this.#endRelaying(now);
    this.#channel?.end();
    this.#waiting = [];
    this.#early = [];
    this.#leaveSocket(now);
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
      this.#confirm(now);
      this.#channel?.receiveUnordered(now, bytes);
    },
    remoteChanged: () => this.stream.send(NOTHING), // for the other side to see that this path is used
    writable: (now) => this.#tellRoom(now),
    closed: (now, _stream, reason) => this.#close(now, reason),
  };

  readonly #ofChannel: SecretChannelOwner = {
    write: (_now, bytes) => {
      if (!this.stream.isClosed && !this.stream.write(bytes)) this.#isFull = true;
    },
    writeUnordered: (_now, datagram) => this.stream.send(datagram),
    opened: (now) => this.owner.opened(now, this),
    message: (now, message) => this.owner.message(now, this, message),
    unordered: (now, message) => this.owner.unordered(now, this, message),
    broken: (now) => this.destroy(now, "broken"),
  };
}
