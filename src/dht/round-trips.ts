/** How long answers take, by node: when to ask again. Source: RFC 6298 §2. */
import { BoundedMap } from "../base/bounded-map.ts";

/** For a node that never answered yet. */
const UNKNOWN_WAIT_MS = 500;
const LEAST_WAIT_MS = 250;
const MAX_NODES = 1024; // full: what was heard longest ago is forgotten

interface Estimate {
  smoothedMs: number;
  variationMs: number;
}

export class RoundTrips {
  readonly #estimates = new BoundedMap<number, Estimate>(MAX_NODES);

  /** An answer took so long. Only for requests that were sent once: of others nobody knows which one was answered (Karn's rule). */
  heard(key: number, rttMs: number): void {
    const known = this.#estimates.get(key);
    const smoothedMs = known ? known.smoothedMs + (rttMs - known.smoothedMs) / 8 : rttMs;
    const variationMs = known
      ? known.variationMs + (Math.abs(known.smoothedMs - rttMs) - known.variationMs) / 4
      : rttMs / 2;
    this.#estimates.set(key, { smoothedMs, variationMs });
  }

  /** How long to wait for the first answer before asking again; never more than `mostMs`. */
  waitMs(key: number, mostMs: number): number {
    const known = this.#estimates.get(key);
    const wait = known ? Math.max(LEAST_WAIT_MS, known.smoothedMs + 4 * known.variationMs) : UNKNOWN_WAIT_MS;
    return Math.min(wait, mostMs);
  }
}
