/**
 * The side that is called: answers handshakes for one key, and makes a call of each that it admits. Source: hyperdht lib/server.js;
 * specification §12.
 *
 * Differs: there is a gate before any key agreement, a bound on connections that are being made, and a memory for handshakes: one that
 * is sent again long after it was dealt with does nothing, where the reference would connect once more.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import { prefix24 } from "../base/ip4.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { NS_PEER_HANDSHAKE } from "../crypto/namespaces.ts";
import { NoiseHandshake } from "../crypto/noise.ts";
import { encodeRelayedHandshake, MODE, type RelayedHandshake } from "../wire/handshake.ts";
import type { RelayedHolepunch } from "../wire/holepunch.ts";
import {
  decodeNoisePayload,
  encodeNoisePayload,
  FIREWALL,
  NOISE_PAYLOAD_VERSION,
  type NoisePayload,
  PAYLOAD_ERROR,
  type RelayThrough,
  type UdxOffer,
} from "../wire/noise-payload.ts";
import { RELAYS, type ServerRelay } from "./announcer.ts";
import {
  Call,
  type Caller,
  type CallOptions,
  type CallOwner,
  type CallSurroundings,
  type RelayedRequest,
} from "./call.ts";
import { mappedFor, type Way } from "./connection-surroundings.ts";
import type { Holepuncher } from "./holepuncher.ts";
import type { SocketName } from "./requests.ts";

/** Clients that were answered and have not come. Full: handshakes are ignored, and their clients try again. */
const MAX_HALF_OPEN = 256;
const MAX_HALF_OPEN_PER_PREFIX = 32;
/** Those, and all that were until just now: ten seconds of what the gate lets through, twice over. */
const MAX_SLOTS = 2_048;
/** Handshakes that are known again after their calls are forgotten. Full: the oldest is, too, and would have to pass `admits` anew. */
const MAX_SEEN = 16_384;
/** Twice the Noise keys' 32 bytes, and their tags: what is shorter is no first message. */
const LEAST_HELLO_BYTES = 96;

export interface ListenerOptions extends CallOptions {
  readonly keyPair: KeyPair;
  /** The key of a relay by which clients are joined to us until there is a direct path; 32 bytes. */
  readonly relayThrough: Uint8Array | null;
}

export interface ListenerSurroundings extends CallSurroundings {
  /** The id of the stream that a client will send to: of the one that it has with us already, or a fresh one. */
  streamFor(remotePublicKey: Uint8Array, remote: UdxOffer): number;
}

export interface ListenerOwner extends CallOwner {
  /** Whether that key may connect; asked before anything is kept of it. */
  admits(remotePublicKey: Uint8Array, payload: NoisePayload, client: Address): boolean;
  /** It was admitted: its first packet may come any time, from anywhere. */
  expected(now: number, call: Call): void;
}

export class Listener implements CallOwner {
  readonly #options: ListenerOptions;
  readonly #around: ListenerSurroundings;
  readonly #owner: ListenerOwner;
  /** By slot, which is the hole punch id that the client uses. */
  readonly #calls: (Call | undefined)[] = [];
  readonly #byHello = new Map<string, Call>();
  /** Those whose clients have not come yet. */
  readonly #waiting = new Set<Call>();
  /** Those that ended, in the order in which they are forgotten. */
  readonly #ended = new Set<Call>();
  /** By their ephemeral keys, which an honest client uses once. */
  readonly #seen = new BoundedMap<string, true>(MAX_SEEN);
  #isClosed = false;

  constructor(options: ListenerOptions, around: ListenerSurroundings, owner: ListenerOwner) {
    this.#options = options;
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
      noise: call.parts.answer,
      peerAddress: isDirect ? null : client,
      relayAddress: null,
    });
    this.#around.reply(now, request, { socket: call.answerSocket ?? request.socket, to, isLast: isDirect, value });
  }

  /** A round of hole punching. Silence for what is no client's of ours. */
  holepunch(now: number, request: RelayedRequest, { mode, id, payload, peerAddress: client }: RelayedHolepunch): void {
    if (mode !== MODE.fromRelay || !client || client.port === 0) return;
    this.#calls[id]?.holepunch(now, request, client, payload);
  }

  /** A probe came to a punch socket. False when it is none of ours. */
  probed(socket: SocketName, from: Address): boolean {
    for (const call of this.#waiting) if (call.probed(socket, from)) return true;
    return false;
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
    for (const call of this.#waiting) call.cancel(now);
    for (const call of this.#ended) this.#forget(call);
  }

  advance(now: number): void {
    for (const call of this.#waiting) call.advance(now);
    for (const call of this.#ended) {
      if (now < call.dueAt) break;
      this.#forget(call);
    }
  }

  deadline(): number {
    const [next] = this.#ended;
    let least = next?.dueAt ?? Infinity;
    for (const call of this.#waiting) least = Math.min(least, call.deadline());
    return least;
  }

  connected(now: number, call: Call, way: Way): void {
    this.#retire(call);
    this.#owner.connected(now, call, way);
  }

  learnt(now: number, call: Call, puncher: Holepuncher): void {
    this.#owner.learnt(now, call, puncher);
  }

  abandoned(now: number, call: Call): void {
    this.#retire(call);
    this.#owner.abandoned(now, call);
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
    const streamId = error === PAYLOAD_ERROR.none ? this.#around.streamFor(remotePublicKey, payload.udx!) : 0;
    const { relayThrough: publicKey } = this.#options;
    const relayThrough = publicKey && { publicKey, token: this.#around.random.bytes(32) };
    const answer = noise.send(this.#answerPayload(id, error, streamId, relayThrough, from, payload));
    if (!answer || !noise.session) return null;
    const parts = { id, streamId, payload, session: noise.session, answer, from, relayThrough };
    const call = new Call(now, parts, this.#options, this.#around, this);
    this.#seen.set(ephemeralOf(from.hello), true);
    this.#calls[id] = call;
    this.#byHello.set(from.hello, call);
    if (error !== PAYLOAD_ERROR.none) {
      call.end(now, "over", null);
      this.#retire(call);
    } else {
      this.#waiting.add(call);
      this.#owner.expected(now, call);
      call.findPath(now);
    }
    return call;
  }

  /** The client's first message, if it is one. This is where the time goes: four agreements. */
  #receive(bytes: Uint8Array) {
    const noise = new NoiseHandshake({
      pattern: "IK",
      isInitiator: false,
      prologue: NS_PEER_HANDSHAKE,
      staticKeyPair: this.#options.keyPair,
      ephemeralKeyPair: keyPairFromSeed(this.#around.random.bytes(32)),
      remotePublicKey: null,
    });
    const plain = noise.receive(bytes);
    const payload = plain && decodeNoisePayload(plain);
    const { remotePublicKey } = noise;
    return payload && remotePublicKey ? { noise, payload, remotePublicKey } : null;
  }

  #answerPayload(
    id: number,
    error: number,
    streamId: number,
    relayThrough: RelayThrough | null,
    { client, request }: Caller,
    theirs: NoisePayload,
  ): Uint8Array {
    const own = this.#around.publicAddress() ?? mappedFor(client.host, this.#around);
    const relays = this.#relaysSeenBy(request);
    const relayAddresses = [...(own ? [own] : []), ...relays.map(({ relayAddress }) => relayAddress)].slice(0, RELAYS);
    const locals = this.#options.sharesLocalAddresses ? this.#around.localAddresses() : [];
    const isByIp6 = this.#options.sharesLocalAddresses && theirs.addresses6.length > 0; // a HyperDHT has no use for it
    return encodeNoisePayload({
      error,
      firewall: own ? FIREWALL.open : FIREWALL.unknown,
      holepunch: own ? null : { id, relays },
      addresses4: [...(own ? [own] : []), ...locals],
      addresses6: isByIp6 ? this.#around.addresses6() : [],
      udx: { reusableSocket: false, roams: true, id: streamId, seq: 0 },
      secretStream: true,
      relayThrough,
      relayAddresses: relayAddresses.length > 0 ? relayAddresses : null,
    });
  }

  /** The nodes that lead to us; the one that it came through is the first, and is held to see us as it says, whatever it did before. */
  #relaysSeenBy({ from, to }: RelayedRequest): readonly ServerRelay[] {
    const relays = this.#around.relays();
    if (!this.#around.isRelay(from)) return relays;
    const others = relays.filter(({ relayAddress }) => !sameAddress(relayAddress, from));
    return [{ relayAddress: from, peerAddress: to }, ...others].slice(0, RELAYS);
  }

  #retire(call: Call): void {
    this.#waiting.delete(call);
    this.#ended.add(call);
  }

  #forget(call: Call): void {
    this.#ended.delete(call);
    this.#calls[call.parts.id] = undefined;
    this.#byHello.delete(call.parts.from.hello);
  }

  /** Whether one more may be begun: none of the networks that it is on account of has its share already. */
  #hasRoom({ prefixes }: Caller): boolean {
    if (this.#waiting.size >= MAX_HALF_OPEN || this.#freeSlot() >= MAX_SLOTS) return false;
    const waiting = [...this.#waiting];
    const ofPrefix = (prefix: number) => waiting.filter(({ parts }) => parts.from.prefixes.includes(prefix)).length;
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

function errorOf({ version, udx }: NoisePayload): number {
  if (version !== NOISE_PAYLOAD_VERSION) return PAYLOAD_ERROR.versionMismatch;
  return udx ? PAYLOAD_ERROR.none : PAYLOAD_ERROR.aborted;
}
