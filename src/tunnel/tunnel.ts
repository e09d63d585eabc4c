import type { Address } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { DnetError } from "../base/error.ts";
import type { Machine } from "../base/machine.ts";
import type { Random } from "../base/random.ts";
import { X25519_BYTES, X25519Key } from "../crypto/x25519.ts";
import {
  COOKIE_REPLY,
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  INITIATION,
  RESPONSE,
  SUITE_D_BIT,
} from "../wire/tunnel.ts";
import type { Activity } from "./activity-timers.ts";
import { CookieIssuer, hasValidMac1 } from "./cookies.ts";
import { PublicIdentity, readInitiation } from "./handshake.ts";
import { LocalIndices } from "./local-indices.ts";
import { type Common, Peer, type PeerConfig, type PeerRefusal, type TunnelOutput } from "./peer.ts";
import { LoadMeter, SourceLimiter } from "./rate-limit.ts";
import { suiteOf } from "./suite.ts";

export type { Activity } from "./activity-timers.ts";
export type { PeerConfig, TunnelOutput } from "./peer.ts";

export interface TunnelOptions {
  /** X25519, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly random: Random;
  /** Unix time in milliseconds at `now` = 0: initiations carry the time of day. */
  readonly unixOriginMs: number;
  /** Reads what the datapath has recorded of a peer. */
  readonly activity: (peer: number) => Activity;
}

/** Why a datagram was refused: malformed (kind, length or reserved bytes), no cookie under load, and so on. */
export type Refusal = PeerRefusal | "malformed" | "badMac" | "underLoad" | "rateLimited" | "unknownPeer";

/** A peer as `show` tells of it. */
export interface PeerView {
  readonly publicKey: Uint8Array;
  readonly endpoint: Address | null;
  /** null for never. */
  readonly lastHandshakeAt: number | null;
  readonly state: "idle" | "handshake" | "session";
}

/**
 * The WireGuard protocol but for its data packets, which the datapath moves with the sessions made here. Peers are small
 * integers. A call about a peer that is gone is ignored: the datapath may not know yet.
 */
export class Tunnel implements Machine<TunnelOutput> {
  /** How many datagrams were refused, by reason. */
  readonly counters: Readonly<Record<Refusal, number>>;
  readonly publicKey: Uint8Array;
  readonly #counters: Record<Refusal, number> = {
    malformed: 0,
    badMac: 0,
    underLoad: 0,
    rateLimited: 0,
    unknownPeer: 0,
    unknownIndex: 0,
    wrongSuite: 0,
    badDecrypt: 0,
    replayedTimestamp: 0,
    floodedInitiation: 0,
  };
  readonly #common: Common;
  readonly #cookies: CookieIssuer;
  readonly #load = new LoadMeter();
  readonly #limiter = new SourceLimiter();
  readonly #peers: (Peer | null)[] = [];
  readonly #byKey = new Map<string, Peer>();
  /** No peer is due before this. */
  #dueAt = Infinity;
  /** Above every timestamp that a removed peer was sent. */
  #firstStep = 0;

  constructor({ privateKey, ...options }: TunnelOptions) {
    const local = new X25519Key(privateKey);
    const indices = new LocalIndices(options.random);
    this.#common = { ...options, local, indices, byIndex: new Map(), outputs: [] };
    this.#cookies = new CookieIssuer(new PublicIdentity(local.publicKey), options.random);
    this.counters = this.#counters;
    this.publicKey = local.publicKey;
  }

  /** Returns the least number that is free. Throws DnetError for our own public key, one we have, and one of low order. */
  addPeer(config: PeerConfig): number {
    const { publicKey, presharedKey } = config;
    assert(publicKey.length === X25519_BYTES, "a peer's public key has 32 bytes");
    assert(presharedKey === null || presharedKey.length === 32, "a pre-shared key has 32 bytes");
    const key = keyText(publicKey);
    const staticSecret = this.#common.local.agree(publicKey);
    if (key === keyText(this.publicKey)) throw badPeer(publicKey, "is our own", "give the public key of the other end");
    if (this.#byKey.has(key)) throw badPeer(publicKey, "is there already", "put all of a peer's settings in one place");
    if (!staticSecret) throw badPeer(publicKey, "is not a usable key", "ask the peer for its public key again");

    const free = this.#peers.indexOf(null);
    const number = free === -1 ? this.#peers.length : free;
    const keys = { identity: new PublicIdentity(publicKey.slice()), staticSecret, presharedKey };
    const peer = new Peer(number, config, keys, this.#common, this.#firstStep);
    this.#peers[number] = peer;
    this.#byKey.set(key, peer);
    this.#schedule(peer);
    return number;
  }

  removePeer(number: number): void {
    const peer = this.#peers[number];
    if (!peer) return;
    this.#firstStep = Math.max(this.#firstStep, peer.nextStep);
    peer.close();
    this.#peers[number] = null;
    this.#byKey.delete(keyText(peer.keys.identity.publicKey));
  }

  peer(now: number, number: number): PeerView | null {
    const peer = this.#peers[number];
    if (!peer) return null;
    return {
      publicKey: peer.keys.identity.publicKey,
      endpoint: peer.endpoint,
      lastHandshakeAt: peer.lastHandshakeAt === -Infinity ? null : peer.lastHandshakeAt,
      state: peer.hasSession(now) ? "session" : peer.isHandshaking ? "handshake" : "idle",
    };
  }

  /** Takes any datagram that may be an initiation, a response or a cookie reply of either suite. */
  receive(now: number, from: Address, datagram: Uint8Array): void {
    const refusal = this.#refusalOf(now, from, datagram);
    if (refusal) this.#counters[refusal]++;
  }

  /**
   * The datapath has a packet and no session to send it on, or the one in use has become stale. It need say so only once:
   * a `session`, `unreachable` or `forget` follows, or it has itself moved to a session that was waiting to be confirmed.
   */
  want(now: number, peer: number): void {
    this.#with(peer, (it) => it.begin(now));
  }

  /** The first message on a session that we made as responder has arrived. */
  confirmed(now: number, peer: number, localIndex: number): void {
    this.#with(peer, (it) => it.confirmed(now, localIndex));
  }

  /** An authentic data message came from a new address, which the datapath already uses. */
  roamed(now: number, peer: number, address: Address): void {
    this.#with(peer, (it) => it.roamed(now, address));
  }

  /** A host name was resolved again, or a better address was found. */
  setEndpoint(now: number, peer: number, address: Address): void {
    this.#with(peer, (it) => it.setEndpoint(now, address));
  }

  advance(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = Infinity;
    for (const peer of this.#peers) {
      if (!peer) continue;
      if (now >= peer.deadline()) peer.advance(now);
      this.#schedule(peer);
    }
  }

  /** May be earlier than anything is due, when what was due has been done away with. */
  deadline(): number {
    return this.#dueAt;
  }

  drain(): TunnelOutput[] {
    return this.#common.outputs.splice(0);
  }

  #refusalOf(now: number, from: Address, datagram: Uint8Array): Refusal | null {
    switch ((datagram[0] ?? 0) & ~SUITE_D_BIT) {
      case INITIATION:
        return this.#receiveInitiation(now, from, datagram);
      case RESPONSE:
        return this.#receiveResponse(now, from, datagram);
      case COOKIE_REPLY:
        return this.#receiveCookieReply(now, datagram);
      default:
        return "malformed";
    }
  }

  #receiveInitiation(now: number, from: Address, datagram: Uint8Array): Refusal | null {
    const initiation = decodeInitiation(datagram);
    if (!initiation) return "malformed";
    const refusal = this.#checkMacs(now, from, initiation, datagram);
    if (refusal !== "badMac") this.#load.note(now);
    if (refusal) return refusal;
    const received = readInitiation(suiteOf(initiation.suiteBit), this.#common.local, initiation);
    if (!received) return "badDecrypt";
    const peer = this.#byKey.get(keyText(received.publicKey));
    const verdict = peer ? peer.receiveInitiation(now, from, received) : "unknownPeer";
    received.state.zero();
    if (peer) this.#schedule(peer);
    return verdict;
  }

  #receiveResponse(now: number, from: Address, datagram: Uint8Array): Refusal | null {
    const response = decodeResponse(datagram);
    if (!response) return "malformed";
    const refusal = this.#checkMacs(now, from, response, datagram);
    if (refusal) return refusal;
    const peer = this.#common.byIndex.get(response.receiver);
    const verdict = peer ? peer.receiveResponse(now, from, response) : "unknownIndex";
    if (verdict === "badDecrypt") this.#load.note(now); // by someone who saw our initiation; it cost us as much as one
    if (peer) this.#schedule(peer);
    return verdict;
  }

  #receiveCookieReply(now: number, datagram: Uint8Array): Refusal | null {
    const reply = decodeCookieReply(datagram);
    if (!reply) return "malformed";
    const peer = this.#common.byIndex.get(reply.receiver);
    return peer ? peer.receiveCookie(now, reply) : "unknownIndex";
  }

  /** What must hold before a message is worth an agreement. */
  #checkMacs(
    now: number,
    from: Address,
    message: { suiteBit: number; sender: number },
    datagram: Uint8Array,
  ): Refusal | null {
    if (!hasValidMac1(datagram, this.#cookies.identity)) return "badMac";
    if (!this.#load.isUnderLoad(now)) return null;
    if (!this.#cookies.hasValidMac2(now, from, datagram)) {
      const reply = this.#cookies.reply(now, from, message, datagram);
      this.#common.outputs.push({ type: "send", to: from, datagram: reply });
      return "underLoad";
    }
    return this.#limiter.allow(now, from.host) ? null : "rateLimited";
  }

  #with(number: number, act: (peer: Peer) => void): void {
    const peer = this.#peers[number];
    if (!peer) return;
    act(peer);
    this.#schedule(peer);
  }

  #schedule(peer: Peer): void {
    this.#dueAt = Math.min(this.#dueAt, peer.deadline());
  }
}

function badPeer(publicKey: Uint8Array, what: string, hint: string): DnetError {
  const text = Buffer.from(publicKey).toString("base64");
  return new DnetError("TUNNEL_PEER_KEY", `the peer's public key ${text} ${what}`, { hint, failure: "configuration" });
}

function keyText(publicKey: Uint8Array): string {
  return Buffer.from(publicKey).toString("latin1");
}
