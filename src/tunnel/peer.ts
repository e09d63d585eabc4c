import { type Address, sameAddress } from "../base/address.ts";
import { type Random, randomUint32 } from "../base/random.ts";
import type { X25519Key } from "../crypto/x25519.ts";
import type { CookieReply, Response } from "../wire/tunnel.ts";
import { type Activity, ActivityTimers } from "./activity-timers.ts";
import { MessageSigner } from "./cookies.ts";
import {
  initiate,
  openTimestamp,
  type PendingHandshake,
  type ReceivedInitiation,
  type RemoteKeys,
  readResponse,
  respond,
} from "./handshake.ts";
import type { LocalIndices } from "./local-indices.ts";
import type { SessionKeys } from "./session.ts";
import type { Suite } from "./suite.ts";
import { encodeTimestamp, isLater, timestampStep } from "./timestamp.ts";
import { FORGET_AFTER_MS, MAX_JITTER_MS, REJECT_AFTER_MS, REKEY_ATTEMPT_MS, REKEY_TIMEOUT_MS } from "./timing.ts";

export interface PeerConfig {
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; null for none. */
  readonly presharedKey: Uint8Array | null;
  readonly suite: Suite;
  /** null until the peer calls, or `setEndpoint` tells. */
  readonly endpoint: Address | null;
  /** 0 for none. */
  readonly persistentKeepaliveMs: number;
}

export type TunnelOutput =
  | { type: "send"; to: Address; datagram: Uint8Array }
  /** Install in the slots. The keys are the datapath's from here on, to zero when done. */
  | { type: "session"; peer: number; keys: SessionKeys }
  /** Send an empty data message now. */
  | { type: "keepalive"; peer: number }
  /** Use this from now on: an authentic handshake message came from it, or `setEndpoint` said so. */
  | { type: "endpoint"; peer: number; address: Address }
  /** Nobody answered for REKEY_ATTEMPT_MS: drop the packets that wait. */
  | { type: "unreachable"; peer: number }
  /** Zero and drop all sessions of this peer: the newest is FORGET_AFTER_MS old, or the peer was removed. */
  | { type: "forget"; peer: number };

/** Why an authentic-looking handshake message got no further. */
export type PeerRefusal = "unknownIndex" | "wrongSuite" | "badDecrypt" | "replayedTimestamp" | "floodedInitiation";

/** What all peers of one tunnel have in common. */
export interface Common {
  readonly local: X25519Key;
  readonly random: Random;
  readonly unixOriginMs: number;
  readonly activity: (peer: number) => Activity;
  readonly indices: LocalIndices;
  /** Which peer a response or a cookie reply belongs to, by its receiver index. */
  readonly byIndex: Map<number, Peer>;
  readonly outputs: TunnelOutput[];
}

/** An initiation is taken from a peer no more often than this, so that one that floods costs little. */
const MIN_INITIATION_GAP_MS = 50;

/** One peer: its handshakes in both roles, and its timers (paper §6). The two roles do not disturb each other. */
export class Peer {
  endpoint: Address | null;
  /** When a session was last seen to work at both ends; -Infinity for never. */
  lastHandshakeAt = -Infinity;
  readonly #signer: MessageSigner;
  readonly #timers: ActivityTimers;

  /** Our effort to get a session, whose first initiation may still be ahead; null when there is none or it was given up. */
  #attempt: { startedAt: number; nextAt: number } | null = null;
  #pending: PendingHandshake | null = null;
  #lastInitiationAt = -Infinity;
  #lastStep: number;
  #jitterMs = 0;

  #greatestTimestamp: Uint8Array = new Uint8Array(0);
  #lastConsumedAt = -Infinity;
  #respondedIndex: number | null = null;
  /** The session that we made as responder, while nothing has arrived on it and so we do not send on it. */
  #unconfirmed: { localIndex: number; bornAt: number } | null = null;

  #lastSessionAt = -Infinity;
  #usableUntil = -Infinity;
  #forgetAt = Infinity;

  /** `firstStep` is the lowest timestamp that it may use (`timestamp.ts`). */
  constructor(
    readonly number: number,
    readonly config: PeerConfig,
    readonly keys: RemoteKeys,
    readonly common: Common,
    firstStep: number,
  ) {
    this.endpoint = config.endpoint;
    this.#signer = new MessageSigner(keys.identity);
    this.#timers = new ActivityTimers(config.persistentKeepaliveMs);
    this.#lastStep = firstStep - 1;
  }

  /** The lowest timestamp that was not used yet. */
  get nextStep(): number {
    return this.#lastStep + 1;
  }

  /** Whether there is a session to send on, as far as its age tells. */
  hasSession(now: number): boolean {
    return now < this.#usableUntil;
  }

  get isHandshaking(): boolean {
    return this.#attempt !== null;
  }

  deadline(): number {
    return Math.min(this.#attempt?.nextAt ?? Infinity, this.#timers.lookAt, this.#forgetAt);
  }

  advance(now: number): void {
    if (now >= this.#forgetAt) this.#forget();
    if (now >= this.#timers.lookAt) this.#look(now);
    if (!this.#attempt || now < this.#attempt.nextAt) return;
    if (now - this.#attempt.startedAt >= REKEY_ATTEMPT_MS) this.#giveUp(now);
    else this.#initiate(now, this.#attempt);
  }

  /** Begins an effort to get a session, unless one is on. It waits while an initiation or a session is too recent. */
  begin(now: number): void {
    if (this.#attempt) return;
    const startedAt = Math.max(now, Math.max(this.#lastInitiationAt, this.#lastSessionAt) + REKEY_TIMEOUT_MS);
    this.#attempt = { startedAt, nextAt: startedAt };
    if (startedAt === now) this.#initiate(now, this.#attempt);
  }

  confirmed(now: number, localIndex: number): void {
    if (this.#unconfirmed?.localIndex !== localIndex) return;
    this.#usableUntil = this.#unconfirmed.bornAt + REJECT_AFTER_MS;
    this.#complete(now);
  }

  /** The datapath already uses it. */
  roamed(now: number, address: Address): void {
    this.endpoint = address;
    if (this.#attempt) {
      const waitsForEndpoint = !this.#pending && now >= this.#attempt.startedAt;
      if (waitsForEndpoint) this.#initiate(now, this.#attempt);
    } else if (this.config.persistentKeepaliveMs > 0 && !this.hasSession(now)) {
      this.begin(now);
    }
  }

  setEndpoint(now: number, address: Address): void {
    this.#useEndpoint(address);
    this.roamed(now, address);
  }

  /** Answers an initiation that names this peer, or says why not. The caller zeroes `received`. */
  receiveInitiation(now: number, from: Address, received: ReceivedInitiation): PeerRefusal | null {
    if (received.state.suite !== this.config.suite) return "wrongSuite";
    const timestamp = openTimestamp(received, this.keys);
    if (!timestamp) return "badDecrypt";
    if (!isLater(timestamp, this.#greatestTimestamp)) return "replayedTimestamp";
    if (now - this.#lastConsumedAt < MIN_INITIATION_GAP_MS) return "floodedInitiation";
    this.#greatestTimestamp = timestamp;
    this.#lastConsumedAt = now;

    const { random, indices, byIndex, outputs } = this.common;
    const localIndex = indices.take();
    const ephemeralSecret = random.bytes(32);
    const { keys, datagram } = respond(received, { remote: this.keys, localIndex, ephemeralSecret, now });
    if (this.#respondedIndex !== null) byIndex.delete(this.#respondedIndex);
    this.#respondedIndex = localIndex;
    byIndex.set(localIndex, this);
    this.#unconfirmed = { localIndex, bornAt: now };
    this.#useEndpoint(from);
    this.#hand(now, keys); // before the response goes out, so that the first data finds its session
    this.#timers.traversed(now);
    this.#signer.sign(now, datagram);
    outputs.push({ type: "send", to: from, datagram });
    return null;
  }

  /** Takes the session that a response makes, or says why not. */
  receiveResponse(now: number, from: Address, response: Response): PeerRefusal | null {
    const pending = this.#pending;
    if (pending?.localIndex !== response.receiver) return "unknownIndex";
    if (pending.state.suite.bit !== response.suiteBit) return "wrongSuite";
    const keys = readResponse(pending, response, { local: this.common.local, remote: this.keys, now });
    if (!keys) return "badDecrypt";
    this.#useEndpoint(from);
    this.#timers.traversed(now);
    this.#hand(now, keys);
    this.#usableUntil = now + REJECT_AFTER_MS;
    this.#complete(now);
    this.common.outputs.push({ type: "keepalive", peer: this.number });
    return null;
  }

  /** The address that it came from means nothing: whoever saw our message and knows the peer's public key can make one. */
  receiveCookie(now: number, reply: CookieReply): PeerRefusal | null {
    if (reply.suiteBit !== this.config.suite.bit) return "wrongSuite";
    return this.#signer.takeCookie(now, reply) ? null : "badDecrypt";
  }

  /** Ends everything. */
  close(): void {
    this.#dropPending();
    if (this.#respondedIndex !== null) this.common.byIndex.delete(this.#respondedIndex);
    this.keys.staticSecret.fill(0);
    this.#forget();
  }

  #initiate(now: number, attempt: { startedAt: number; nextAt: number }): void {
    this.#dropPending();
    if (!this.endpoint) {
      attempt.nextAt = attempt.startedAt + REKEY_ATTEMPT_MS; // an endpoint may be found until then
      return;
    }
    const { local, random, unixOriginMs, indices, byIndex, outputs } = this.common;
    // Steps of 17 ms, never one twice: two efforts can begin within one, as when the peer is removed and added again.
    this.#lastStep = Math.max(this.#lastStep + 1, timestampStep(unixOriginMs + now));
    const { pending, datagram } = initiate({
      suite: this.config.suite,
      local,
      remote: this.keys,
      localIndex: indices.take(),
      timestamp: encodeTimestamp(this.#lastStep),
      ephemeralSecret: random.bytes(32),
    });
    this.#pending = pending;
    byIndex.set(pending.localIndex, this);
    this.#signer.sign(now, datagram);
    outputs.push({ type: "send", to: this.endpoint, datagram });
    this.#timers.traversed(now);
    this.#drawJitter();
    this.#lastInitiationAt = now;
    attempt.nextAt = now + REKEY_TIMEOUT_MS + this.#jitterMs;
  }

  /** Hands a new session to the datapath. */
  #hand(now: number, keys: SessionKeys): void {
    this.#lastSessionAt = now;
    this.#forgetAt = now + FORGET_AFTER_MS;
    this.#timers.settle(now);
    this.#drawJitter();
    this.common.outputs.push({ type: "session", peer: this.number, keys });
  }

  /** A session works at both ends: there is no need for another. */
  #complete(now: number): void {
    this.lastHandshakeAt = now;
    this.#unconfirmed = null;
    this.#attempt = null;
    this.#dropPending();
  }

  #giveUp(now: number): void {
    this.#attempt = null;
    this.#dropPending();
    this.#timers.settle(now);
    this.common.outputs.push({ type: "unreachable", peer: this.number });
  }

  #forget(): void {
    this.#forgetAt = Infinity;
    this.#usableUntil = -Infinity;
    this.#unconfirmed = null;
    this.common.outputs.push({ type: "forget", peer: this.number });
  }

  #look(now: number): void {
    const hasSessions = this.#forgetAt < Infinity;
    const activity = this.common.activity(this.number);
    const due = this.#timers.look(now, activity, { hasSessions, jitterMs: this.#jitterMs });
    const hasSession = this.hasSession(now);
    const wantsSession = due.unheard || (due.persistent && !hasSession);
    if (due.keepalive || (due.persistent && hasSession)) {
      this.common.outputs.push({ type: "keepalive", peer: this.number });
    }
    if (wantsSession && this.endpoint) this.begin(now);
  }

  #useEndpoint(address: Address): void {
    if (this.endpoint && sameAddress(this.endpoint, address)) return;
    this.endpoint = address;
    this.common.outputs.push({ type: "endpoint", peer: this.number, address });
  }

  #drawJitter(): void {
    this.#jitterMs = randomUint32(this.common.random) % (MAX_JITTER_MS + 1);
  }

  #dropPending(): void {
    if (!this.#pending) return;
    this.common.byIndex.delete(this.#pending.localIndex);
    this.#pending.state.zero();
    this.#pending = null;
  }
}
