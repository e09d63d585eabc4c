/**
 * The connections of one node: the servers that listen on it, the calls it makes, the sockets that they punch with. What they agree on is
 * keys and a path; the stream itself is not here.
 */
import type { Address } from "../base/address.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import { COMMAND } from "../wire/dht.ts";
import { decodeRelayedHandshake } from "../wire/handshake.ts";
import { decodeRelayedHolepunch } from "../wire/holepunch.ts";
import type { NoisePayload } from "../wire/noise-payload.ts";
import { encodeRequest, encodeResponse, type Request, RPC_ERROR } from "../wire/rpc.ts";
import { Announcer } from "./announcer.ts";
import type { ConnectionSurroundings, Established, Path } from "./connection-surroundings.ts";
import { Connector, type ConnectorOptions } from "./connector.ts";
import { Listener, type ListenerOptions, type RelayedAnswer, type RelayedRequest } from "./listener.ts";
import type { Reach } from "./probing.ts";
import type { Reason } from "./reasons.ts";
import type { SocketName } from "./requests.ts";

/** New handshakes a second, each of which takes 3 ms; and how many at once after silence. Beyond: ignored, their clients try again. */
const HANDSHAKES_PER_SECOND = 50;
const HANDSHAKE_BURST = 100;

/** What the node gives out for its connections. */
export type ConnectionOutput =
  | { readonly type: "openSocket" | "closeSocket"; readonly socket: SocketName }
  | { readonly type: "probe"; readonly socket: SocketName; readonly to: Address; readonly reach: Reach }
  | { readonly type: "listening" | "closed"; readonly server: Server }
  | {
      readonly type: "incoming";
      readonly server: Server;
      readonly streamId: number;
      readonly path: Path;
      readonly established: Established;
    }
  | { readonly type: "established"; readonly connector: Connector; readonly established: Established }
  | { readonly type: "outgoing"; readonly connector: Connector; readonly path: Path }
  | { readonly type: "unreachable"; readonly connector: Connector; readonly reason: Reason };

/** A server that listens on this node. */
export interface Server {
  readonly keyPair: KeyPair;
  readonly target: Uint8Array;
  readonly announcer: Announcer;
  readonly listener: Listener;
}

export interface ConnectionsOptions {
  readonly around: Omit<ConnectionSurroundings, "openSocket" | "closeSocket" | "probe">;
  readonly send: (socket: SocketName, to: Address, datagram: Uint8Array) => void;
  readonly id: (socket: SocketName) => Uint8Array | null;
  readonly emit: (output: ConnectionOutput) => void;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #around: ConnectionSurroundings;
  readonly #servers = new Map<string, Server>();
  readonly #connectors = new Set<Connector>();
  /** Streams that nobody has reached yet, by their ids: whose first packet tells the path. */
  readonly #streams = new Map<number, (now: number, path: Omit<Path, "remoteId">) => void>();
  #sockets = 0;
  /** When the gate for new handshakes will be wide open again. */
  #gateFullAt = -Infinity;

  constructor(options: ConnectionsOptions) {
    const { emit } = options;
    this.#options = options;
    this.#around = {
      ...options.around,
      openSocket: () => {
        const socket: SocketName = `punch-${++this.#sockets}`;
        emit({ type: "openSocket", socket });
        return socket;
      },
      closeSocket: (socket) => emit({ type: "closeSocket", socket }),
      probe: (socket, to, reach) => emit({ type: "probe", socket, to, reach }),
    };
  }

  /** Listens under a key; null when a server of this node does already. `admits`: whether that key may connect. */
  listen(
    now: number,
    options: ListenerOptions,
    admits: (remotePublicKey: Uint8Array, payload: NoisePayload, client: Address) => boolean,
  ): Server | null {
    const { keyPair } = options;
    const target = blake2b256(keyPair.publicKey);
    if (this.#servers.has(target.toHex())) return null;
    const { query, requests } = this.#around;
    const { emit } = this.#options;
    let hasAnnounced = false;
    const announcer = new Announcer({
      keyPair,
      requests,
      query: (at, question, owner) => query.call(this.#around, at, question, owner),
      onAnnounced: () => {
        if (!hasAnnounced) emit({ type: "listening", server });
        hasAnnounced = true;
      },
      onClosed: () => {
        this.#servers.delete(target.toHex());
        emit({ type: "closed", server });
      },
    });
    const around = {
      ...this.#around,
      relays: () => announcer.relays,
      isRelay: (address: Address) => announcer.isRelay(address),
      reply: (request: RelayedRequest, answer: RelayedAnswer) => this.#reply(request, answer, target),
    };
    const listener = new Listener(options, around, {
      admits,
      expected: (call) => this.#streams.set(call.streamId, (at, path) => listener.reached(at, call, path)),
      connected: (_now, call, path) => {
        this.#streams.delete(call.streamId);
        const established = { keyPair, session: call.session, payload: call.payload };
        emit({ type: "incoming", server, streamId: call.streamId, path, established });
      },
      abandoned: (_now, call) => void this.#streams.delete(call.streamId),
    });
    const server: Server = { keyPair, target, announcer, listener };
    this.#servers.set(target.toHex(), server);
    announcer.refresh(now);
    return server;
  }

  servers(): Server[] {
    return [...this.#servers.values()];
  }

  /** Takes the announcement back; `closed` tells when it is gone. */
  close(now: number, server: Server): void {
    server.listener.close(now);
    server.announcer.close(now);
  }

  connect(now: number, options: ConnectorOptions): Connector {
    const { emit } = this.#options;
    const connector = new Connector(now, options, this.#around, {
      established: (_now, call, established) => emit({ type: "established", connector: call, established }),
      connected: (_now, call, path) => {
        this.#forget(call);
        emit({ type: "outgoing", connector: call, path });
      },
      failed: (_now, call, reason) => {
        this.#forget(call);
        emit({ type: "unreachable", connector: call, reason });
      },
    });
    if (connector.isDone) return connector;
    this.#connectors.add(connector);
    this.#streams.set(options.streamId, (at, path) => connector.reached(at, path));
    return connector;
  }

  cancel(now: number, connector: Connector): void {
    connector.cancel(now);
    this.#forget(connector);
  }

  /** Servers announce themselves anew: the network, or our place in it, is another. */
  refresh(now: number): void {
    for (const { announcer } of this.#servers.values()) announcer.refresh(now);
  }

  /** A handshake or a hole punching message. False when it is for no server of ours, but to be relayed. */
  receive(now: number, socket: SocketName, from: Address, { tid, to, command, target, value }: Request): boolean {
    const server = target && this.#servers.get(target.toHex());
    if (!server || !value) return false;
    const request = { command, socket, from: { host: from.host, port: from.port }, to, tid };
    if (command === COMMAND.peerHandshake) {
      const message = decodeRelayedHandshake(value);
      if (message) server.listener.handshake(now, request, message, () => this.#passesGate(now));
    } else {
      const message = decodeRelayedHolepunch(value);
      if (message) server.listener.holepunch(now, request, message);
    }
    return true;
  }

  /** A datagram of one byte or none on a punch socket. */
  probed(now: number, socket: SocketName, from: Address): void {
    for (const connector of this.#connectors) if (connector.probed(now, socket, from)) return;
    for (const { listener } of this.#servers.values()) if (listener.probed(socket, from)) return;
  }

  /** The first packet of a stream came: from there, on that socket. False when nobody waits for it. */
  reached(now: number, streamId: number, path: Omit<Path, "remoteId">): boolean {
    const reached = this.#streams.get(streamId);
    reached?.(now, path);
    return reached !== undefined;
  }

  advance(now: number): void {
    for (const { announcer, listener } of this.#servers.values()) {
      announcer.advance(now);
      listener.advance(now);
    }
    for (const connector of this.#connectors) connector.advance(now);
  }

  deadline(): number {
    let least = Infinity;
    for (const { announcer, listener } of this.#servers.values()) {
      least = Math.min(least, announcer.deadline(), listener.deadline());
    }
    for (const connector of this.#connectors) least = Math.min(least, connector.deadline());
    return least;
  }

  #forget(connector: Connector): void {
    this.#connectors.delete(connector);
    this.#streams.delete(connector.options.streamId);
  }

  #passesGate(now: number): boolean {
    const fullAt = Math.max(now, this.#gateFullAt) + 1000 / HANDSHAKES_PER_SECOND;
    if (fullAt - now > (1000 * HANDSHAKE_BURST) / HANDSHAKES_PER_SECOND) return false;
    this.#gateFullAt = fullAt;
    return true;
  }

  #reply({ tid, command }: RelayedRequest, { socket, to, isLast, value }: RelayedAnswer, target: Uint8Array): void {
    const { send, id } = this.#options;
    const shared = { tid, to, id: id(socket), token: null, value };
    if (isLast) send(socket, to, encodeResponse({ ...shared, closerNodes: null, error: RPC_ERROR.none }));
    else send(socket, to, encodeRequest({ ...shared, command, target, isInternal: false, isBrief: false }));
  }
}
