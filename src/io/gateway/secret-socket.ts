/**
 * A connection for programs: messages in, messages out, sealed from end to end. Each `write` is one `data` at the other end. It can be
 * written to before it is open. Source: @hyperswarm/secret-stream 6.9 README; specification §19.
 */
import { EventEmitter } from "node:events";
import { DnetError } from "../../base/error.ts";
import type { Connection, ConnectionEnd, ConnectionOwner } from "../../dht/connection.ts";
import { REASONS, type Reason } from "../../dht/reasons.ts";
import type { TraceEntry } from "../../dht/trace.ts";
import type { DhtHost } from "../dht-host.ts";
import { checkMessage } from "./arguments.ts";
import { drained } from "./drained.ts";

export interface SecretSocketEvents {
  /** The other side has shown that it has its key. */
  open: [];
  /** One message; whoever listens gets all of them, and nobody else does. */
  data: [Uint8Array];
  /** One unordered message. */
  message: [Uint8Array];
  /** The other side sends nothing more. */
  end: [];
  /** After a `write` that returned false: there is room again. */
  drain: [];
  /** Its packets go another way than before: `path` and `remoteAddress` tell which. */
  path: [];
  /** Why it failed; `close` follows. Without a listener nothing is thrown: `opened` and iteration tell, too. */
  failure: [DnetError];
  close: [];
}

/** What its user does with a connection. */
type Act = (now: number, connection: Connection) => unknown;

/** Messages that wait to be read. Full: the other side has to wait. */
const MAX_UNREAD_BYTES = 1 << 20;

export class SecretSocket extends EventEmitter<SecretSocketEvents> implements AsyncIterable<Uint8Array> {
  /** Ours, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly isInitiator: boolean;
  /** Resolves once it is open. Rejects with DnetError when it never will be. */
  readonly opened: Promise<void>;
  /** Null until there is a host to make the connection, and for good when it was over before. */
  #line: { readonly host: DhtHost; readonly connection: Connection } | null = null;
  /**
   * What its user did before there was a connection, in order; null from then on. It is the user's own memory, and every `write` says
   * that it is enough.
   */
  #early: Act[] | null = [];
  #remotePublicKey: Uint8Array;
  readonly #opened = Promise.withResolvers<void>();
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  #hasEnded = false;
  #isPaused = false;
  #failure: DnetError | null = null;
  #wake = Promise.withResolvers<void>();

  constructor(options: {
    readonly publicKey: Uint8Array;
    readonly remotePublicKey: Uint8Array;
    readonly isInitiator: boolean;
    /** Of the connection; or calls `begin` once there is one, and rejects with DnetError when there never will be. */
    readonly host: DhtHost | ((begin: (host: DhtHost) => void) => Promise<void>);
    /** Makes the connection, whose owner this is. */
    readonly open: (host: DhtHost, owner: ConnectionOwner) => Connection;
  }) {
    super();
    this.publicKey = options.publicKey;
    this.#remotePublicKey = options.remotePublicKey;
    this.opened = this.#opened.promise;
    this.opened.catch(() => {}); // whoever asks is told
    this.isInitiator = options.isInitiator;
    const { host, open } = options;
    if (typeof host !== "function") this.#begin(host, open);
    else host((found) => this.#begin(found, open)).catch((error) => this.#early && this.#close(error));
    this.on("newListener", (name) => {
      if (name === "data" && this.#unread.length > 0) this.soon(() => this.#deliver());
    });
  }

  /**
   * Events come when the machine has taken its step, and whoever made the socket has seen it: a listener may call anything, or throw,
   * and hears all that happened from the start.
   */
  soon(tell: () => void): void {
    queueMicrotask(tell);
  }

  /** Whose key the other side has shown, 32 bytes. */
  get remotePublicKey(): Uint8Array {
    return this.#remotePublicKey;
  }

  /** 64 bytes, the same at both ends and in no other connection; null until the keys are agreed on. */
  get handshakeHash(): Uint8Array | null {
    return this.#line?.connection.session?.handshakeHash ?? null;
  }

  get connected(): boolean {
    return !this.closed && (this.#line?.connection.isOpen ?? false);
  }

  get closed(): boolean {
    return this.#line?.connection.isClosed ?? this.#early === null;
  }

  /** Where its packets go now; null until there is a path. */
  get remoteAddress(): { readonly host: string; readonly port: number } | null {
    const remote = this.#line?.connection.remote;
    return remote ? { host: remote.host, port: remote.port } : null;
  }

  /** How its packets go: straight to the other side, or by a relay, which cannot read them. Null until there is a path. */
  get path(): "direct" | "relayed" | null {
    const { connection } = this.#line ?? {};
    if (!connection?.remote) return null;
    return connection.path.isRelayed ? "relayed" : "direct";
  }

  /** Why it is relayed, or not there: a word of REASONS; null when it is direct, or that is still to be seen. */
  get reason(): Reason | null {
    return this.#line?.connection.trace.reason ?? null;
  }

  /** What was done to reach the other side, step by step; at most 100 steps. */
  get trace(): readonly TraceEntry[] {
    return this.#line?.connection.trace.entries ?? [];
  }

  /**
   * Sends one message, in order. False when that is enough for now: `drain` will tell when it is not. Throws DnetError for a message
   * that no frame can hold.
   */
  write(message: Uint8Array): boolean {
    checkMessage(message);
    let hasRoom = false;
    this.#do((now, connection) => {
      hasRoom = connection.send(now, message);
      return hasRoom;
    });
    return hasRoom;
  }

  /** Sends one message that may be lost or overtaken; it should fit a datagram, and is lost before the connection is open. */
  send(message: Uint8Array): void {
    this.#do((now, connection) => connection.sendUnordered(now, message));
  }

  /** Nothing more is written; the other side may go on. */
  end(): void {
    this.#do((now, connection) => connection.end(now));
  }

  /** Ends both directions at once. */
  destroy(): void {
    if (this.#early) this.#close(null);
    else this.#do((now, connection) => connection.destroy(now));
  }

  /** Every message that nobody listening for `data` had, up to the end. Throws DnetError when the connection failed. */
  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for (;;) {
        const message = this.#takeUnread();
        if (message) yield message;
        else if (this.#hasEnded || this.closed) {
          if (this.#failure) throw this.#failure;
          return;
        } else await this.#wake.promise;
      }
    } finally {
      if (!this.#hasEnded) this.destroy();
    }
  }

  /** The same as a pair of Web Streams; back-pressure holds in both directions. */
  toWeb(): { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> } {
    const messages = this[Symbol.asyncIterator]();
    const readable = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await messages.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => this.destroy(),
    });
    const writable = new WritableStream<Uint8Array>({
      start: (controller) =>
        void this.once("close", () => controller.error(this.#failure ?? connectionError("destroyed"))),
      write: (message) => (this.write(message) || this.closed ? undefined : drained(this)),
      close: () => this.end(),
      abort: () => this.destroy(),
    });
    return { readable, writable };
  }

  /** It may be over by now, and then is never made. */
  #begin(host: DhtHost, open: (host: DhtHost, owner: ConnectionOwner) => Connection): void {
    if (!this.#early) return;
    const connection = open(host, this.#owner);
    const early = this.#early;
    this.#line = { host, connection };
    this.#early = null;
    if (!early?.length) return;
    host.input((now) => {
      const rooms = early.map((act) => act(now, connection));
      // If one write fills the connection, that will tell when there is room.
      if (rooms.includes(true) && !rooms.includes(false)) this.soon(() => this.emit("drain"));
    });
  }

  #do(act: Act): void {
    const line = this.#line;
    if (line) line.host.gather((now) => act(now, line.connection));
    else this.#early?.push(act);
  }

  #onMessage(connection: Connection, message: Uint8Array): void {
    this.#unread.push(message);
    this.#unreadBytes += message.length;
    if (this.#unreadBytes >= MAX_UNREAD_BYTES && !this.#isPaused) {
      this.#isPaused = true;
      connection.pause();
    }
    this.soon(() => this.#deliver());
    this.#rouse();
  }

  #deliver(): void {
    while (this.listenerCount("data") > 0) {
      const message = this.#takeUnread();
      if (!message) return;
      this.emit("data", message);
    }
  }

  #takeUnread(): Uint8Array | undefined {
    const message = this.#unread.shift();
    this.#unreadBytes -= message?.length ?? 0;
    if (this.#isPaused && this.#unreadBytes < MAX_UNREAD_BYTES / 2) {
      this.#isPaused = false;
      this.#do((_now, connection) => connection.resume());
    }
    return message;
  }

  /** Null: both sides ended it, or this one destroyed it. */
  #close(failure: DnetError | null): void {
    this.#early = null;
    this.#failure = failure;
    this.#opened.reject(failure ?? connectionError("destroyed")); // after `open` it changes nothing
    if (failure) this.soon(() => this.emit("failure", failure));
    this.soon(() => this.emit("close"));
    this.#rouse();
  }

  #rouse(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  readonly #owner: ConnectionOwner = {
    opened: (_now, connection) => {
      this.#remotePublicKey = connection.session!.remotePublicKey;
      this.#opened.resolve();
      this.soon(() => this.emit("open"));
    },
    message: (_now, connection, message) => this.#onMessage(connection, message),
    unordered: (_now, _connection, message) => this.soon(() => this.emit("message", message)),
    ended: () => {
      this.#hasEnded = true;
      this.soon(() => this.emit("end"));
      this.#rouse();
    },
    writable: () => this.soon(() => this.emit("drain")),
    moved: () => this.soon(() => this.emit("path")),
    closed: (_now, _connection, why) => this.#close(why === null || why === "destroyed" ? null : connectionError(why)),
  };
}

/** What a connection that failed is called: HyperDHT's code where it has one (§20). */
function connectionError(why: Exclude<ConnectionEnd, null>): DnetError {
  switch (why) {
    case "destroyed":
      return new DnetError("STREAM_DESTROYED", "the connection was destroyed on this side");
    case "reset":
      return new DnetError("ECONNRESET", "the other side destroyed the connection", { failure: "unreachable" });
    case "timeout":
      return new DnetError("ETIMEDOUT", "the other side does not answer any more", { failure: "unreachable" });
    case "broken":
      return new DnetError("STREAM_BROKEN", "what came was not sealed by the other side", { failure: "unreachable" });
    default:
      return new DnetError(why, `no connection: ${REASONS[why]}`, { failure: "unreachable" });
  }
}
