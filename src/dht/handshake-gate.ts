/**
 * What strangers may make us spend on handshakes: agreeing on keys takes 0.65 ms (measured), and what is kept of each for ten
 * seconds 20 KB, so it is rationed before it begins. One network gets at most half, so it alone starves nobody; all together get a
 * tenth of a core.
 */
import { prefix24 } from "../base/ip4.ts";
import { type Random, randomUint32 } from "../base/random.ts";

/** New handshakes a second, and how many at once after silence. Beyond: ignored, their clients try again after a second. */
const IN_ALL = { perSecond: 100, burst: 100 };
const PER_PREFIX = { perSecond: 50, burst: 50 };
/** Buckets that all prefixes share, spread by a secret, as in `guard.ts`: without entries there is nothing to fill up. */
const BUCKET_BITS = 11;

export class HandshakeGate {
  readonly #seed: number;
  /** When each will be full again; what lies in the past is full now. The last is everyone's. */
  readonly #fullAt = new Float64Array(2 ** BUCKET_BITS + 1);

  constructor(random: Random) {
    this.#seed = randomUint32(random);
  }

  /** Whether one more may be worked on; if so it is counted for the network of each of `hosts`, IPv4. */
  passes(now: number, hosts: readonly string[]): boolean {
    const everyone = this.#fullAt.length - 1;
    const own = new Set(hosts.map((host) => this.#bucket(host)));
    if (![...own].every((bucket) => this.#hasRoom(now, bucket, PER_PREFIX))) return false;
    if (!this.#hasRoom(now, everyone, IN_ALL)) return false;
    for (const bucket of own) this.#take(now, bucket, PER_PREFIX);
    this.#take(now, everyone, IN_ALL);
    return true;
  }

  #bucket(host: string): number {
    return Math.imul(prefix24(host) ^ this.#seed, 0x9e3779b1) >>> (32 - BUCKET_BITS);
  }

  #hasRoom(now: number, bucket: number, { perSecond, burst }: typeof IN_ALL): boolean {
    return Math.max(now, this.#fullAt[bucket]!) + 1000 / perSecond - now <= (1000 * burst) / perSecond;
  }

  #take(now: number, bucket: number, { perSecond }: typeof IN_ALL): void {
    this.#fullAt[bucket] = Math.max(now, this.#fullAt[bucket]!) + 1000 / perSecond;
  }
}
