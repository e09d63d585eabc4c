/** How long packets and their acknowledgements take, and when to give up waiting. Source: udx-wire.md §8.1; RFC 6298 §2. */
import { WindowedExtreme } from "./windowed-extreme.ts";

const LEAST_RTO_MS = 1_000;
const MOST_RTO_MS = 30_000;
const MIN_RTT_WINDOW_MS = 300_000;
/** Samples above this and far above the usual are cut: they tell of a suspended machine. */
const SUSPICIOUS_MS = 5_000;
/** Shorter ones cannot be told apart, and would make every later time zero. Differs: the reference's clock has 1 ms. */
const LEAST_SAMPLE_MS = 0.01;

export class RoundTrip {
  /** 0 before the first sample. */
  smoothedMs = 0;
  rtoMs = LEAST_RTO_MS;
  #variationMs = 0;
  #min = new WindowedExtreme("smallest", MIN_RTT_WINDOW_MS, Infinity);

  get isKnown(): boolean {
    return this.smoothedMs > 0;
  }

  /** The shortest of the last five minutes; Infinity before the first sample. */
  get minMs(): number {
    return this.#min.value;
  }

  sample(now: number, measuredMs: number): void {
    const rttMs = this.#believed(Math.max(LEAST_SAMPLE_MS, measuredMs));
    this.#min.add(now, rttMs);
    if (this.smoothedMs === 0) {
      this.smoothedMs = rttMs;
      this.#variationMs = rttMs / 2;
    } else {
      this.#variationMs += (Math.abs(this.smoothedMs - rttMs) - this.#variationMs) / 4;
      this.smoothedMs += (rttMs - this.smoothedMs) / 8;
    }
    this.rtoMs = Math.min(Math.max(this.smoothedMs + 4 * this.#variationMs, LEAST_RTO_MS), MOST_RTO_MS);
  }

  #believed(rttMs: number): number {
    if (this.smoothedMs === 0) return Math.min(rttMs, MOST_RTO_MS);
    const usualMs = this.smoothedMs + 5 * this.#variationMs;
    return rttMs > SUSPICIOUS_MS && rttMs > usualMs ? Math.min(usualMs, MOST_RTO_MS) : rttMs;
  }
}
