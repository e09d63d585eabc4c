import { parseIp } from "../base/ip.ts";

/** More initiations or forged responses than this within a second, and senders must show a cookie. Each costs half a millisecond. */
export const LOAD_THRESHOLD = 256;

/** Tells from what came within the last second whether we are under load. */
export class LoadMeter {
  /** When the last LOAD_THRESHOLD came, as a ring: the oldest stands where the next is written. */
  readonly #times = new Float64Array(LOAD_THRESHOLD).fill(-Infinity);
  #next = 0;

  note(now: number): void {
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % LOAD_THRESHOLD;
  }

  /** Whether one more at `now` would be more than LOAD_THRESHOLD in a second. */
  isUnderLoad(now: number): boolean {
    return now - this.#times[this.#next]! < 1000;
  }
}

const INTERVAL_MS = 50; // 20 a second
const BURST = 5;
const MAX_SOURCES = 4096;

/** Limits how many handshake messages one source may have us work on: a token bucket for each IPv4 address or IPv6 /64. */
export class SourceLimiter {
  /**
   * For each source, when its bucket will be full again: each message puts that off by INTERVAL_MS, and what lies in the past
   * is full now. In order of the last message allowed, so the first is, to within the length of a burst, the first to be full.
   */
  readonly #fullAt = new Map<string, number>();

  get size(): number {
    return this.#fullAt.size;
  }

  /** Whether a message from the IP address `host` (as in Address) may be worked on; counts it if so. */
  allow(now: number, host: string): boolean {
    const source = sourceOf(host);
    const fullAt = Math.max(now, this.#fullAt.get(source) ?? now) + INTERVAL_MS;
    if (fullAt - now > BURST * INTERVAL_MS) return false;
    if (!this.#fullAt.delete(source) && !this.#hasRoom(now)) return false;
    this.#fullAt.set(source, fullAt);
    return true;
  }

  /**
   * A full bucket says nothing, so the entries that have filled up go, oldest first. Full of sources that all sent within
   * the last quarter of a second: refuse the newcomer, so a flood displaces nobody.
   */
  #hasRoom(now: number): boolean {
    for (const [source, fullAt] of this.#fullAt) {
      if (fullAt > now) break;
      this.#fullAt.delete(source);
    }
    return this.#fullAt.size < MAX_SOURCES;
  }
}

/** IPv6 by its first 64 bits: one customer has at least so many addresses. */
function sourceOf(host: string): string {
  const bytes = parseIp(host);
  return bytes?.length === 16 ? Buffer.from(bytes.subarray(0, 8)).toString("hex") : host;
}
