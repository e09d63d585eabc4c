/**
 * The side that is called: answers handshakes for one key, and finds a path with whoever it admits. Source: hyperdht lib/server.js;
 * specification §12, §13.4.
 *
 * Differs: there is a gate before any key agreement, a bound on connections that are being made, and a memory for handshakes: one that
 * is sent again long after it was dealt with does nothing, where the reference would connect once more.
 */
import type { Address } from "../base/address.ts";
import { isPrivateAddress, matchAddress } from "../base/address-classes.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import { prefix24 } from "../base/ip4.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { NS_PEER_HANDSHAKE } from "../crypto/namespaces.ts";
import { NoiseHandshake, type NoiseSession } from "../crypto/noise.ts";
import { encodeRelayedHandshake, MODE, type RelayedHandshake } from "../wire/handshake.ts";
import { encodeRelayedHolepunch, type RelayedHolepunch } from "../wire/holepunch.ts";
import type { HolepunchPayload } from "../wire/holepunch-payload.ts";
import {
  decodeNoisePayload,
  encodeNoisePayload,
  FIREWALL,
  NOISE_PAYLOAD_VERSION,
  type NoisePayload,
  PAYLOAD_ERROR,
} from "../wire/noise-payload.ts";
import { RELAYS, type ServerRelay } from "./announcer.ts";
import { type ConnectionSurroundings, isPunchSocket, type Path } from "./connection-surroundings.ts";
import { Holepuncher, isAmong } from "./holepuncher.ts";
import type { SocketName } from "./requests.ts";
import { SecurePayloads } from "./secure-payloads.ts";

/** For how long a client may take to come by the path that was agreed on. */
const WAIT_MS = 10_000;
/** After it ended, repeats of its first message get the same answer for so long. */
const KEEP_MS = 10_000;
/** All rounds of hole punching together: a client cannot hold a socket by asking on and on. */
const LONGEST_MS = 60_000;
/** Clients that were answered and have not come. Full: handshakes are ignored, and their clients try again. */
const MAX_HALF_OPEN = 256;
const MAX_HALF_OPEN_PER_PREFIX = 32;
/** Those, and all that were until just now: ten seconds of what the gate lets through, twice over. */
const MAX_SLOTS = 2_048;
/** Handshakes that are known again later than KEEP_MS. Full: the oldest is forgotten, and would have to pass `admits` anew. */
const MAX_SEEN = 16_384;
/** Twice the Noise keys' 32 bytes, and their tags: what is shorter is no first message. */
const LEAST_HELLO_BYTES = 96;
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

export interface ListenerOptions {
  readonly keyPair: KeyPair;
  /** False: clients that cannot reach us directly are not helped to. */
  readonly punches: boolean;
  /** Tell clients our own addresses, for those in the same network. */
  readonly sharesLocalAddresses: boolean;
}

export interface ListenerSurroundings extends ConnectionSurroundings {
  /** The nodes that lead to us. */
  relays(): readonly ServerRelay[];
  /** Whether a node does, or did until lately. */
  isRelay(address: Address): boolean;
  /** An id for the stream that a client will send to. */
  freeStreamId(): number;
  /** Sends an answer on its way: `isLast` as the response to the client, otherwise as a request to a relay. */
  reply(now: number, request: RelayedRequest, answer: RelayedAnswer): void;
}

export interface RelayedAnswer {
  readonly socket: SocketName;
  readonly to: Address;
  readonly isLast: boolean;
  readonly value: Uint8Array;
}

export interface ListenerOwner {
  /** Whether that key may connect; asked before anything is kept of it. */
  admits(remotePublicKey: Uint8Array, payload: NoisePayload, client: Address): boolean;
  /** It was admitted: its first packet may come any time, from anywhere. */
  expected(call: Call): void;
  /** The stream goes there. */
  connected(now: number, call: Call, path: Path): void;
  /** Nothing came of it: the stream is of no use. */
  abandoned(now: number, call: Call): void;
}

/** Who sent a handshake, and how it came. */
interface Caller {
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

/** One client that is being connected, and for a while longer. */
export class Call {
  readonly id: number;
  /** Of the stream that the client sends to; 0 when it is refused. */
  readonly streamId: number;
  readonly payload: NoisePayload;
  readonly session: NoiseSession;
  readonly secure: SecurePayloads;
  /** The same for every repeat of the client's message. */
  readonly answer: Uint8Array;
  readonly from: Caller;
  /** No round of hole punching keeps it beyond this. */
  readonly endsAt: number;
  echoes = 0;
  /** The socket that the answer leaves from; null for the one that was asked. */
  answerSocket: SocketName | null = null;
  phase: "waiting" | "connected" | "over" = "waiting";
  puncher: Holepuncher | null = null;
  lastRound = -1;
  dueAt: number;

  constructor(
    now: number,
    parts: Pick<Call, "id" | "streamId" | "payload" | "session" | "secure" | "answer" | "from">,
  ) {
    this.endsAt = now + LONGEST_MS;
    this.dueAt = now + WAIT_MS;
    this.id = parts.id;
    this.streamId = parts.streamId;
    this.payload = parts.payload;
    this.session = parts.session;
    this.secure = parts.secure;
    this.answer = parts.answer;
    this.from = parts.from;
  }
}

/** A round of hole punching that a client began. */
interface Round {
  readonly request: RelayedRequest;
  /** Where the relay sees it. */
  readonly client: Address;
  readonly said: HolepunchPayload;
}

export class Listener {
  readonly options: ListenerOptions;
  readonly #around: ListenerSurroundings;
  readonly #owner: ListenerOwner;
  /** By slot, which is the hole punch id that the client uses. */
  readonly #calls: (Call | undefined)[] = [];
  readonly #byHello = new Map<string, Call>();
  /** By their ephemeral keys, which an honest client uses once. */
  readonly #seen = new BoundedMap<string, true>(MAX_SEEN);
  #isClosed = false;

  constructor(options: ListenerOptions, around: ListenerSurroundings, owner: ListenerOwner) {
    this.options = options;
    this.#around = around;
    this.#owner = owner;
  }

  /** A handshake for our key. `mayAccept`: whether a new one, on account of these hosts, is let through; asked for those alone. */
  handshake(
    now: number,
    request: RelayedRequest,
    message: RelayedHandshake,
    mayAccept: (hosts: readonly string[]) => boolean,
  ): void {
    if (this.#isClosed) return;
    const { mode, noise, peerAddress, relayAddress } = message;
    const isDirect = mode === MODE.fromClient;
    const isRelayed = mode === MODE.fromRelay || mode === MODE.fromSecondRelay;
    const client = isDirect ? request.from : peerAddress;
    const to = mode === MODE.fromSecondRelay ? relayAddress : request.from;
    if (!(isDirect || isRelayed) || !client || !to || client.port === 0 || to.port === 0) return;
    if (noise.length < LEAST_HELLO_BYTES) return;
    const hello = noise.toHex();
    // Who is no relay of ours may name any client, so what it sends is on its own account, too.
    const isTrusted = isDirect || this.#around.isRelay(request.from);
    const hosts = isTrusted ? [client.host] : [client.host, request.from.host];
    const caller = { request, client, isDirect, noise, hello, prefixes: hosts.map(prefix24) };
    const known = this.#byHello.get(hello);
    const isNew = !known && !this.#seen.has(ephemeralOf(hello)) && this.#hasRoom(caller) && mayAccept(hosts);
    const call = known ?? (isNew ? this.#accept(now, caller) : null);
    if (!call) return;
    const value = encodeRelayedHandshake({
      mode: isDirect ? MODE.reply : MODE.fromServer,
      noise: call.answer,
      peerAddress: isDirect ? null : client,
      relayAddress: null,
    });
    this.#around.reply(now, request, { socket: call.answerSocket ?? request.socket, to, isLast: isDirect, value });
  }

  /** A round of hole punching. Silence for what is no client's of ours. */
  holepunch(now: number, request: RelayedRequest, message: RelayedHolepunch): void {
    const { mode, id, payload, peerAddress: client } = message;
    const call = this.#calls[id];
    if (!call || mode !== MODE.fromRelay || !client || client.port === 0) return;
    const said = call.secure.open(payload);
    if (!said) return;
    const round = { request, client, said };
    const { puncher } = call;
    if (!puncher || said.error !== PAYLOAD_ERROR.none) return this.#refuseRound(now, call, round);
    if (puncher.isDestroyed) return;
    if (request.socket === puncher.socket) puncher.nat.add(request.to, request.from);
    if (said.round >= call.lastRound) {
      if (said.round > call.lastRound && !puncher.isPunching) call.dueAt = Math.min(now + WAIT_MS, call.endsAt);
      call.lastRound = said.round;
      const isEchoed = this.#around.isRelay(request.from) && call.secure.isEchoed(client.host, said.remoteToken);
      const { punching: isPunching, firewall, addresses } = said;
      puncher.updateRemote({ isPunching, firewall, addresses, verifiedHost: isEchoed ? client.host : null });
    }
    puncher.analyse(now, !said.punching, (at, { isStable }) => {
      if (said.punching || isStable) this.#round(at, call, puncher, round);
      else this.#refuseRound(at, call, round);
    });
  }

  /** The first packet of the stream came from there: the client is here. Not by a socket that another call punches with. */
  reached(now: number, call: Call, path: Omit<Path, "remoteId">): void {
    const isOurs = !isPunchSocket(path.socket) || call.puncher?.has(path.socket);
    if (call.phase === "waiting" && isOurs) this.#connect(now, call, path);
  }

  /** A probe came to one of our punch sockets: the client waits for one back. */
  probed(socket: SocketName, from: Address): boolean {
    const call = this.#calls.find((each) => each?.puncher?.has(socket));
    if (call?.phase === "waiting" && call.echoes++ < MAX_ECHOES) this.#around.probe(socket, from, "far");
    return call !== undefined;
  }

  /** Clients that are being connected, or were until just now. */
  get size(): number {
    return this.#byHello.size;
  }

  /** No more clients; those that are being connected are given up. */
  close(now: number): void {
    this.#isClosed = true;
    this.endAll(now);
  }

  /** Those that are being connected are given up; others may come. */
  endAll(now: number): void {
    for (const call of this.#calls) {
      if (!call) continue;
      this.#abandon(now, call);
      this.#remove(call);
    }
  }

  advance(now: number): void {
    for (const call of this.#calls) {
      if (!call) continue;
      call.puncher?.advance(now);
      if (now < call.dueAt) continue;
      if (call.phase === "waiting") this.#abandon(now, call);
      else this.#remove(call);
    }
  }

  deadline(): number {
    let least = Infinity;
    for (const call of this.#calls) {
      if (call) least = Math.min(least, call.dueAt, call.puncher?.deadline() ?? Infinity);
    }
    return least;
  }

  /** Null when it is refused, which nobody is told. */
  #accept(now: number, from: Caller): Call | null {
    const handshake = this.#receive(from.noise);
    if (!handshake) return null;
    const { noise, payload, remotePublicKey } = handshake;
    const isAdmitted = this.#owner.admits(remotePublicKey, payload, from.client);
    if (!isAdmitted || this.#isClosed) return null; // its user may have closed it when asked
    const id = this.#freeSlot();
    const error = errorOf(payload);
    const streamId = error === PAYLOAD_ERROR.none ? this.#around.freeStreamId() : 0;
    const answer = noise.send(this.#answerPayload(id, error, streamId));
    if (!answer || !noise.session) return null;
    const secure = new SecurePayloads(this.#around.random, noise.session.handshakeHash);
    const call = new Call(now, { id, streamId, payload, session: noise.session, secure, answer, from });
    this.#seen.set(ephemeralOf(from.hello), true);
    this.#calls[id] = call;
    this.#byHello.set(from.hello, call);
    if (error !== PAYLOAD_ERROR.none) this.#end(now, call);
    else {
      this.#owner.expected(call);
      this.#findPath(now, call);
    }
    return call;
  }

  /** The client's first message, if it is one. This is where the time goes: four agreements. */
  #receive(bytes: Uint8Array) {
    const noise = new NoiseHandshake({
      pattern: "IK",
      isInitiator: false,
      prologue: NS_PEER_HANDSHAKE,
      staticKeyPair: this.options.keyPair,
      ephemeralKeyPair: keyPairFromSeed(this.#around.random.bytes(32)),
      remotePublicKey: null,
    });
    const plain = noise.receive(bytes);
    const payload = plain && decodeNoisePayload(plain);
    const { remotePublicKey } = noise;
    return payload && remotePublicKey ? { noise, payload, remotePublicKey } : null;
  }

  #answerPayload(id: number, error: number, streamId: number): Uint8Array {
    const own = this.#around.publicAddress();
    const relays = this.#around.relays();
    const relayAddresses = [...(own ? [own] : []), ...relays.map(({ relayAddress }) => relayAddress)].slice(0, RELAYS);
    const locals = this.options.sharesLocalAddresses ? this.#around.localAddresses() : [];
    return encodeNoisePayload({
      error,
      firewall: own ? FIREWALL.open : FIREWALL.unknown,
      holepunch: own ? null : { id, relays },
      addresses4: [...(own ? [own] : []), ...locals],
      addresses6: [],
      udx: { reusableSocket: false, id: streamId, seq: 0 },
      secretStream: true,
      relayThrough: null,
      relayAddresses: relayAddresses.length > 0 ? relayAddresses : null,
    });
  }

  #findPath(now: number, call: Call): void {
    const { payload, from } = call;
    const { client, isDirect, request } = from;
    if (isDirect || payload.firewall === FIREWALL.open) {
      const socket = isDirect ? request.socket : this.#around.mainSocket();
      return this.#connect(now, call, { socket, to: client });
    }
    if (this.#around.publicAddress() || !this.options.punches) return; // the client comes to us
    const onExhausted = (at: number) => this.#abandon(at, call);
    call.puncher = new Holepuncher(now, this.#around, { isInitiator: false, onExhausted });
    // In one network with the client, it comes by our own address; otherwise the relay is to see the socket that punches.
    if (!this.#isInOurNetwork(call)) call.answerSocket = call.puncher.socket;
  }

  #isInOurNetwork({ payload, from }: Call): boolean {
    if (!this.options.sharesLocalAddresses || from.client.host !== from.request.to.host) return false;
    const theirs = payload.addresses4.filter(({ host }) => isPrivateAddress(host));
    return matchAddress(this.#around.localAddresses(), theirs) !== null;
  }

  #round(now: number, call: Call, puncher: Holepuncher, round: Round): void {
    const { said, request, client } = round;
    const isSteady = puncher.nat.firewall === FIREWALL.consistent || puncher.nat.firewall === FIREWALL.open;
    if (isSteady && isAmong(said.remoteAddress, puncher.nat.addresses))
      this.#around.probe(puncher.socket, client, "far");
    if (said.punching && !puncher.isPunching) {
      const begun = puncher.punch(now);
      if (begun === "busy") return this.#refuseRound(now, call, round, PAYLOAD_ERROR.tryLater);
      if (begun === "nothing") return this.#refuseRound(now, call, round);
      call.dueAt = Infinity; // it ends when all its probes are sent
    }
    if (puncher.nat.firewall !== FIREWALL.unknown) puncher.nat.freeze();
    this.#answerRound(now, call, round, puncher.socket, {
      ...NO_ROUND,
      firewall: puncher.nat.firewall,
      round: call.lastRound,
      connected: call.phase === "connected",
      punching: puncher.isPunching,
      addresses: puncher.nat.addresses,
      token: this.#around.isRelay(request.from) ? call.secure.token(client.host) : null,
      remoteToken: said.token,
    });
  }

  #refuseRound(now: number, call: Call, round: Round, error: number = PAYLOAD_ERROR.aborted): void {
    this.#answerRound(now, call, round, this.#around.mainSocket(), { ...NO_ROUND, error });
    if (call.puncher) this.#abandon(now, call);
  }

  #answerRound(
    now: number,
    call: Call,
    { request, client }: Round,
    socket: SocketName,
    payload: HolepunchPayload,
  ): void {
    const sealed = call.secure.seal(payload);
    const value = encodeRelayedHolepunch({ mode: MODE.fromServer, id: 0, payload: sealed, peerAddress: client });
    this.#around.reply(now, request, { socket, to: request.from, isLast: false, value });
  }

  #connect(now: number, call: Call, path: Omit<Path, "remoteId">): void {
    call.phase = "connected";
    call.puncher?.settle(now, path.socket);
    call.dueAt = now + KEEP_MS;
    this.#owner.connected(now, call, { ...path, remoteId: call.payload.udx!.id });
  }

  #abandon(now: number, call: Call): void {
    if (call.phase !== "waiting") return;
    this.#end(now, call);
    this.#owner.abandoned(now, call);
  }

  /** Repeats of the client's first message get the same answer for a while. */
  #end(now: number, call: Call): void {
    call.phase = "over";
    call.puncher?.settle(now, null);
    call.dueAt = now + KEEP_MS;
  }

  #remove(call: Call): void {
    this.#calls[call.id] = undefined;
    this.#byHello.delete(call.from.hello);
  }

  /** Whether one more may be begun: none of the networks that it is on account of has its share already. */
  #hasRoom({ prefixes }: Caller): boolean {
    const waiting = this.#calls.filter((call) => call?.phase === "waiting") as Call[];
    if (waiting.length >= MAX_HALF_OPEN || this.#freeSlot() >= MAX_SLOTS) return false;
    const ofPrefix = (prefix: number) => waiting.filter(({ from }) => from.prefixes.includes(prefix)).length;
    return prefixes.every((prefix) => ofPrefix(prefix) < MAX_HALF_OPEN_PER_PREFIX);
  }

  /** The lowest one. */
  #freeSlot(): number {
    const free = this.#calls.indexOf(undefined);
    return free < 0 ? this.#calls.length : free;
  }
}

/** Of a first message in hex: half of its key is enough to know it again. */
function ephemeralOf(hello: string): string {
  return hello.slice(0, 32);
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

function errorOf({ version, udx }: NoisePayload): number {
  if (version !== NOISE_PAYLOAD_VERSION) return PAYLOAD_ERROR.versionMismatch;
  return udx ? PAYLOAD_ERROR.none : PAYLOAD_ERROR.aborted;
}
