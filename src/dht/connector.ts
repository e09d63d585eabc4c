/**
 * The side that calls: finds nodes that lead to a server, shakes hands with it through them, and finds a path for the stream. Source:
 * hyperdht lib/connect.js; specification §10, §11, §13.3.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { isBogon, isReservedAddress, matchAddress } from "../base/address-classes.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { NS_PEER_HANDSHAKE } from "../crypto/namespaces.ts";
import { NoiseHandshake, type NoiseSession } from "../crypto/noise.ts";
import { COMMAND } from "../wire/dht.ts";
import { decodeRelayedHandshake, encodeRelayedHandshake, MODE } from "../wire/handshake.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch } from "../wire/holepunch.ts";
import type { HolepunchPayload } from "../wire/holepunch-payload.ts";
import {
  decodeNoisePayload,
  encodeNoisePayload,
  FIREWALL,
  NOISE_PAYLOAD_VERSION,
  type NoisePayload,
  PAYLOAD_ERROR,
  type RelayPair,
} from "../wire/noise-payload.ts";
import { INTERNAL, RPC_ERROR } from "../wire/rpc.ts";
import { RELAYS } from "./announcer.ts";
import { type ConnectionSurroundings, isPunchSocket, type Path } from "./connection-surroundings.ts";
import { Holepuncher } from "./holepuncher.ts";
import { findPeer } from "./operations.ts";
import type { Query, QueryOwner } from "./query.ts";
import type { Reason } from "./reasons.ts";
import { type PendingRequest, type Reply, type Requester, type SocketName, TIMEOUT_MS } from "./requests.ts";
import { SecurePayloads } from "./secure-payloads.ts";

/** Handshakes under way at once; one more when relays were known beforehand. */
const MAX_HANDSHAKES = 2;
const FIND_RETRIES = 3;
/** A round's message makes four hops there and back, any of which may lose it. Differs: the reference asks four times. */
const ROUND_RETRIES = 7;
/** How long a peer that must come to us may take. */
const WAIT_MS = 10_000;
/** Nodes that are tried, and the time that takes. Full: it failed. Nodes that say they know the server and do not could go on for ever. */
const MAX_TRIED = 32;
const LONGEST_SHAKING_MS = 30_000;
/** A peer that does not know its NAT yet is asked again after this. */
const UNKNOWN_WAIT_MS = 1_000;

export interface ConnectorOptions {
  readonly remotePublicKey: Uint8Array;
  readonly keyPair: KeyPair;
  /** Nodes that are said to lead to the server: tried at once, before it is looked for. */
  readonly relayAddresses: readonly Address[];
  /** Probe before the first round, so that a peer with a steady NAT gets through at once. */
  readonly fastOpen: boolean;
  /** Try the peer's own addresses when both are behind one public address. */
  readonly localConnection: boolean;
  /** Of our stream: where the peer's packets are to go. */
  readonly streamId: number;
}

export interface ConnectorOwner {
  /** Peers have agreed on keys, and this is where the stream goes. */
  connected(now: number, path: Path, session: NoiseSession): void;
  failed(now: number, reason: Reason): void;
}

/** The handshake that succeeded. */
interface Agreed {
  readonly session: NoiseSession;
  readonly payload: NoisePayload;
  /** The node that it went through. */
  readonly via: Address;
  /** The socket that it left from. */
  readonly socket: SocketName;
  /** The server, as it is reached; `via` itself when it answered without a relay. */
  readonly server: Address;
  /** We, as `via` sees us. */
  readonly client: Address;
  readonly secure: SecurePayloads;
}

type Phase = "shaking" | "waiting" | "punching" | "done";

export class Connector implements Requester, QueryOwner {
  readonly options: ConnectorOptions;
  readonly #around: ConnectionSurroundings;
  readonly #owner: ConnectorOwner;
  readonly #ephemeralKeyPair: KeyPair;
  readonly #helloPayload: Uint8Array;
  #noise: NoiseHandshake;
  /** The same bytes for every relay: the server tells repeats by them. */
  readonly #hello: Uint8Array;
  readonly #target: Uint8Array;
  readonly #handshakes = new Map<PendingRequest, Omit<Path, "remoteId">>();
  /** Nodes that are to be tried, and all that were. */
  readonly #toTry: Address[] = [];
  readonly #tried: Address[] = [];
  #phase: Phase = "shaking";
  #query: Query | null = null;
  #wasFound = false;
  #agreed: Agreed | null = null;
  #dueAt = Infinity;
  #onDue: (now: number) => void = () => {};
  #lanPing: { readonly request: PendingRequest; readonly to: Address } | null = null;
  #puncher: Holepuncher | null = null;
  #server: Address | null = null;
  #round = 0;
  #roundRequest: { readonly request: PendingRequest; readonly heard: (now: number, reply: Reply) => void } | null =
    null;
  #serverToken: Uint8Array | null = null;
  #reachedEarly: Omit<Path, "remoteId"> | null = null;

  constructor(now: number, options: ConnectorOptions, around: ConnectionSurroundings, owner: ConnectorOwner) {
    const { remotePublicKey, streamId, localConnection } = options;
    this.options = options;
    this.#around = around;
    this.#owner = owner;
    this.#target = blake2b256(remotePublicKey);
    this.#ephemeralKeyPair = keyPairFromSeed(around.random.bytes(32));
    this.#noise = this.#freshNoise();
    const own = around.publicAddress();
    this.#helloPayload = encodeNoisePayload({
      error: PAYLOAD_ERROR.none,
      firewall: own ? FIREWALL.open : FIREWALL.unknown,
      holepunch: null,
      addresses4: [...(own ? [own] : []), ...(localConnection ? around.localAddresses() : [])],
      addresses6: [],
      udx: { reusableSocket: false, id: streamId, seq: 0 },
      secretStream: true,
      relayThrough: null,
      relayAddresses: null,
    });
    this.#hello = this.#noise.send(this.#helloPayload) ?? new Uint8Array(0); // null for a key that is no point: nobody will answer
    this.#after(now + LONGEST_SHAKING_MS, (at) => this.#failShaking(at));
    this.#toTry.push(...options.relayAddresses);
    const { query } = findPeer(this.#target);
    const nodes = options.relayAddresses.length > 0 ? { nodes: options.relayAddresses } : {};
    const search = around.query(now, { ...query, ...nodes, retries: FIND_RETRIES }, this);
    this.#query = search.isDone ? null : search;
    this.#tryMore(now);
  }

  get isDone(): boolean {
    return this.#phase === "done";
  }

  /**
   * The first packet of the stream came from there: the server reached us. Before its answer did, perhaps: then it waits. Not by a
   * socket that another call punches with.
   */
  reached(now: number, { socket, to }: Omit<Path, "remoteId">): void {
    if (isPunchSocket(socket) && !this.#puncher?.has(socket)) return;
    if (this.#agreed) this.#connect(now, { socket, to });
    else this.#reachedEarly ??= { socket, to: { host: to.host, port: to.port } };
  }

  /**
   * A probe came to one of the punch sockets. Differs: it must be from a host that the server is known at; the reference takes the
   * first that comes, and so whoever guesses the port can lead the stream astray.
   */
  probed(now: number, socket: SocketName, from: Address): boolean {
    if (!this.#puncher?.has(socket)) return false;
    const hosts = [this.#server, ...this.#puncher.remoteAddresses].map((address) => address?.host);
    if (this.#phase === "punching" && hosts.includes(from.host)) this.#connect(now, { socket, to: from });
    return true;
  }

  cancel(now: number): void {
    this.#finish(now, null);
  }

  /** Whether it still asks nodes for the server. */
  get isShaking(): boolean {
    return this.#phase === "shaking";
  }

  /** The nodes that lead to the server, once it has answered: as it says, or else the one that did. */
  get relays(): readonly Address[] {
    const { payload, via } = this.#agreed!;
    return payload.relayAddresses?.length ? payload.relayAddresses.slice(0, RELAYS) : [via];
  }

  advance(now: number): void {
    this.#puncher?.advance(now);
    if (now < this.#dueAt) return;
    this.#dueAt = Infinity;
    this.#onDue(now);
  }

  deadline(): number {
    return Math.min(this.#dueAt, this.#puncher?.deadline() ?? Infinity);
  }

  replied(now: number, _query: Query, reply: Reply): void {
    if (!reply.value) return;
    this.#wasFound = true;
    this.#toTry.push(reply.from);
    this.#tryMore(now);
  }

  finished(now: number): void {
    this.#query = null;
    this.#exhaustedMaybe(now);
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (request === this.#lanPing?.request) return this.#connect(now, { socket: "server", to: this.#lanPing.to });
    if (request === this.#roundRequest?.request) {
      const { heard } = this.#roundRequest;
      this.#roundRequest = null;
      return heard(now, reply);
    }
    const asked = this.#handshakes.get(request);
    if (!asked) return;
    this.#handshakes.delete(request);
    if (!this.#agree(now, asked, reply)) this.#tryMore(now);
  }

  failed(now: number, request: PendingRequest): void {
    if (request === this.#lanPing?.request) {
      this.#lanPing = null;
      if (!this.#puncher) this.#fail(now, "HOLEPUNCH_ABORTED");
    } else if (request === this.#roundRequest?.request) {
      this.#roundRequest = null;
      this.#fail(now, "HOLEPUNCH_ABORTED");
    } else if (this.#handshakes.delete(request)) {
      this.#tryMore(now);
    }
  }

  #tryMore(now: number): void {
    if (this.#phase !== "shaking") return;
    const limit = MAX_HANDSHAKES + (this.options.relayAddresses.length > 0 ? 1 : 0);
    while (this.#handshakes.size < limit && this.#toTry.length > 0) {
      const { host, port } = this.#toTry.shift()!;
      const to = { host, port };
      const isTried = this.#tried.some((tried) => sameAddress(tried, to));
      if (isTried || this.#tried.length >= MAX_TRIED || port === 0) continue;
      this.#tried.push(to);
      const value = encodeRelayedHandshake({
        mode: MODE.fromClient,
        noise: this.#hello,
        peerAddress: null,
        relayAddress: null,
      });
      const outgoing = {
        to,
        isInternal: false,
        command: COMMAND.peerHandshake,
        target: this.#target,
        value,
        socket: this.#around.mainSocket(), // the stream may have to go on by the same
        timeoutMs: TIMEOUT_MS,
      };
      const request = this.#around.requests.start(now, outgoing, this);
      this.#handshakes.set(request, { socket: outgoing.socket, to });
    }
    this.#exhaustedMaybe(now);
  }

  #exhaustedMaybe(now: number): void {
    if (this.#phase !== "shaking" || this.#query || this.#handshakes.size > 0 || this.#toTry.length > 0) return;
    this.#failShaking(now);
  }

  #failShaking(now: number): void {
    this.#fail(now, this.#wasFound ? "PEER_CONNECTION_FAILED" : "PEER_NOT_FOUND");
  }

  #freshNoise(): NoiseHandshake {
    const { keyPair: staticKeyPair, remotePublicKey } = this.options;
    const keys = { staticKeyPair, ephemeralKeyPair: this.#ephemeralKeyPair, remotePublicKey };
    return new NoiseHandshake({ pattern: "IK", isInitiator: true, prologue: NS_PEER_HANDSHAKE, ...keys });
  }

  /** What a relay passed off as the server's answer spoils the handshake; the next relay's must still be taken. */
  #receiveNoise(bytes: Uint8Array): Uint8Array | null {
    const plain = this.#noise.receive(bytes);
    if (plain) return plain;
    this.#noise = this.#freshNoise();
    this.#noise.send(this.#helloPayload); // the same keys and words, so the same bytes
    return null;
  }

  /** Whether the answer is one of the server's own. */
  #agree(now: number, asked: Omit<Path, "remoteId">, reply: Reply): boolean {
    const via = asked.to;
    const message = reply.value && reply.error === RPC_ERROR.none ? decodeRelayedHandshake(reply.value) : null;
    if (this.#phase !== "shaking" || message?.mode !== MODE.reply || !sameAddress(reply.from, via)) return false;
    const isPossible = message.noise.length > 0 && message.peerAddress?.port !== 0;
    const plain = isPossible ? this.#receiveNoise(message.noise) : null;
    const payload = plain && decodeNoisePayload(plain);
    const { session } = this.#noise;
    if (!plain || !session) return false;
    this.#stopLooking(now);
    if (!payload) this.#fail(now, "SERVER_ERROR");
    else if (payload.version !== NOISE_PAYLOAD_VERSION) this.#fail(now, "SERVER_INCOMPATIBLE");
    else if (payload.error !== PAYLOAD_ERROR.none || !payload.udx) this.#fail(now, "SERVER_ERROR");
    else {
      const server = message.peerAddress ?? via;
      const secure = new SecurePayloads(this.#around.random, session.handshakeHash);
      this.#agreed = { session, payload, via, socket: asked.socket, server, client: reply.to, secure };
      this.#server = server;
      this.#findPath(now, this.#agreed);
    }
    return true;
  }

  #findPath(now: number, { payload, via, socket, server, client }: Agreed): void {
    const isRelayed = !sameAddress(server, via);
    const isPunchable = (payload.holepunch?.relays.length ?? 0) > 0;
    if (this.#reachedEarly) return this.#connect(now, this.#reachedEarly);
    if (!isRelayed) return this.#connect(now, { socket, to: via });
    if (payload.firewall === FIREWALL.open || !isPunchable) {
      const to = payload.addresses4.find(({ host, port }) => !isBogon(host) && port !== 0) ?? server;
      return this.#connect(now, { socket, to });
    }
    if (this.#around.publicAddress()) {
      this.#phase = "waiting";
      return this.#after(now + WAIT_MS, (at) => this.#fail(at, "HOLEPUNCH_ABORTED"));
    }
    if (this.options.localConnection && client.host === server.host) this.#tryLan(now, payload);
    this.#punch(now);
  }

  /** Behind one public address: perhaps in one network, too. */
  #tryLan(now: number, payload: NoisePayload): void {
    const candidates = payload.addresses4.filter(({ host, port }) => !isReservedAddress(host) && port !== 0);
    const to = matchAddress(this.#around.localAddresses(), candidates) ?? candidates[0];
    if (!to) return;
    const ping = { to, isInternal: true, command: INTERNAL.ping };
    this.#lanPing = { request: this.#around.requests.start(now, ping, this), to };
  }

  #punch(now: number): void {
    this.#phase = "punching";
    const onExhausted = (at: number) => this.#fail(at, "HOLEPUNCH_ABORTED");
    this.#puncher = new Holepuncher(now, this.#around, { isInitiator: true, onExhausted });
    if (this.options.fastOpen) this.#probe("near");
    this.#probeRound(now, { isFirst: true });
  }

  /** Both tell what they know of their NATs. */
  #probeRound(now: number, { isFirst }: { isFirst: boolean }): void {
    const { payload, via } = this.#agreed!;
    const relay = this.#serverRelay(payload.holepunch!.relays, via);
    const remoteAddress = this.options.fastOpen ? this.#server : null;
    this.#send(now, { to: relay.relayAddress, peerAddress: relay.peerAddress, remoteAddress }, (at, reply, said) => {
      if (!said) return this.#abort(at, "HOLEPUNCH_ABORTED");
      if (said.firewall === FIREWALL.unknown)
        this.#after(at + UNKNOWN_WAIT_MS, (later) => this.#probed(later, reply, isFirst));
      else this.#probed(at, reply, isFirst);
    });
  }

  #probed(now: number, reply: { readonly peerAddress: Address | null }, isFirst: boolean): void {
    const puncher = this.#puncher!;
    puncher.analyse(now, true, (at, { isReopened, isStable }) => {
      const isKnown = puncher.remoteFirewall !== FIREWALL.unknown && this.#serverToken !== null;
      if (isFirst && ((isReopened && isStable) || !isKnown)) return this.#probeRound(at, { isFirst: false });
      if (puncher.nat.firewall === FIREWALL.unknown || puncher.remoteFirewall === FIREWALL.unknown) {
        return this.#abort(at, "HOLEPUNCH_PROBE_TIMEOUT");
      }
      if (!isStable) return this.#abort(at, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS");
      if (reply.peerAddress && this.#server && !sameAddress(reply.peerAddress, this.#server)) {
        this.#server = reply.peerAddress; // it gave up a socket for a fresh one
        this.#probe("near");
      }
      this.#punchRound(at);
    });
  }

  /** Both begin to probe. */
  #punchRound(now: number): void {
    const puncher = this.#puncher!;
    puncher.nat.freeze();
    const { via, secure } = this.#agreed!;
    const token = secure.token(this.#server!.host);
    const terms = { to: via, peerAddress: this.#server!, remoteAddress: null, punching: true, token };
    this.#send(now, { ...terms, remoteToken: this.#serverToken }, (at, _reply, said) => {
      if (!said?.punching) return this.#abort(at, "REMOTE_NOT_HOLEPUNCHING");
      if (puncher.punch(at) !== "punching") this.#abort(at, "HOLEPUNCH_ABORTED");
    });
  }

  /** Sends one round's message; `then` gets null for what is no payload of the server's. */
  #send(
    now: number,
    round: {
      readonly to: Address;
      readonly peerAddress: Address;
      readonly remoteAddress: Address | null;
      readonly punching?: boolean;
      readonly token?: Uint8Array;
      readonly remoteToken?: Uint8Array | null;
      readonly error?: number;
    },
    then: (now: number, reply: { readonly peerAddress: Address | null }, said: HolepunchPayload | null) => void,
  ): void {
    const { payload, secure } = this.#agreed!;
    const puncher = this.#puncher!;
    const { nat, socket } = puncher;
    const { to, peerAddress, remoteAddress, punching = false, token = null, remoteToken = null, error = 0 } = round;
    const isAbort = error !== PAYLOAD_ERROR.none;
    const sealed = secure.seal({
      error,
      firewall: isAbort ? FIREWALL.unknown : nat.firewall,
      round: this.#round++,
      connected: false,
      punching,
      addresses: isAbort ? null : nat.addresses,
      remoteAddress,
      token,
      remoteToken,
    });
    const { id } = payload.holepunch!;
    const value = encodeRelayedHolepunch({ mode: MODE.fromClient, id, payload: sealed, peerAddress });
    const outgoing = {
      to,
      isInternal: false,
      command: COMMAND.peerHolepunch,
      target: this.#target,
      value,
      socket,
      retries: ROUND_RETRIES,
      timeoutMs: TIMEOUT_MS,
    };
    const request = this.#around.requests.start(now, outgoing, this);
    this.#roundRequest = { request, heard: (at, reply) => this.#heardRound(at, to, reply, then) };
  }

  #heardRound(
    now: number,
    asked: Address,
    reply: Reply,
    then: (now: number, reply: { readonly peerAddress: Address | null }, said: HolepunchPayload | null) => void,
  ): void {
    const { secure } = this.#agreed!;
    const message = reply.value ? decodeRelayedHolepunch(reply.value) : null;
    const isOurs = message?.mode === MODE.reply && sameAddress(reply.from, asked);
    const said = isOurs ? secure.open(message.payload) : null;
    const peerAddress = message?.peerAddress ?? null;
    if (!said || said.error !== PAYLOAD_ERROR.none) return then(now, { peerAddress }, null);
    const puncher = this.#puncher!;
    const { punching: isPunching, firewall, addresses, token, remoteToken } = said;
    const host = (peerAddress ?? asked).host;
    const verifiedHost = secure.isEchoed(host, remoteToken) ? host : null;
    puncher.updateRemote({ isPunching, firewall, addresses, verifiedHost });
    puncher.nat.add(reply.to, reply.from);
    if (token) this.#serverToken = token.slice();
    then(now, { peerAddress }, said);
  }

  /** Tells the server that nothing comes of it, and ends. */
  #abort(now: number, reason: Reason): void {
    const { payload, via } = this.#agreed!;
    const relay = this.#serverRelay(payload.holepunch!.relays, via);
    const to = { to: relay.relayAddress, peerAddress: relay.peerAddress, remoteAddress: null };
    this.#send(now, { ...to, error: PAYLOAD_ERROR.aborted }, () => {});
    this.#fail(now, reason);
  }

  #serverRelay(relays: readonly RelayPair[], via: Address): RelayPair {
    return relays.find(({ relayAddress }) => sameAddress(relayAddress, via)) ?? relays[0]!;
  }

  #probe(reach: "near" | "far"): void {
    this.#around.probe(this.#puncher!.socket, this.#server!, reach);
  }

  #connect(now: number, { socket, to }: Omit<Path, "remoteId">): void {
    if (this.isDone) return;
    const { payload, session } = this.#agreed!;
    this.#finish(now, socket);
    this.#owner.connected(now, { socket, to, remoteId: payload.udx!.id }, session);
  }

  #fail(now: number, reason: Reason): void {
    if (this.isDone) return;
    this.#finish(now, null);
    this.#owner.failed(now, reason);
  }

  #after(at: number, then: (now: number) => void): void {
    this.#dueAt = at;
    this.#onDue = then;
  }

  #stopLooking(now: number): void {
    this.#dueAt = Infinity;
    this.#query?.cancel(now);
    this.#query = null;
    for (const request of this.#handshakes.keys()) this.#around.requests.forget(now, request);
    this.#handshakes.clear();
    this.#toTry.length = 0;
  }

  /** `socket`: the one that the stream goes on with. */
  #finish(now: number, socket: SocketName | null): void {
    if (this.isDone) return;
    this.#phase = "done";
    this.#dueAt = Infinity;
    this.#stopLooking(now);
    for (const request of [this.#lanPing?.request, this.#roundRequest?.request]) {
      if (request) this.#around.requests.forget(now, request);
    }
    this.#puncher?.settle(now, socket);
  }
}
