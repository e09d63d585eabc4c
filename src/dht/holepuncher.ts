/**
 * One end of a hole punch: a socket of its own, what the NAT does to it, what is known of the peer, and the probes. The rounds of
 * messages are the connector's and the listener's. Source: hyperdht lib/holepuncher.js; specification §13.
 */
import { type Address, sameAddress } from "../base/address.ts";
import type { Random } from "../base/random.ts";
import { FIREWALL } from "../wire/noise-payload.ts";
import { INTERNAL } from "../wire/rpc.ts";
import { isPunchSocket } from "./connection-surroundings.ts";
import { NatClassifier, WANTED_SAMPLES } from "./nat-classifier.ts";
import { Probing, type Reach } from "./probing.ts";
import type { PendingRequest, Reply, Requester, Requests, SocketName } from "./requests.ts";

/** The nodes heard last are asked by everything else, too; with a large table they are left alone. */
const SKIP_RECENT = 5;
const SKIP_FROM = 8;
/** How often a socket is given up for a fresh one, when its NAT gives no verdict that helps. */
const MAX_REOPENS = 3;
/** Addresses of the peer that are kept. Full: further ones are ignored. */
const MAX_REMOTE = 64;

/**
 * Punches against random NATs at once, of one node: with 256 sockets each when the NAT is ours, with 50 probes a second when it is
 * the peer's. Differs: the reference has one at a time of both, and 20 s of rest after each.
 */
const MOST_PUNCHES = { sockets: 2, ports: 8 };

export class PunchRation {
  readonly #underWay = { sockets: 0, ports: 0 };

  has(kind: keyof typeof MOST_PUNCHES): boolean {
    return this.#underWay[kind] < MOST_PUNCHES[kind];
  }

  /** False when that is enough for now. */
  take(kind: keyof typeof MOST_PUNCHES): boolean {
    if (!this.has(kind)) return false;
    this.#underWay[kind]++;
    return true;
  }

  giveBack(kind: keyof typeof MOST_PUNCHES): void {
    this.#underWay[kind]--;
  }
}

/** What a puncher needs of the node it is part of. */
export interface PunchSurroundings {
  readonly random: Random;
  readonly punchRation: PunchRation;
  readonly requests: Requests;
  /** Whether strangers reach this node. */
  isOpen(): boolean;
  /** Nodes to sample our NAT by, most recently heard first. */
  recentNodes(): readonly Address[];
  openSocket(): SocketName;
  closeSocket(socket: SocketName): void;
  probe(socket: SocketName, to: Address, reach: Reach): void;
}

interface RemoteAddress extends Address {
  isVerified: boolean;
}

export interface Analysis {
  /** Whether a round of probes can do anything. */
  readonly isStable: boolean;
  /** The socket is another one than before. */
  readonly isReopened: boolean;
}

export class Holepuncher implements Requester {
  nat: NatClassifier;
  socket: SocketName;
  /** One of FIREWALL. */
  remoteFirewall: number = FIREWALL.unknown;
  isPunching = false;
  isRemotePunching = false;
  isDestroyed = false;
  readonly #isInitiator: boolean;
  readonly #around: PunchSurroundings;
  readonly #onExhausted: (now: number) => void;
  #remote: RemoteAddress[] = [];
  #probing: Probing | null = null;
  /** Of the ration, until it settles. */
  #taken: keyof typeof MOST_PUNCHES | null = null;
  #pings = new Set<PendingRequest>();
  #tried = new Set<string>();
  #isSecondTry = false;
  #reopens = 0;
  #waiting: { readonly mayReopen: boolean; readonly then: (now: number, analysis: Analysis) => void } | null = null;
  #hasReopened = false;

  /** Opens a socket and begins to sample its NAT. `onExhausted`: every probe was sent, and nothing came. */
  constructor(
    now: number,
    around: PunchSurroundings,
    options: {
      readonly isInitiator: boolean;
      /** Where the peer reaches our server socket, whatever the NAT does: then that is the one that waits for it. */
      readonly mapped?: Address | null;
      readonly onExhausted: (now: number) => void;
    },
  ) {
    this.#around = around;
    this.#isInitiator = options.isInitiator;
    this.#onExhausted = options.onExhausted;
    const { mapped = null } = options;
    this.nat = new NatClassifier(around.isOpen() || mapped !== null, mapped);
    this.socket = mapped ? "server" : around.openSocket();
    if (!mapped) this.#sample(now);
  }

  /** What the peer said of itself. `verifiedHost`: where it has just shown that it receives. */
  updateRemote(said: {
    readonly isPunching: boolean;
    readonly firewall: number;
    readonly addresses: readonly Address[] | null;
    readonly verifiedHost: string | null;
  }): void {
    const { firewall, addresses, verifiedHost } = said;
    this.isRemotePunching = said.isPunching;
    if (firewall !== FIREWALL.unknown) this.remoteFirewall = firewall;
    if (!addresses) return;
    const before = this.#remote;
    const isVerified = (address: Address) =>
      address.host === verifiedHost || before.some((known) => known.isVerified && known.host === address.host);
    this.#remote = addresses.slice(0, MAX_REMOTE).map((address) => ({ ...address, isVerified: isVerified(address) }));
  }

  get remoteAddresses(): readonly Address[] {
    return this.#remote;
  }

  /** Calls `then` when the NAT is known as well as it will be; with `mayReopen` after up to three fresh sockets. */
  analyse(now: number, mayReopen: boolean, then: (now: number, analysis: Analysis) => void): void {
    this.#waiting = { mayReopen, then };
    this.#hasReopened = false;
    this.#conclude(now);
  }

  /** What a punch takes of the ration: null when both NATs keep their ports, or one side is reached by everyone. */
  get #kind(): keyof typeof MOST_PUNCHES | null {
    if (this.#isEitherOpen) return null;
    if (this.nat.firewall === FIREWALL.random) return "sockets";
    return this.remoteFirewall === FIREWALL.random ? "ports" : null;
  }

  get #isEitherOpen(): boolean {
    return this.nat.firewall === FIREWALL.open || this.remoteFirewall === FIREWALL.open;
  }

  /** Whether as many punches of this kind are under way as may be. */
  get isBusy(): boolean {
    return this.#kind !== null && !this.#around.punchRation.has(this.#kind);
  }

  /** Begins to probe. Nothing: there is no address that probes may go to, or both NATs are random. */
  punch(now: number): "punching" | "busy" | "nothing" {
    const { random, punchRation, openSocket, probe } = this.#around;
    const isLocalRandom = this.nat.firewall === FIREWALL.random && !this.#isEitherOpen;
    const isRemoteRandom = this.remoteFirewall === FIREWALL.random && !this.#isEitherOpen;
    const kind = this.#kind;
    if (kind && !punchRation.take(kind)) return "busy";
    this.#taken = kind;
    this.#probing = Probing.start(now, {
      random,
      isInitiator: this.#isInitiator || this.remoteFirewall === FIREWALL.open, // an open peer only waits for us
      isLocalRandom,
      isRemoteRandom,
      socket: this.socket,
      verified: this.#remote.filter(({ isVerified }) => isVerified),
      openSocket: () => openSocket.call(this.#around),
      probe: (socket, to, reach) => probe.call(this.#around, socket, to, reach),
    });
    this.isPunching = this.#probing !== null;
    if (!this.isPunching) this.#returnRation();
    return this.isPunching ? "punching" : "nothing";
  }

  /** Whether a datagram on that socket is for this puncher. */
  has(socket: SocketName): boolean {
    return socket === this.socket || (this.#probing?.sockets.includes(socket) ?? false);
  }

  /** The way is found on `socket`: all others are closed, and that one belongs to whoever asked. */
  settle(now: number, socket: SocketName | null): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    for (const each of new Set([this.socket, ...(this.#probing?.sockets ?? [])])) {
      if (each !== socket && isPunchSocket(each)) this.#around.closeSocket(each);
    }
    this.#forgetPings(now);
    this.#returnRation();
    this.#probing = null;
    this.#waiting = null;
  }

  advance(now: number): void {
    if (!this.#probing) return;
    this.#probing.advance(now);
    if (this.#probing.isExhausted) this.#onExhausted(now);
  }

  deadline(): number {
    return this.#probing?.deadline() ?? Infinity;
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (!this.#pings.delete(request)) return;
    this.nat.add(reply.to, reply.from);
    this.#sampled(now);
  }

  failed(now: number, request: PendingRequest): void {
    if (this.#pings.delete(request)) this.#sampled(now);
  }

  #sample(now: number): void {
    const nodes = this.#around.recentNodes();
    const rested = nodes.length >= SKIP_FROM ? nodes.slice(SKIP_RECENT) : nodes;
    const fresh = rested.filter(({ host, port }) => !this.#tried.has(`${host}:${port}`));
    for (const to of fresh.slice(0, WANTED_SAMPLES - this.nat.samples - this.#pings.size)) {
      this.#tried.add(`${to.host}:${to.port}`);
      const ping = { to, isInternal: true, command: INTERNAL.ping, socket: this.socket, retries: 0 };
      this.#pings.add(this.#around.requests.start(now, ping, this));
    }
  }

  #sampled(now: number): void {
    if (this.#pings.size === 0 && this.nat.samples < WANTED_SAMPLES && !this.#isSecondTry) {
      this.#isSecondTry = true;
      this.#sample(now);
    }
    this.#conclude(now);
  }

  #conclude(now: number): void {
    if (!this.#waiting || !(this.nat.isSettled || this.#pings.size === 0)) return;
    const { mayReopen, then } = this.#waiting;
    this.nat.presume();
    if (!this.#isStable() && mayReopen && this.#reopens < MAX_REOPENS) return this.#reopen(now);
    this.#waiting = null;
    then(now, { isStable: this.#isStable(), isReopened: this.#hasReopened });
  }

  #isStable(): boolean {
    const { unknown, random } = FIREWALL;
    if (this.nat.firewall === unknown) return false;
    return !(this.nat.firewall === random && this.remoteFirewall === random);
  }

  /** A fresh socket may get another mapping, and so another verdict. */
  #reopen(now: number): void {
    this.#reopens++;
    this.#hasReopened = true;
    this.#forgetPings(now);
    this.#around.closeSocket(this.socket);
    this.socket = this.#around.openSocket();
    this.nat = new NatClassifier(this.#around.isOpen());
    this.#tried.clear();
    this.#isSecondTry = false;
    this.#sample(now);
    this.#conclude(now);
  }

  #returnRation(): void {
    if (this.#taken) this.#around.punchRation.giveBack(this.#taken);
    this.#taken = null;
  }

  #forgetPings(now: number): void {
    for (const ping of this.#pings) this.#around.requests.forget(now, ping);
    this.#pings.clear();
  }
}

/** Whether `address` is one of `list`. */
export function isAmong(address: Address | null, list: readonly Address[] | null): boolean {
  return address !== null && (list?.some((each) => sameAddress(each, address)) ?? false);
}
