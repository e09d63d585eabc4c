/**
 * The side that calls: shakes hands with a server, and then finds a path for the stream: straight to it, from it, by its own network, by
 * IPv6, or through both NATs. Source: hyperdht lib/connect.js; specification §11, §13.3.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { isBogon, isReservedAddress, matchAddress } from "../base/address-classes.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { FIREWALL, type NoisePayload } from "../wire/noise-payload.ts";
import { INTERNAL } from "../wire/rpc.ts";
import { RELAYS } from "./announcer.ts";
import { type ConnectionSurroundings, isPunchSocket, type Way } from "./connection-surroundings.ts";
import { type Agreed, Handshaker, type HandshakerOptions } from "./handshaker.ts";
import { Ip6Probes } from "./ip6-probes.ts";
import { PunchRounds, type PunchRoundsOptions } from "./punch-rounds.ts";
import type { Reason } from "./reasons.ts";
import type { PendingRequest, Requester, SocketName } from "./requests.ts";
import type { Trace } from "./trace.ts";

/** How long a peer that must come to us may take. */
const WAIT_MS = 10_000;

/** `localConnection`: also try the peer's own addresses when both are behind one public address. */
export type ConnectorOptions = HandshakerOptions & Pick<PunchRoundsOptions, "fastOpen">;

export interface ConnectorOwner {
  /** Peers have agreed on keys; a path is looked for. */
  agreed(now: number, agreed: Agreed): void;
  /** This is where the stream goes. */
  connected(now: number, way: Way): void;
  failed(now: number, reason: Reason): void;
}

export class Connector implements Requester {
  isDone = false;
  readonly #options: ConnectorOptions;
  readonly #around: ConnectionSurroundings;
  readonly #owner: ConnectorOwner;
  readonly #trace: Trace;
  /** Whether the server is told that strangers reach us, and so comes to us; what we learn meanwhile it does not know. */
  readonly #isAwaiting: boolean;
  readonly #handshaker: Handshaker;
  #agreed: Agreed | null = null;
  #reachedEarly: Way | null = null;
  /** When a server that has to come to us is given up, or one that may yet be reached by IPv6. */
  #giveUpAt = Infinity;
  #whyGivenUp: Reason = "HOLEPUNCH_ABORTED";
  #lanPing: { readonly request: PendingRequest; readonly to: Address } | null = null;
  #ip6: Ip6Probes | null = null;
  #rounds: PunchRounds | null = null;

  constructor(
    now: number,
    options: ConnectorOptions,
    around: ConnectionSurroundings,
    trace: Trace,
    owner: ConnectorOwner,
  ) {
    this.#options = options;
    this.#around = around;
    this.#owner = owner;
    this.#trace = trace;
    this.#isAwaiting = around.publicAddress() !== null;
    this.#handshaker = new Handshaker(now, options, around, trace, {
      agreed: (at, agreed) => this.#findPath(at, agreed),
      failed: (at, reason) => this.#fail(at, reason),
    });
    this.#handshaker.advance(now);
  }

  /** Whether it still asks nodes for the server. */
  get isShaking(): boolean {
    return !this.#handshaker.isDone;
  }

  /** Whether it has asked something that is not answered yet. */
  get isAsking(): boolean {
    return this.isShaking || (this.#rounds?.isAsking ?? false);
  }

  /** What both agreed on; null before that. */
  get agreed(): Agreed | null {
    return this.#agreed;
  }

  /** The nodes that lead to the server, once it has answered: as it says, or else the one that did. */
  get relays(): readonly Address[] {
    const { payload, via } = this.#agreed!;
    return payload.relayAddresses?.length ? payload.relayAddresses.slice(0, RELAYS) : [via];
  }

  /**
   * The first packet of the stream came from there: the server reached us. Before its answer did, perhaps: then it waits. Not by a
   * socket that another call punches with.
   */
  reached(now: number, { socket, to: { host, port } }: Way): void {
    if (isPunchSocket(socket) && !this.#rounds?.has(socket)) return;
    const way = { socket, to: { host, port } };
    if (this.#agreed) this.#connect(now, way);
    else this.#reachedEarly ??= way;
  }

  /**
   * A probe came to one of the punch sockets, or by IPv6. Differs: it must be from a host that the server is known at; the reference
   * takes the first that comes, and so whoever guesses the port can lead the stream astray.
   */
  probed(now: number, socket: SocketName, from: Address): boolean {
    const isPunched = this.#rounds?.has(socket) && this.#rounds.isServerAt(from.host);
    if (!isPunched && !this.#ip6?.isPeer({ socket, to: from })) return false;
    this.#trace.note(now, "probe", from);
    this.#connect(now, { socket, to: from });
    return true;
  }

  cancel(now: number): void {
    this.#finish(now, null);
  }

  advance(now: number): void {
    this.#handshaker.advance(now);
    this.#rounds?.advance(now);
    this.#ip6?.advance(now);
    if (now >= this.#giveUpAt) this.#fail(now, this.#whyGivenUp);
  }

  deadline(): number {
    const ofPaths = Math.min(this.#rounds?.deadline() ?? Infinity, this.#ip6?.deadline() ?? Infinity);
    return Math.min(this.#giveUpAt, this.#handshaker.deadline(), ofPaths);
  }

  answered(now: number, request: PendingRequest): void {
    if (request === this.#lanPing?.request) this.#connect(now, { socket: "server", to: this.#lanPing.to });
  }

  failed(_now: number, request: PendingRequest): void {
    if (request === this.#lanPing?.request) this.#lanPing = null;
  }

  #findPath(now: number, agreed: Agreed): void {
    this.#agreed = agreed;
    this.#trace.candidates(now, agreed.payload);
    this.#owner.agreed(now, agreed);
    if (this.isDone) return;
    const { payload, via, socket, server, client } = agreed;
    const isRelayed = !sameAddress(server, via);
    const isPunchable = (payload.holepunch?.relays.length ?? 0) > 0;
    if (this.#reachedEarly) return this.#connect(now, this.#reachedEarly);
    if (!isRelayed) return this.#connect(now, { socket, to: via });
    if (payload.firewall === FIREWALL.open || !isPunchable) {
      const to = payload.addresses4.find(({ host, port }) => !isBogon(host) && port !== 0) ?? server;
      return this.#connect(now, { socket, to });
    }
    if (this.#isAwaiting) {
      this.#trace.note(now, "wait");
      this.#giveUpAt = now + WAIT_MS;
      return;
    }
    const { localConnection, fastOpen, remotePublicKey, relayThrough, repeatMs } = this.#options;
    if (localConnection) this.#ip6 = Ip6Probes.start(now, this.#around, payload.addresses6);
    if (localConnection && client.host === server.host) this.#tryLan(now, payload);
    const isCarried = (payload.relayThrough ?? relayThrough) !== null;
    const rounds = { agreed, target: blake2b256(remotePublicKey), fastOpen, isRelayed: isCarried, repeatMs };
    this.#rounds = new PunchRounds(now, rounds, this.#around, this.#trace, (at, reason) =>
      this.#notPunched(at, reason),
    );
  }

  /** Behind one public address: perhaps in one network, too. */
  #tryLan(now: number, payload: NoisePayload): void {
    const candidates = payload.addresses4.filter(({ host, port }) => !isReservedAddress(host) && port !== 0);
    const to = matchAddress(this.#around.localAddresses(), candidates) ?? candidates[0];
    if (!to) return;
    this.#trace.note(now, "lan", to);
    const ping = { to, isInternal: true, command: INTERNAL.ping };
    this.#lanPing = { request: this.#around.requests.start(now, ping, this), to };
  }

  /** By IPv6 it may be reached all the same. */
  #notPunched(now: number, reason: Reason): void {
    if (!this.#ip6) return this.#fail(now, reason);
    this.#rounds?.settle(now, null);
    this.#giveUpAt = this.#ip6.hopesUntil;
    this.#whyGivenUp = reason;
  }

  #connect(now: number, { socket, to }: Way): void {
    if (this.isDone) return;
    this.#finish(now, socket);
    this.#owner.connected(now, { socket, to });
  }

  #fail(now: number, reason: Reason): void {
    if (this.isDone) return;
    this.#finish(now, null);
    this.#owner.failed(now, reason);
  }

  /** `socket`: the one that the stream goes on with. */
  #finish(now: number, socket: SocketName | null): void {
    if (this.isDone) return;
    this.isDone = true;
    this.#giveUpAt = Infinity;
    this.#handshaker.cancel(now);
    if (this.#lanPing) this.#around.requests.forget(now, this.#lanPing.request);
    this.#rounds?.settle(now, socket);
    this.#ip6 = null;
  }
}
