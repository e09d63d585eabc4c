/**
 * Where a connection's packets go: by a relay first, perhaps, and straight to the other end when that can be; and, between two dnets, to
 * wherever either end has come since. Source: hyperdht lib/relay-connection.js; specification §15.
 *
 * Differs: a direct path that stays silent after the move is left for the relay again; the reference never looks back.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import type { NoiseSession } from "../crypto/noise.ts";
import type { UdxStream } from "../transport/udx/stream.ts";
import type { UdxOffer } from "../wire/noise-payload.ts";
import { isPunchSocket, type Path, type Way } from "./connection-surroundings.ts";
import type { Relaying } from "./relaying.ts";
import type { SocketName } from "./requests.ts";
import { Roaming } from "./roaming.ts";
import type { Trace } from "./trace.ts";

/** How long the other end may take to send by the direct path, too. */
const CONFIRM_MS = 5_000;
const NOTHING = new Uint8Array(0);
/** Data from elsewhere is answered with a question there when it is at least as long as that. */
const LEAST_STRAY_BYTES = 64;

export interface StreamPathOwner {
  /** There is a path for the first time, and both ends have the keys. */
  connected(now: number, session: NoiseSession): void;
  /** Packets go another way than before. */
  moved(now: number): void;
  /** Nothing comes by the path that it has. */
  lost(now: number): void;
  /** It does not use that socket any more, if it ever did. */
  left(now: number, socket: SocketName): void;
  /** The deadline may be sooner than it was. */
  sooner(): void;
}

/** What both ends agreed on. */
interface Agreement {
  readonly session: NoiseSession;
  /** The other end's stream. */
  readonly peer: UdxOffer;
}

export class StreamPath {
  readonly #isInitiator: boolean;
  readonly #stream: UdxStream;
  readonly #trace: Trace;
  readonly #owner: StreamPathOwner;
  #agreement: Agreement | null = null;
  /** The relay that carries it, or may until a direct path has shown that it works. */
  #relaying: Relaying | null = null;
  /** Until when the direct path, to which it has moved, must have shown that. */
  #confirmBy = Infinity;
  #roaming: Roaming | null = null;
  /** Punch sockets are one connection's alone: of its direct path, and of one that may become it. */
  #directSocket: SocketName | null = null;
  #nextSocket: SocketName | null = null;

  constructor(isInitiator: boolean, stream: UdxStream, trace: Trace, owner: StreamPathOwner) {
    this.#isInitiator = isInitiator;
    this.#stream = stream;
    this.#trace = trace;
    this.#owner = owner;
  }

  /** Null until both ends have the keys. */
  get session(): NoiseSession | null {
    return this.#agreement?.session ?? null;
  }

  /** Null until there is a path. */
  get way(): Way | null {
    const { remote } = this.#stream;
    return remote && { socket: remote.socket as SocketName, to: remote.to };
  }

  /** Whether it goes, or may yet go, by a relay. */
  get mayBeRelayed(): boolean {
    return this.#relaying !== null;
  }

  /** Whether packets go by a relay now. */
  get isRelayed(): boolean {
    const { way } = this;
    return way !== null && this.isRelay(way.socket, way.to);
  }

  /** Whether it can be led to another path. */
  get roams(): boolean {
    return this.#roaming !== null;
  }

  /** Whether it is the one that this peer means by its stream's id. */
  isWith(remotePublicKey: Uint8Array, remoteId: number): boolean {
    const { peer, session } = this.#agreement ?? {};
    return this.roams && peer!.id === remoteId && sameBytes(session!.remotePublicKey, remotePublicKey);
  }

  /** Whether packets from there come from the relay, which is no path of the other end's own. */
  isRelay(socket: string, from: Address): boolean {
    return this.#relaying?.isRelay(socket, from) ?? false;
  }

  /** A relay may get there first. */
  relayBy(now: number, relaying: Relaying): void {
    this.#endRelaying(now);
    if (this.#stream.isClosed) return relaying.end(now);
    this.#relaying = relaying;
    this.#owner.sooner();
  }

  /** Both ends have the keys. What they agree on later, to find each other again, changes nothing. */
  agree(session: NoiseSession, peer: UdxOffer): void {
    this.#agreement ??= { session, peer };
  }

  /** The relay has joined both ends. */
  relayed(now: number, path: Path): void {
    if (this.#stream.isClosed) return;
    if (!this.#stream.isConnected) {
      this.#trace.note(now, "relayed", path.to);
      return this.#connect(now, path);
    }
    this.#leave(now, "next"); // one way at a time is tried
    this.#roaming?.try(now, path);
    this.#owner.sooner();
  }

  /** The relay is at another address now. */
  relayMoved(now: number, path: Path): void {
    if (this.#stream.isConnected && this.#directSocket === null) this.#stream.changeRemote(now, path);
  }

  /** There is a relay no more. Returns whether there may be a path all the same. */
  unrelayed(now: number): boolean {
    this.#trace.note(now, "relay-lost");
    const wasRelayed = this.isRelayed;
    this.#relaying = null;
    this.#confirmBy = Infinity;
    return this.#stream.isConnected && (this.roams || !wasRelayed);
  }

  /** A direct way is there: the stream begins with it, or moves to it. The way's socket is its own from now on. */
  reached(now: number, { socket, to }: Way): void {
    if (this.#stream.isClosed) return this.#owner.left(now, socket);
    const path = { socket, to, remoteId: this.#agreement!.peer.id };
    if (!this.#stream.isConnected) {
      this.#directSocket = socket;
      this.#trace.note(now, "direct", to);
      this.#trace.reason = null;
      this.#endRelaying(now);
      this.#connect(now, path);
    } else if (this.#roaming) {
      if (this.#nextSocket !== socket) this.#leave(now, "next");
      this.#nextSocket = socket;
      this.#roaming.try(now, path);
      this.#owner.sooner();
    } else if (this.isRelayed) this.#upgrade(now, path);
    else this.#owner.left(now, socket);
  }

  /** Our own address may be another. */
  networkChanged(now: number): void {
    this.#roaming?.check(now);
    this.#owner.sooner();
  }

  /** The connection's user said or heard something. */
  used(now: number): void {
    if (this.#roaming?.used(now)) this.#owner.sooner();
  }

  /** So many bytes of the stream came, or a message beside it; perhaps by another path than ours go. */
  heard(now: number, bytes: number): void {
    if (this.#confirmBy < Infinity && this.#stream.isFromRemote) {
      this.#confirmBy = Infinity; // the other end sends by the direct path, so it has moved to it, too
      this.#endRelaying(now);
    }
    if (this.#roaming && bytes >= LEAST_STRAY_BYTES && !this.#stream.isFromRemote) this.#roaming.strayed(now);
  }

  /** A message beside the stream. Returns whether it was about the path. */
  receive(now: number, message: Uint8Array): boolean {
    return this.#roaming?.receive(now, message) ?? false;
  }

  /** All that was sent by the path before has arrived. */
  remoteChanged(): void {
    if (!this.#roaming) this.#stream.send(NOTHING); // a HyperDHT sees by it that this path is used
  }

  advance(now: number): void {
    this.#relaying?.advance(now);
    this.#roaming?.advance(now);
    if (now < this.#confirmBy) return;
    this.#confirmBy = Infinity;
    this.#trace.note(now, "unconfirmed");
    this.#stream.changeRemote(now, this.#relaying!.path!);
    this.#leave(now, "direct");
    this.#owner.moved(now);
  }

  deadline(): number {
    const ofRelaying = this.#relaying?.deadline() ?? Infinity;
    return Math.min(this.#confirmBy, ofRelaying, this.#roaming?.deadline() ?? Infinity);
  }

  /** The stream is closed. */
  close(now: number): void {
    this.#endRelaying(now);
    this.#leave(now, "direct");
    this.#leave(now, "next");
  }

  #connect(now: number, path: Path): void {
    const { session, peer } = this.#agreement!;
    this.#stream.connect(now, path);
    if (peer.roams) this.#roam(now, session);
    this.#owner.connected(now, session);
    this.#owner.sooner();
  }

  #roam(now: number, { handshakeHash }: NoiseSession): void {
    const remoteId = (way: Way) => this.#remoteIdAt(way);
    this.#roaming = new Roaming(
      now,
      { isInitiator: this.#isInitiator, handshakeHash, stream: this.#stream, remoteId },
      {
        moved: (at, path) => this.#move(at, path),
        refused: (at, { socket, to }) => {
          this.#trace.note(at, "unconfirmed", to);
          if (this.#nextSocket === socket) this.#leave(at, "next");
        },
        lost: (at) => {
          this.#trace.note(at, "lost", this.#stream.remote!.to);
          this.#owner.lost(at);
        },
      },
    );
  }

  /** What the stream is called there: a relay has a name of its own for it. */
  #remoteIdAt({ socket, to }: Way): number {
    const { remote } = this.#stream;
    const byRelay = this.isRelay(socket, to) ? this.#relaying!.path : null;
    const isUsed = remote?.socket === socket && sameAddress(remote.to, to);
    return byRelay?.remoteId ?? (isUsed ? remote.remoteId : this.#agreement!.peer.id);
  }

  /** To a path that both ends are heard by. */
  #move(now: number, path: Path): void {
    if (isPunchSocket(path.socket) && path.socket !== this.#directSocket && path.socket !== this.#nextSocket) return;
    const isRelay = this.isRelay(path.socket, path.to);
    this.#trace.note(now, isRelay ? "relayed" : this.isRelayed ? "upgraded" : "moved", path.to);
    this.#stream.changeRemote(now, path);
    this.#stream.retransmit(now);
    if (path.socket !== this.#directSocket) {
      this.#leave(now, "direct");
      if (path.socket === this.#nextSocket) this.#nextSocket = null;
      this.#directSocket = isRelay ? null : path.socket;
    }
    if (!isRelay) {
      this.#trace.reason = null;
      this.#endRelaying(now);
    }
    this.#owner.moved(now);
    this.#owner.sooner();
  }

  /** From a relay, as a HyperDHT does it: both ends go by the direct path, and the relay is kept until that is seen. */
  #upgrade(now: number, path: Path): void {
    this.#directSocket = path.socket;
    this.#trace.note(now, "upgraded", path.to);
    this.#trace.reason = null;
    this.#confirmBy = now + CONFIRM_MS;
    this.#stream.changeRemote(now, path);
    this.#owner.sooner();
    this.#owner.moved(now);
  }

  #endRelaying(now: number): void {
    const relaying = this.#relaying;
    this.#relaying = null;
    relaying?.end(now);
  }

  #leave(now: number, which: "direct" | "next"): void {
    const socket = which === "direct" ? this.#directSocket : this.#nextSocket;
    if (which === "direct") this.#directSocket = null;
    else this.#nextSocket = null;
    if (socket) this.#owner.left(now, socket);
  }
}
