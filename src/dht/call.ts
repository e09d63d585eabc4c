/**
 * One client of a listener: finds a path with it, by IPv6 or by rounds of hole punching where there has to be, and is remembered for a while
 * longer, so that repeats of the client's first message get the same answer. Source: hyperdht lib/server.js; specification §12, §13.4.
 */
import type { Address } from "../base/address.ts";
import { isPrivateAddress, matchAddress } from "../base/address-classes.ts";
import type { NoiseSession } from "../crypto/noise.ts";
import { MODE } from "../wire/handshake.ts";
import { encodeRelayedHolepunch } from "../wire/holepunch.ts";
import type { HolepunchPayload } from "../wire/holepunch-payload.ts";
import { FIREWALL, type NoisePayload, PAYLOAD_ERROR, type RelayThrough } from "../wire/noise-payload.ts";
import type { ServerRelay } from "./announcer.ts";
import type { Seeker } from "./connection.ts";
import { type ConnectionSurroundings, isPunchSocket, mappedFor, type Way } from "./connection-surroundings.ts";
import { Holepuncher, isAmong } from "./holepuncher.ts";
import { Ip6Probes } from "./ip6-probes.ts";
import type { SocketName } from "./requests.ts";
import { SecurePayloads } from "./secure-payloads.ts";

/** For how long a client may take to come by the path that was agreed on. */
const WAIT_MS = 10_000;
/** After it ended, repeats of its first message get the same answer for so long. */
const KEEP_MS = 10_000;
/** All rounds of hole punching together: a client cannot hold a socket by asking on and on. */
const LONGEST_MS = 60_000;
/** A client that a relay carries asks again within 20 s when it is told that we have enough punches under way. */
const BUSY_WAIT_MS = 30_000;
/** Probes sent back for one client: it needs one. Two servers that a forger sets upon each other stop after so many. */
const MAX_ECHOES = 64;

/** A relayed message as it came. */
export interface RelayedRequest {
  readonly command: number;
  readonly socket: SocketName;
  readonly from: Address;
  /** We, as the sender sees us. */
  readonly to: Address;
  readonly tid: number;
  /** Of the whole datagram. */
  readonly bytes: number;
}

export interface RelayedAnswer {
  readonly socket: SocketName;
  readonly to: Address;
  readonly isLast: boolean;
  readonly value: Uint8Array;
}

export interface CallSurroundings extends ConnectionSurroundings {
  /** The nodes that lead to us. */
  relays(): readonly ServerRelay[];
  /** Whether a node does, or did until lately. */
  isRelay(address: Address): boolean;
  /** Sends an answer on its way: `isLast` as the response to the client, otherwise as a request to a relay. */
  reply(now: number, request: RelayedRequest, answer: RelayedAnswer): void;
}

export interface CallOptions {
  /** False: clients that cannot reach us directly are not helped to. */
  readonly punches: boolean;
  /** Tell clients our own addresses, for those in the same network, or with IPv6. */
  readonly sharesLocalAddresses: boolean;
}

export interface CallOwner {
  /** The stream goes there. */
  connected(now: number, call: Call, way: Way): void;
  /** What both sides' NATs do is known better than before. */
  learnt(now: number, call: Call, puncher: Holepuncher): void;
  /** Nothing came of it: the stream is of no use. */
  abandoned(now: number, call: Call): void;
}

/** Who sent a handshake, and how it came. */
export interface Caller {
  readonly request: RelayedRequest;
  readonly client: Address;
  /** Without a relay. */
  readonly isDirect: boolean;
  readonly noise: Uint8Array;
  /** The same, in hex: repeats are told by it. */
  readonly hello: string;
  /** The networks whose share it counts against. */
  readonly prefixes: readonly number[];
}

interface CallParts {
  /** Its slot, by which the client names it when it punches. */
  readonly id: number;
  /** Of the stream that the client sends to; 0 when it is refused. */
  readonly streamId: number;
  readonly payload: NoisePayload;
  readonly session: NoiseSession;
  /** The same for every repeat of the client's message. */
  readonly answer: Uint8Array;
  readonly from: Caller;
  /** The relay of ours that the answer names. */
  readonly relayThrough: RelayThrough | null;
}

/** A round of hole punching that a client began. */
interface Round {
  readonly request: RelayedRequest;
  /** Where the relay sees it. */
  readonly client: Address;
  readonly said: HolepunchPayload;
}

export class Call implements Seeker {
  readonly parts: CallParts;
  phase: "waiting" | "connected" | "over" = "waiting";
  /** The socket that the answer leaves from; null for the one that was asked. */
  answerSocket: SocketName | null = null;
  /** Waiting: when it is given up. Otherwise: when it is forgotten. */
  dueAt: number;
  readonly #options: CallOptions;
  readonly #around: CallSurroundings;
  readonly #owner: CallOwner;
  readonly #secure: SecurePayloads;
  /** No round of hole punching keeps it beyond this. */
  readonly #endsAt: number;
  #ip6: Ip6Probes | null = null;
  #puncher: Holepuncher | null = null;
  #lastRound = -1;
  #echoes = 0;

  constructor(now: number, parts: CallParts, options: CallOptions, around: CallSurroundings, owner: CallOwner) {
    this.parts = parts;
    this.#options = options;
    this.#around = around;
    this.#owner = owner;
    this.#secure = new SecurePayloads(around.random, parts.session.handshakeHash);
    this.dueAt = now + WAIT_MS;
    this.#endsAt = now + LONGEST_MS;
  }

  /** Whether the client can be sent to at once. */
  get isDirect(): boolean {
    return this.parts.from.isDirect || this.parts.payload.firewall === FIREWALL.open;
  }

  /** Whether a relay carries the stream meanwhile, or may. */
  get #isRelayed(): boolean {
    return (this.parts.relayThrough ?? this.parts.payload.relayThrough) !== null;
  }

  /** To be called once, when its client may come. */
  findPath(now: number): void {
    const { from } = this.parts;
    const { client, request } = from;
    if (this.isDirect) {
      const socket = from.isDirect ? request.socket : this.#around.mainSocket();
      return this.#connect(now, { socket, to: client });
    }
    const isReached = this.#around.publicAddress() ?? mappedFor(client.host, this.#around);
    if (isReached || !this.#options.punches) return; // the client comes to us
    if (this.#options.sharesLocalAddresses)
      this.#ip6 = Ip6Probes.start(now, this.#around, this.parts.payload.addresses6);
    const onExhausted = (at: number) => this.#notPunched(at);
    this.#puncher = new Holepuncher(now, this.#around, { isInitiator: false, onExhausted });
    // In one network with the client, it comes by our own address; otherwise the relay is to see the socket that punches.
    if (!this.#isInOurNetwork()) this.answerSocket = this.#puncher.socket;
  }

  /** A round of hole punching. Silence for what is not the client's. */
  holepunch(now: number, request: RelayedRequest, client: Address, payload: Uint8Array): void {
    const said = this.#secure.open(payload);
    if (!said) return;
    const round = { request, client, said };
    const puncher = this.#puncher;
    if (!puncher || said.error !== PAYLOAD_ERROR.none) return this.#refuse(now, round);
    if (puncher.isDestroyed) return;
    if (request.socket === puncher.socket) puncher.nat.add(request.to, request.from);
    if (said.round >= this.#lastRound) {
      if (said.round > this.#lastRound && !puncher.isPunching) this.dueAt = Math.min(now + WAIT_MS, this.#endsAt);
      this.#lastRound = said.round;
      const isEchoed = this.#around.isRelay(request.from) && this.#secure.isEchoed(client.host, said.remoteToken);
      const { punching: isPunching, firewall, addresses } = said;
      puncher.updateRemote({ isPunching, firewall, addresses, verifiedHost: isEchoed ? client.host : null });
    }
    puncher.analyse(now, !said.punching, (at, { isStable }) => {
      this.#owner.learnt(at, this, puncher);
      if (said.punching || isStable) this.#round(at, puncher, round);
      else this.#refuse(at, round);
    });
  }

  /** The first packet of the stream came from there: the client is here. Not by a socket that another call punches with. */
  reached(now: number, way: Way): void {
    const isOurs = !isPunchSocket(way.socket) || this.#puncher?.has(way.socket);
    if (this.phase === "waiting" && isOurs) this.#connect(now, way);
  }

  /** A probe came to that socket. False when this call has none there; otherwise the client waits for one back. */
  probed(socket: SocketName, from: Address): boolean {
    if (!this.#puncher?.has(socket) && !this.#ip6?.isPeer({ socket, to: from })) return false;
    if (this.#echoes++ < MAX_ECHOES) this.#around.probe(socket, from, "far");
    return true;
  }

  /** Nothing comes of it any more, if it still waits. */
  cancel(now: number): void {
    if (this.phase !== "waiting") return;
    this.end(now, "over", null);
    this.#owner.abandoned(now, this);
  }

  /** `socket`: the one that the stream goes on with. */
  end(now: number, phase: "connected" | "over", socket: SocketName | null): void {
    this.phase = phase;
    this.#ip6 = null;
    this.#puncher?.settle(now, socket);
    this.dueAt = now + KEEP_MS;
  }

  advance(now: number): void {
    this.#puncher?.advance(now);
    this.#ip6?.advance(now);
    if (now >= this.dueAt) this.cancel(now);
  }

  deadline(): number {
    return Math.min(this.dueAt, this.#puncher?.deadline() ?? Infinity, this.#ip6?.deadline() ?? Infinity);
  }

  #isInOurNetwork(): boolean {
    const { payload, from } = this.parts;
    if (!this.#options.sharesLocalAddresses || from.client.host !== from.request.to.host) return false;
    const theirs = payload.addresses4.filter(({ host }) => isPrivateAddress(host));
    return matchAddress(this.#around.localAddresses(), theirs) !== null;
  }

  #round(now: number, puncher: Holepuncher, round: Round): void {
    const { said, request, client } = round;
    const isSteady = puncher.nat.firewall === FIREWALL.consistent || puncher.nat.firewall === FIREWALL.open;
    if (isSteady && isAmong(said.remoteAddress, puncher.nat.addresses))
      this.#around.probe(puncher.socket, client, "far");
    if (said.punching && !puncher.isPunching) {
      const begun = puncher.punch(now);
      if (begun === "busy" && !this.#isRelayed) return this.#refuse(now, round, PAYLOAD_ERROR.tryLater);
      if (begun === "busy") this.dueAt = Math.min(now + BUSY_WAIT_MS, this.#endsAt);
      if (begun === "nothing") return this.#refuse(now, round);
      if (begun === "punching") this.dueAt = Infinity; // it ends when all its probes are sent
    }
    const error = said.punching && !puncher.isPunching ? PAYLOAD_ERROR.tryLater : PAYLOAD_ERROR.none;
    if (puncher.nat.firewall !== FIREWALL.unknown) puncher.nat.freeze();
    this.#answer(now, round, puncher.socket, {
      ...NO_ROUND,
      error,
      firewall: puncher.nat.firewall,
      round: this.#lastRound,
      connected: this.phase === "connected",
      punching: puncher.isPunching,
      addresses: puncher.nat.toldAddresses,
      token: this.#around.isRelay(request.from) ? this.#secure.token(client.host) : null,
      remoteToken: said.token,
    });
  }

  #refuse(now: number, round: Round, error: number = PAYLOAD_ERROR.aborted): void {
    this.#answer(now, round, this.#around.mainSocket(), { ...NO_ROUND, error });
    if (this.#puncher) this.#notPunched(now);
  }

  /** By IPv6 it may come all the same; and where a probe of its came through, it is on its way already. */
  #notPunched(now: number): void {
    if (this.#echoes > 0) {
      this.dueAt = Math.min(this.dueAt, now + WAIT_MS);
      return;
    }
    if (!this.#ip6) return this.cancel(now);
    this.#puncher?.settle(now, null);
    this.dueAt = this.#ip6.hopesUntil;
  }

  #answer(now: number, { request, client }: Round, socket: SocketName, words: HolepunchPayload): void {
    const payload = this.#secure.seal(words);
    const value = encodeRelayedHolepunch({ mode: MODE.fromServer, id: 0, payload, peerAddress: client });
    this.#around.reply(now, request, { socket, to: request.from, isLast: false, value });
  }

  #connect(now: number, { socket, to: { host, port } }: Way): void {
    this.end(now, "connected", socket);
    this.#owner.connected(now, this, { socket, to: { host, port } });
  }
}

/** Of an answer that says nothing. */
const NO_ROUND: HolepunchPayload = {
  error: PAYLOAD_ERROR.none,
  firewall: FIREWALL.unknown,
  round: 0,
  connected: false,
  punching: false,
  addresses: null,
  remoteAddress: null,
  token: null,
  remoteToken: null,
};
