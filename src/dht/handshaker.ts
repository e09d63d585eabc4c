/**
 * The caller's first half: finds nodes that lead to a server, and shakes hands with it through one of them. Source: hyperdht
 * lib/connect.js `findAndConnect`; specification §10, §11.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { NS_PEER_HANDSHAKE } from "../crypto/namespaces.ts";
import { NoiseHandshake, type NoiseSession } from "../crypto/noise.ts";
import { COMMAND } from "../wire/dht.ts";
import { decodeRelayedHandshake, encodeRelayedHandshake, MODE } from "../wire/handshake.ts";
import {
  decodeNoisePayload,
  encodeNoisePayload,
  FIREWALL,
  NOISE_PAYLOAD_VERSION,
  type NoisePayload,
  PAYLOAD_ERROR,
  type RelayThrough,
} from "../wire/noise-payload.ts";
import { RPC_ERROR } from "../wire/rpc.ts";
import type { ConnectionSurroundings, Way } from "./connection-surroundings.ts";
import { findPeer } from "./operations.ts";
import type { Query, QueryOwner } from "./query.ts";
import type { Reason } from "./reasons.ts";
import type { PendingRequest, Reply, Requester, SocketName } from "./requests.ts";
import { SecurePayloads } from "./secure-payloads.ts";
import type { Trace } from "./trace.ts";

/** Handshakes under way at once; one more when relays were known beforehand. */
const MAX_HANDSHAKES = 2;
const FIND_RETRIES = 3;
/** How long a node has to bring the server's answer. */
const ANSWER_MS = 4_000;
/** Nodes that are tried, and the time that takes. Full: it failed. Nodes that say they know the server and do not could go on for ever. */
const MAX_TRIED = 32;
const LONGEST_MS = 30_000;
/**
 * How long known relays have before the server is looked for as well: a handshake through one takes two round trips. Differs: the
 * reference looks at once, which asks some twenty nodes for nothing each time that the relays are right.
 */
const SEARCH_AFTER_MS = 1_000;
/** The first message is made when the search for the server has left: that takes a process 4 ms the first time, and 0.4 later. */
const HELLO_AFTER_MS = 10;

export interface HandshakerOptions {
  readonly remotePublicKey: Uint8Array;
  readonly keyPair: KeyPair;
  /** Nodes that are said to lead to the server: tried before it is looked for. */
  readonly relayAddresses: readonly Address[];
  /** Tell the server our own addresses, for when both are in one network, or have IPv6. */
  readonly localConnection: boolean;
  /** Of our stream: where the peer's packets are to go. */
  readonly streamId: number;
  /** The relay that we would be joined by, unless the server names one. */
  readonly relayThrough: RelayThrough | null;
  /** What is not answered is asked again after so long. */
  readonly repeatMs: number;
}

/** The handshake that succeeded. */
export interface Agreed {
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

export interface HandshakerOwner {
  agreed(now: number, agreed: Agreed): void;
  failed(now: number, reason: Reason): void;
}

export class Handshaker implements Requester, QueryOwner {
  isDone = false;
  readonly #options: HandshakerOptions;
  readonly #around: ConnectionSurroundings;
  readonly #owner: HandshakerOwner;
  readonly #trace: Trace;
  readonly #ephemeralKeyPair: KeyPair;
  readonly #helloPayload: Uint8Array;
  #noise: NoiseHandshake;
  /** The same bytes for every relay: the server tells repeats by them. */
  #hello: Uint8Array | null = null;
  #helloAt: number;
  readonly #target: Uint8Array;
  readonly #pending = new Map<PendingRequest, Way>();
  /** Nodes that are to be tried, and all that were. */
  readonly #toTry: Address[];
  readonly #tried: Address[] = [];
  #searchAt: number;
  readonly #endsAt: number;
  #query: Query | null = null;
  #wasFound = false;

  constructor(
    now: number,
    options: HandshakerOptions,
    around: ConnectionSurroundings,
    trace: Trace,
    owner: HandshakerOwner,
  ) {
    const { remotePublicKey, relayAddresses } = options;
    this.#options = options;
    this.#around = around;
    this.#owner = owner;
    this.#trace = trace;
    this.#target = blake2b256(remotePublicKey);
    this.#ephemeralKeyPair = keyPairFromSeed(around.random.bytes(32));
    this.#noise = this.#freshNoise();
    this.#helloPayload = this.#payload();
    this.#helloAt = now + HELLO_AFTER_MS;
    this.#toTry = [...relayAddresses];
    this.#endsAt = now + LONGEST_MS;
    this.#searchAt = relayAddresses.length > 0 ? now + SEARCH_AFTER_MS : now;
  }

  cancel(now: number): void {
    this.isDone = true;
    this.#query?.cancel(now);
    for (const request of this.#pending.keys()) this.#around.requests.forget(now, request);
    this.#pending.clear();
  }

  /** To be called once at the beginning, too. */
  advance(now: number): void {
    if (this.isDone) return;
    if (now >= this.#endsAt) return this.#failUnanswered(now);
    if (now >= this.#searchAt) this.#search(now);
    this.#tryMore(now);
    if (now >= this.#helloAt) this.#makeHello();
  }

  deadline(): number {
    return this.isDone ? Infinity : Math.min(this.#searchAt, this.#endsAt, this.#helloAt);
  }

  replied(now: number, _query: Query, reply: Reply): void {
    if (!reply.value) return;
    this.#wasFound = true;
    this.#toTry.push(reply.from);
    this.#tryMore(now);
  }

  finished(now: number): void {
    this.#query = null;
    this.#tryMore(now);
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    const asked = this.#pending.get(request);
    if (!asked) return;
    this.#pending.delete(request);
    if (this.#agree(now, asked, reply)) return;
    this.#trace.note(now, "silent", asked.to);
    this.#tryMore(now);
  }

  failed(now: number, request: PendingRequest): void {
    const asked = this.#pending.get(request);
    this.#pending.delete(request);
    if (asked) this.#trace.note(now, "silent", asked.to);
    this.#tryMore(now);
  }

  #search(now: number): void {
    this.#searchAt = Infinity;
    this.#trace.note(now, "search");
    const { relayAddresses } = this.#options;
    const nodes = relayAddresses.length > 0 ? { nodes: relayAddresses } : {};
    const search = this.#around.query(now, { ...findPeer(this.#target).query, ...nodes, retries: FIND_RETRIES }, this);
    this.#query = search.isDone ? null : search;
  }

  #tryMore(now: number): void {
    const limit = MAX_HANDSHAKES + (this.#options.relayAddresses.length > 0 ? 1 : 0);
    while (!this.isDone && this.#pending.size < limit && this.#toTry.length > 0) {
      const { host, port } = this.#toTry.shift()!;
      const isTried = this.#tried.some((tried) => sameAddress(tried, { host, port }));
      if (!isTried && this.#tried.length < MAX_TRIED && port !== 0) this.#try(now, { host, port });
    }
    if (this.isDone || this.#pending.size > 0 || this.#query) return;
    if (this.#searchAt === Infinity) return this.#failUnanswered(now);
    this.#search(now);
    if (!this.#query) this.#failUnanswered(now);
  }

  #try(now: number, to: Address): void {
    this.#tried.push(to);
    this.#trace.note(now, "ask", to);
    const { repeatMs } = this.#options;
    const words = { mode: MODE.fromClient, noise: this.#makeHello(), peerAddress: null, relayAddress: null };
    const outgoing = {
      to,
      isInternal: false,
      command: COMMAND.peerHandshake,
      target: this.#target,
      value: encodeRelayedHandshake(words),
      socket: this.#around.mainSocket(), // the stream may have to go on by the same
      timeoutMs: repeatMs,
      retries: Math.ceil(ANSWER_MS / repeatMs) - 1,
    };
    this.#pending.set(this.#around.requests.start(now, outgoing, this), { socket: outgoing.socket, to });
  }

  #makeHello(): Uint8Array {
    this.#helloAt = Infinity;
    this.#hello ??= this.#noise.send(this.#helloPayload) ?? new Uint8Array(0); // null for a key that is no point: nobody will answer
    return this.#hello;
  }

  #payload(): Uint8Array {
    const { streamId, localConnection, relayThrough } = this.#options;
    const own = this.#around.publicAddress();
    return encodeNoisePayload({
      error: PAYLOAD_ERROR.none,
      firewall: own ? FIREWALL.open : FIREWALL.unknown,
      holepunch: null,
      addresses4: [...(own ? [own] : []), ...(localConnection ? this.#around.localAddresses() : [])],
      addresses6: localConnection ? this.#around.addresses6() : [],
      udx: { reusableSocket: false, roams: true, id: streamId, seq: 0 },
      secretStream: true,
      relayThrough,
      relayAddresses: null,
    });
  }

  #freshNoise(): NoiseHandshake {
    const { keyPair: staticKeyPair, remotePublicKey } = this.#options;
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
  #agree(now: number, { socket, to: via }: Way, reply: Reply): boolean {
    const message = reply.value && reply.error === RPC_ERROR.none ? decodeRelayedHandshake(reply.value) : null;
    if (this.isDone || message?.mode !== MODE.reply || !sameAddress(reply.from, via)) return false;
    const isPossible = message.noise.length > 0 && message.peerAddress?.port !== 0;
    const plain = isPossible ? this.#receiveNoise(message.noise) : null;
    const { session } = this.#noise;
    if (!plain || !session) return false;
    const payload = decodeNoisePayload(plain);
    this.cancel(now);
    if (payload && payload.version !== NOISE_PAYLOAD_VERSION) {
      this.#owner.failed(now, "SERVER_INCOMPATIBLE");
    } else if (!payload?.udx || payload.error !== PAYLOAD_ERROR.none) {
      this.#owner.failed(now, "SERVER_ERROR");
    } else {
      const secure = new SecurePayloads(this.#around.random, session.handshakeHash);
      const server = message.peerAddress ?? via;
      this.#trace.note(now, "agreed", server, message.peerAddress ? null : "without a relay");
      const agreed = { session, payload, via, socket, server, client: reply.to, secure };
      this.#owner.agreed(now, agreed);
    }
    return true;
  }

  #failUnanswered(now: number): void {
    this.cancel(now);
    this.#owner.failed(now, this.#wasFound ? "PEER_CONNECTION_FAILED" : "PEER_NOT_FOUND");
  }
}
