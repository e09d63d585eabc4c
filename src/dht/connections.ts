/** The connections of one node: the servers that listen on it, the calls it makes, the streams, and the sockets that they punch with. */
import type { Address } from "../base/address.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import { Deadlines } from "../base/deadlines.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import type { MessageCipher } from "../crypto/secretstream.ts";
import { Udx } from "../transport/udx/udx.ts";
import { COMMAND } from "../wire/dht.ts";
import { decodeRelayedHandshake } from "../wire/handshake.ts";
import { decodeRelayedHolepunch } from "../wire/holepunch.ts";
import { encodeRequest, encodeResponse, type Request, RPC_ERROR } from "../wire/rpc.ts";
import { Announcer } from "./announcer.ts";
import { BlindRelay } from "./blind-relay.ts";
import type { RelayedAnswer, RelayedRequest } from "./call.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { type ConnectionSurroundings, isPunchSocket, type Way } from "./connection-surroundings.ts";
import { Dial, type DialOptions, type DialSurroundings } from "./dial.ts";
import { HandshakeGate } from "./handshake-gate.ts";
import { PunchRation } from "./holepuncher.ts";
import { Listener, type ListenerOptions, type ListenerSurroundings } from "./listener.ts";
import type { Reach } from "./probing.ts";
import { Reception, type ServerOwner } from "./reception.ts";
import type { SocketName } from "./requests.ts";

/** Calls of ours that ask for their servers at once: a server takes so many from one network. Full: the next one waits for its turn. */
const MAX_SHAKING = 32;

/** Servers whose relays are remembered, so that the next call need not look for them. Full: the one that was called longest ago is forgotten. */
const MAX_KNOWN_SERVERS = 1024;

/** A punch socket stays so long after its stream: the other side may not have heard the end. */
const LINGER_MS = 10_000;

/** What the node gives out for its connections. */
export type ConnectionOutput =
  | { readonly type: "openSocket" | "closeSocket"; readonly socket: SocketName }
  | { readonly type: "probe"; readonly socket: SocketName; readonly to: Address; readonly reach: Reach };

/** A server that listens on this node. */
export interface Server {
  readonly keyPair: KeyPair;
  readonly target: Uint8Array;
  readonly announcer: Announcer;
  readonly listener: Listener;
}

export interface ConnectionsOptions {
  readonly around: Omit<ConnectionSurroundings, "openSocket" | "closeSocket" | "probe" | "punchRation">;
  readonly send: (socket: SocketName, to: Address, datagram: Uint8Array, segmentBytes: number) => void;
  readonly id: (socket: SocketName) => Uint8Array | null;
  readonly emit: (output: ConnectionOutput) => void;
  readonly keepAliveMs: number;
  readonly messageCipher: MessageCipher;
  /** Whether someone at that host has shown lately that it receives there, so that it may be sent more than it sent. */
  readonly isVerified: (now: number, host: string) => boolean;
}

/** A relayed message for a server of this node: taken, or not to be answered before its sender has shown that it is there. */
export type Taken = "taken" | "unverified" | "not ours";

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #around: DialSurroundings;
  readonly #udx = new Udx();
  readonly #servers = new Map<string, Server>();
  /** Connections of ours whose direct paths are being looked for. */
  readonly #dials = new Map<Connection, Dial>();
  /** How each of ours was called, for when it has to be called again. */
  readonly #dialled = new WeakMap<Connection, DialOptions>();
  readonly #relays = new Set<BlindRelay>();
  /** By a server's key in hex: the nodes that led to it. */
  readonly #relaysOf = new BoundedMap<string, readonly Address[]>(MAX_KNOWN_SERVERS);
  /** Those that wait until fewer are shaking hands. */
  readonly #queued = new Map<Connection, Dial>();
  readonly #connections = new Set<Connection>();
  /** What a packet does only ever puts a deadline off, and it is asked for when the earlier one is here: no packet costs a look at all. */
  readonly #deadlines = new Deadlines<Connection>();
  readonly #gate: HandshakeGate;
  /** Sockets that nothing uses any more, and when they are closed. */
  #leaving: { readonly socket: SocketName; readonly at: number }[] = [];
  #sockets = 0;
  /** Whether the answer to what came last would have been too much for where it came from. */
  #isHeldBack = false;

  constructor(options: ConnectionsOptions) {
    const { emit } = options;
    this.#options = options;
    this.#gate = new HandshakeGate(options.around.random);
    this.#around = {
      ...options.around,
      punchRation: new PunchRation(),
      openSocket: () => {
        const socket: SocketName = `punch-${++this.#sockets}`;
        emit({ type: "openSocket", socket });
        return socket;
      },
      closeSocket: (socket) => emit({ type: "closeSocket", socket }),
      probe: (socket, to, reach) => emit({ type: "probe", socket, to, reach }),
      connect: (now, dial, owner) => this.connect(now, dial, owner),
      knownRelays: (server) => this.#relaysOf.get(server.toHex()) ?? [],
      remember: (server, relays) => this.#relaysOf.set(server.toHex(), relays),
    };
  }

  servers(): Server[] {
    return [...this.#servers.values()];
  }

  get size(): number {
    return this.#connections.size;
  }

  /** What is under way; all of it comes back to nothing when nobody wants anything. */
  get counts() {
    let calls = 0;
    for (const { listener } of this.#servers.values()) calls += listener.size;
    const calling = this.#dials.size + this.#queued.size;
    return { streams: this.#connections.size, calling, calls, leavingSockets: this.#leaving.length };
  }

  /** Listens under a key; null when a server of this node does already. */
  listen(now: number, options: ListenerOptions, owner: ServerOwner): Server | null {
    const { keyPair } = options;
    const target = blake2b256(keyPair.publicKey);
    if (this.#servers.has(target.toHex())) return null;
    let hasAnnounced = false;
    const announcer = new Announcer({
      keyPair,
      requests: this.#around.requests,
      query: (at, question, asker) => this.#around.query(at, question, asker),
      onAnnounced: () => {
        if (!hasAnnounced) owner.listening();
        hasAnnounced = true;
      },
      onClosed: () => {
        this.#servers.delete(target.toHex());
        owner.closed();
      },
    });
    const around: ListenerSurroundings = {
      ...this.#around,
      streamFor: (key, { id }) => this.#standing(key, id)?.stream.id ?? this.#udx.freeId(this.#around.random),
      relays: () => announcer.relays,
      isRelay: (address) => announcer.isRelay(address),
      reply: (at, request, answer) => this.#reply(at, request, answer, target),
    };
    const reception = new Reception(keyPair, owner, {
      connection: (at, { parts: { session, payload, streamId } }) =>
        this.#standing(session.remotePublicKey, payload.udx!.id) ?? this.#open(at, false, streamId),
      connect: (at, dial, ofRelay) => this.connect(at, dial, ofRelay),
    });
    const listener = new Listener(options, around, reception);
    const server: Server = { keyPair, target, announcer, listener };
    this.#servers.set(target.toHex(), server);
    announcer.refresh(now);
    return server;
  }

  /** Takes the announcement back; the owner is told when it is gone. Connections stay. */
  close(now: number, server: Server): void {
    server.listener.close(now);
    server.announcer.close(now);
  }

  /** Whoever it is that has `remotePublicKey`: the connection can be written to at once, and says when it is open, or why it is over. */
  connect(now: number, options: DialOptions, owner: ConnectionOwner): Connection {
    const connection = this.#open(now, true, this.#udx.freeId(this.#around.random));
    connection.owner = owner;
    this.#dialled.set(connection, options);
    this.#dial(now, connection);
    return connection;
  }

  #dial(now: number, connection: Connection): void {
    const dial = new Dial(connection, this.#dialled.get(connection)!, this.#around);
    connection.seeker = dial;
    this.#queued.set(connection, dial);
    this.#beginQueued(now);
  }

  /** Joins peers' streams; whoever is to be carried is given to its `accept`. */
  createRelay(): BlindRelay {
    const relay = new BlindRelay({ udx: this.#udx, random: this.#around.random });
    this.#relays.add(relay);
    return relay;
  }

  #beginQueued(now: number): void {
    for (const [connection, dial] of this.#queued) {
      if (this.#shaking() >= MAX_SHAKING) return;
      this.#queued.delete(connection);
      this.#dials.set(connection, dial);
      dial.begin(now);
    }
  }

  #shaking(): number {
    let count = 0;
    for (const dial of this.#dials.values()) if (dial.isShaking) count++;
    return count;
  }

  /** A punch socket that its stream no longer needs. */
  #leave(now: number, socket: SocketName): void {
    if (isPunchSocket(socket)) this.#leaving.push({ socket, at: now + LINGER_MS });
  }

  /** The network, or our place in it, is another: servers announce themselves anew, and connections ask whether they are heard. */
  refresh(now: number): void {
    for (const { announcer } of this.#servers.values()) announcer.refresh(now);
    for (const connection of this.#connections) connection.path.networkChanged(now);
  }

  /** A datagram that is no message of the DHT. False when it is nothing of ours either. */
  receive(now: number, socket: SocketName, from: Address, datagram: Uint8Array): boolean {
    if (datagram.length <= 1) this.#probed(now, socket, from);
    return datagram.length <= 1 || this.#udx.receive(now, socket, from, datagram);
  }

  /** A handshake or a hole punching message in a datagram of so many bytes. Not ours: it is for another's server. */
  relayed(
    now: number,
    socket: SocketName,
    from: Address,
    { tid, to, command, target, value }: Request,
    bytes: number,
  ): Taken {
    const server = target && this.#servers.get(target.toHex());
    if (!server || !value) return "not ours";
    this.#isHeldBack = false;
    const request = { command, socket, from: { host: from.host, port: from.port }, to, tid, bytes };
    if (command === COMMAND.peerHandshake) {
      const message = decodeRelayedHandshake(value);
      if (message) server.listener.handshake(now, request, message, (hosts) => this.#gate.passes(now, hosts));
    } else {
      const message = decodeRelayedHolepunch(value);
      if (message) server.listener.holepunch(now, request, message);
    }
    return this.#isHeldBack ? "unverified" : "taken";
  }

  advance(now: number): void {
    for (const { announcer, listener } of this.#servers.values()) {
      announcer.advance(now);
      listener.advance(now);
    }
    for (const [connection, dial] of this.#dials) {
      dial.advance(now);
      if (!dial.isDone) continue;
      this.#dials.delete(connection);
      if (connection.seeker === dial) connection.seeker = null;
    }
    this.#beginQueued(now);
    for (const relay of this.#relays) relay.advance(now);
    for (let due = this.#deadlines.first; due && due.dueAt <= now; due = this.#deadlines.first) {
      due.advance(now);
      this.#deadlines.set(due, due.deadline());
    }
    this.#sendStreams(now);
    while (this.#leaving.length > 0 && now >= this.#leaving[0]!.at)
      this.#around.closeSocket(this.#leaving.shift()!.socket);
  }

  deadline(): number {
    const { first } = this.#deadlines;
    let least = Math.min(this.#udx.deadline(), first?.dueAt ?? Infinity, this.#leaving[0]?.at ?? Infinity);
    for (const { announcer, listener } of this.#servers.values()) {
      least = Math.min(least, announcer.deadline(), listener.deadline());
    }
    for (const dial of this.#dials.values()) least = Math.min(least, dial.deadline());
    for (const relay of this.#relays) least = Math.min(least, relay.deadline());
    return least;
  }

  /** Ends every connection at once. */
  destroy(now: number): void {
    for (const { listener } of this.#servers.values()) listener.endAll(now);
    for (const connection of this.#connections) connection.destroy(now);
  }

  /** The sockets are about to close. Streams on those that come back go on after `resume`; all that needs the others ends here. */
  suspend(now: number): void {
    for (const { listener } of this.#servers.values()) listener.endAll(now);
    for (const connection of this.#connections) {
      const { remote } = connection;
      if (!remote || isPunchSocket(remote.socket)) connection.destroy(now, "SUSPENDED");
    }
    this.#sendStreams(now); // the last words
    for (const { socket } of this.#leaving.splice(0)) this.#around.closeSocket(socket);
  }

  #sendStreams(now: number): void {
    this.#udx.advance(now);
    for (const { socket, to, datagram, segmentBytes } of this.#udx.drain()) {
      this.#options.send(socket as SocketName, to, datagram, segmentBytes);
    }
  }

  #open(now: number, isInitiator: boolean, id: number): Connection {
    const connection: Connection = new Connection(now, {
      isInitiator,
      random: this.#around.random,
      keepAliveMs: this.#options.keepAliveMs,
      messageCipher: this.#options.messageCipher,
      open: (owner) =>
        this.#udx.createStream({
          id,
          owner,
          firewall: (at, socket, to) => this.#isRejected(at, connection, { socket: socket as SocketName, to }),
        }),
      onSooner: (sooner) => this.#deadlines.set(sooner, sooner.deadline()),
      onLost: (at, lost) => this.#lost(at, lost),
      onLeft: (at, socket) => this.#leave(at, socket),
      onClosed: (_, closed) => {
        this.#connections.delete(closed);
        this.#deadlines.set(closed, Infinity);
        this.#queued.delete(closed);
        this.#dials.delete(closed);
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  /** Nothing comes by its path: who called calls again, and who was called sees to it that it can be. */
  #lost(now: number, connection: Connection): void {
    if (!connection.isInitiator) {
      for (const { announcer } of this.#servers.values()) announcer.check(now);
      return;
    }
    const dial = this.#dials.get(connection);
    if (this.#queued.has(connection) || (dial && !dial.isStuck(now))) return;
    dial?.cancel(now);
    this.#dials.delete(connection);
    this.#dial(now, connection);
  }

  /** Asked of what comes by another socket than the stream's: before there is a path of all. True rejects. */
  #isRejected(now: number, connection: Connection, way: Way): boolean {
    const isRelay = connection.path.isRelay(way.socket, way.to);
    if (!isRelay) connection.seeker?.reached(now, way);
    if (connection.hasPath) return !isRelay && !connection.path.roams && connection.remote?.socket !== way.socket;
    return !((connection.isInitiator || isRelay) && connection.hasRoomForEarly);
  }

  /** The connection to us that a client means by its stream's id; there is none, usually. */
  #standing(remotePublicKey: Uint8Array, remoteId: number): Connection | null {
    for (const connection of this.#connections)
      if (!connection.isInitiator && connection.path.isWith(remotePublicKey, remoteId)) return connection;
    return null;
  }

  #probed(now: number, socket: SocketName, from: Address): void {
    for (const dial of this.#dials.values()) if (dial.probed(now, socket, from)) return;
    if (socket !== "six" && !isPunchSocket(socket)) return;
    for (const { listener } of this.#servers.values()) if (listener.probed(socket, from)) return;
  }

  /** Not where nobody may be, and in more bytes than came: senders can be forged, and relays named. */
  #reply(
    now: number,
    { tid, command, bytes }: RelayedRequest,
    { socket, to, isLast, value }: RelayedAnswer,
    target: Uint8Array,
  ): void {
    const { send, id, isVerified } = this.#options;
    const shared = { tid, to, id: id(socket), token: null, value };
    const datagram = isLast
      ? encodeResponse({ ...shared, closerNodes: null, error: RPC_ERROR.none })
      : encodeRequest({ ...shared, command, target, isInternal: false, isBrief: false });
    if (datagram.length > bytes && !isVerified(now, to.host)) this.#isHeldBack = true;
    else send(socket, to, datagram, 0);
  }
}
