/**
 * Keeps strangers from using this node against others or against itself: a limit on requests from one /24, and no reply larger than its
 * request to an address that has not shown that it receives there. Such a request is held, its sender pinged with no more bytes
 * than it sent, and answered once it has answered. Addresses that the internet does not route are exempt: nobody far away can pose as one.
 *
 * Differs: the reference answers whoever asks. A foreign node sees a first answer that takes one round trip more.
 */
import type { Address } from "../base/address.ts";
import { isBogon } from "../base/address-classes.ts";
import { BoundedMap } from "../base/bounded-map.ts";
import { ip4Number, prefix24 } from "../base/ip4.ts";
import { type Random, randomUint32 } from "../base/random.ts";
import { INTERNAL } from "../wire/rpc.ts";
import type { PendingRequest, Requester, Requests, SocketName } from "./requests.ts";

/** Requests a second from one /24, and how many at once after silence. */
const RATE = 500;
const BURST = 1_000;
/** Buckets that all prefixes share, spread by a secret: without entries there is nothing to fill up. */
const BUCKET_BITS = 13;

/** How long a round trip counts, and for how many hosts. Full: who was heard longest ago must show it again. */
const VERIFIED_MS = 5 * 60_000;
const MAX_VERIFIED = 16_384;

/** Requests that wait for their senders' answers. Full: the request is dropped; who meant it will ask again. */
const MAX_HELD = 2048;
const MAX_HELD_PER_HOST = 4;

export interface HeldRequest {
  readonly socket: SocketName;
  readonly from: Address;
  readonly datagram: Uint8Array;
}

export class Guard implements Requester {
  dropped = { tooMany: 0, unverified: 0 };
  readonly #requests: Requests;
  readonly #release: (now: number, held: HeldRequest) => void;
  readonly #seed: number;
  /** When each bucket will be full again; what lies in the past is full now. */
  readonly #fullAt = new Float64Array(2 ** BUCKET_BITS);
  readonly #verified = new BoundedMap<number, number>(MAX_VERIFIED);
  readonly #held = new Map<number, readonly HeldRequest[]>();
  #heldCount = 0;

  /** `release` is given each request that was held, once its sender has answered. */
  constructor(options: { requests: Requests; random: Random; release: (now: number, held: HeldRequest) => void }) {
    this.#requests = options.requests;
    this.#release = options.release;
    this.#seed = randomUint32(options.random);
  }

  /** Whether one more request from that host's network may be worked on; counts it. */
  allows(now: number, host: string): boolean {
    if (isBogon(host)) return true;
    const bucket = Math.imul(prefix24(host) ^ this.#seed, 0x9e3779b1) >>> (32 - BUCKET_BITS); // all bits of it count
    const fullAt = Math.max(now, this.#fullAt[bucket]!) + 1000 / RATE;
    const isAllowed = fullAt - now <= (BURST * 1000) / RATE;
    if (isAllowed) this.#fullAt[bucket] = fullAt;
    else this.dropped.tooMany++;
    return isAllowed;
  }

  /** It answered a request of ours, or showed a token. */
  verified(now: number, host: string): void {
    const key = ip4Number(host);
    this.#verified.set(key, now + VERIFIED_MS);
    const held = this.#held.get(key);
    if (held) this.#drop(key, held);
    for (const request of held ?? []) this.#release(now, request);
  }

  isVerified(now: number, host: string): boolean {
    return isBogon(host) || (this.#verified.get(ip4Number(host)) ?? -Infinity) > now;
  }

  /** Keeps a request until its sender has shown that it is there, and asks it to. False when there is no room. */
  hold(now: number, request: HeldRequest): boolean {
    const { from: to, socket } = request;
    const key = ip4Number(to.host);
    const held = this.#held.get(key) ?? [];
    if (this.#heldCount >= MAX_HELD || held.length >= MAX_HELD_PER_HOST) {
      this.dropped.unverified++;
      return false;
    }
    // Each port is asked for itself: behind one NAT one may be gone and another there.
    const isAsked = held.some(({ from }) => from.port === to.port);
    this.#heldCount++;
    this.#held.set(key, [...held, request]);
    // Forced: what strangers make us ask must not take the window from what we ask ourselves.
    const ping = { to, socket, isInternal: true, command: INTERNAL.ping, isBrief: true, isForced: true };
    if (!isAsked) this.#requests.start(now, ping, this);
    return true;
  }

  answered(): void {
    // Every answer to any request of ours is told to `verified`, so this one was, too.
  }

  failed(_now: number, request: PendingRequest): void {
    const { host, port } = request.outgoing.to;
    const key = ip4Number(host);
    const silent = this.#held.get(key)?.filter(({ from }) => from.port === port) ?? [];
    this.dropped.unverified += silent.length;
    this.#drop(key, silent);
  }

  #drop(key: number, dropped: readonly HeldRequest[]): void {
    const rest = this.#held.get(key)?.filter((held) => !dropped.includes(held)) ?? [];
    if (rest.length > 0) this.#held.set(key, rest);
    else this.#held.delete(key);
    this.#heldCount -= dropped.length;
  }
}
