/**
 * The probes of one punching round: what is sent when, by what each side knows of its NAT. Source: hyperdht lib/holepuncher.js
 * `punch`; specification §13.5.
 *
 * Differs: nothing goes to addresses that the peer only named. The reference probes those twice, and so whomever a peer likes. And a
 * random NAT that takes one port after another is probed where its next ports are: the peer's many sockets have those, one each. Of one
 * that takes any, twice as many ports a second are tried: one of 252 is right, so half of all punches take under 2 s instead of 4.
 */
import type { Address } from "../base/address.ts";
import { type Random, randomUint32 } from "../base/random.ts";
import type { SocketName } from "./requests.ts";

/** A hop count that opens our own NATs and dies on the way, and one that gets there. */
export type Reach = "near" | "far";

const TRIES = 10;
const TRY_EVERY_MS = 1_000;
/** Both go on for 35 s, as the reference's do. */
const PORTS_TRIED = 3_500;
const PORT_EVERY_MS = 10;
const SOCKET_PROBES = 1_750;
const SOCKET_EVERY_MS = 20;
const SOCKETS = 256;
const SETTLE_MS = 100;
const FIRST_PORT = 1_000;
/** From the next port of a sequence on, as many as the peer has sockets, and as many again for what else passes its NAT. */
const SEQUENCE_PORTS = 2 * SOCKETS;
/** Prime to that, so that consecutive probes are far apart and all ports have their turn. */
const SEQUENCE_STRIDE = 37;

export interface ProbingOptions {
  readonly random: Random;
  readonly isInitiator: boolean;
  /** Of each side: whether every node sees another port. */
  readonly isLocalRandom: boolean;
  readonly isRemoteRandom: boolean;
  readonly socket: SocketName;
  /** Addresses at whose hosts the peer echoed a token. */
  readonly verified: readonly Address[];
  readonly openSocket: () => SocketName;
  readonly probe: (socket: SocketName, to: Address, reach: Reach) => void;
}

export class Probing {
  /** All that probes went out from. */
  readonly sockets: SocketName[];
  /** Every probe is sent, and nothing came back. */
  isExhausted = false;
  readonly #options: ProbingOptions;
  readonly #step: (now: number) => void;
  #dueAt: number;
  #sent = 0;

  private constructor(now: number, options: ProbingOptions) {
    const { isInitiator, isLocalRandom, isRemoteRandom } = options;
    this.#options = options;
    this.sockets = [options.socket];
    this.#dueAt = now;
    if (isLocalRandom) {
      this.#step = (at) => this.#fromManySockets(at);
      this.#openMany();
      this.#dueAt = now + SETTLE_MS;
    } else if (isRemoteRandom) {
      this.#step = (at) => this.#toManyPorts(at);
    } else {
      this.#step = (at) => this.#toKnown(at);
      if (!isInitiator) this.#dueAt = now + TRY_EVERY_MS;
    }
  }

  /** Null when there is nothing to do: both random, or no address that probes may go to. */
  static start(now: number, options: ProbingOptions): Probing | null {
    const { isLocalRandom, isRemoteRandom, verified } = options;
    if ((isLocalRandom && isRemoteRandom) || verified.length === 0) return null;
    return new Probing(now, options);
  }

  advance(now: number): void {
    while (!this.isExhausted && now >= this.#dueAt) this.#step(now);
  }

  deadline(): number {
    return this.isExhausted ? Infinity : this.#dueAt;
  }

  #toKnown(now: number): void {
    if (this.#sent === TRIES) return this.#end();
    this.#sent++;
    const { socket, verified, probe } = this.#options;
    for (const to of verified) probe(socket, to, "far");
    this.#dueAt = now + TRY_EVERY_MS;
  }

  #toManyPorts(now: number): void {
    if (this.#sent === PORTS_TRIED) return this.#end();
    this.#sent++;
    const { socket, verified, probe } = this.#options;
    probe(socket, { host: verified[0]!.host, port: this.#likelyPort() }, "far");
    this.#dueAt = now + PORT_EVERY_MS;
  }

  /** Of a random NAT: in turn one of those that come next, if it takes them in sequence, and any. */
  #likelyPort(): number {
    const { verified, random } = this.#options;
    const next = verified.find(({ host, port }) => host === verified[0]!.host && port !== 0)?.port;
    const isGuess = next === undefined || this.#sent % 4 === 0;
    if (isGuess) return FIRST_PORT + (randomUint32(random) % (65_536 - FIRST_PORT));
    const port = next + ((this.#sent * SEQUENCE_STRIDE) % SEQUENCE_PORTS);
    return port < 65_536 ? port : FIRST_PORT + (port - 65_536);
  }

  #openMany(): void {
    const { verified, openSocket, probe } = this.#options;
    while (this.sockets.length < SOCKETS) this.sockets.push(openSocket());
    for (const socket of this.sockets) probe(socket, verified[0]!, "near");
  }

  #fromManySockets(now: number): void {
    if (this.#sent === SOCKET_PROBES) return this.#end();
    const { verified, probe } = this.#options;
    const reach = this.#sent < this.sockets.length ? "near" : "far";
    probe(this.sockets[this.#sent % this.sockets.length]!, verified[0]!, reach);
    this.#sent++;
    this.#dueAt = now + SOCKET_EVERY_MS;
  }

  #end(): void {
    this.isExhausted = true;
  }
}
