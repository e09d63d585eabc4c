/**
 * Spreads packets over time: a bucket of bytes that fills at the pacing rate. Source: udx-wire.md §9.4.
 * Differs: the reference's bucket is set anew every millisecond, so what was not sent in one is forgotten, and an idle flow may
 * send a whole window at once. Here it fills up to a bound and may be overdrawn by a packet.
 */
const FIRST_BYTES = 25_000;
/** How much of the rate an idle or late flow may catch up on. A timer of the shell may be some milliseconds late. */
const MOST_CATCH_UP_MS = 8;
/** Waiting is for so much of the rate at once, or one run of segments: a timer for every packet would cost more than the packet. */
const LEAST_WAIT_MS = 1;
const RUN_BYTES = 64_000;

export class Pacer {
  /** Bytes a millisecond. */
  rate = Infinity;
  #bytes = FIRST_BYTES;
  #filledAt = -Infinity;

  /** Whether a packet may leave. Call `fill` first. */
  get isOpen(): boolean {
    return this.#bytes > 0;
  }

  fill(now: number): void {
    const passedMs = now - this.#filledAt;
    if (passedMs <= 0) return;
    this.#filledAt = now;
    const most = Math.max(FIRST_BYTES, this.rate * MOST_CATCH_UP_MS);
    this.#bytes = passedMs === Infinity ? this.#bytes : Math.min(most, this.#bytes + passedMs * this.rate);
  }

  spend(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** When a closed bucket is worth looking at again. */
  get opensAt(): number {
    const wanted = Math.min(RUN_BYTES, this.rate * LEAST_WAIT_MS);
    return this.#filledAt + Math.max(0, wanted - this.#bytes) / this.rate;
  }
}
