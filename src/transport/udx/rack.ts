/**
 * Loss detection by time: a packet is lost when one that was sent after it has arrived, and the round trip, with some patience for
 * reordering, is over for it. Source: RFC 8985 §6; udx-wire.md §8.3.
 * Differs: without DSACK nobody tells a sender that it sent a packet needlessly, but an answer sooner than any round trip does; each
 * such one widens the window up to a whole round trip, and lossless round trips narrow it again.
 */
import type { InFlight } from "./in-flight.ts";
import type { RoundTrip } from "./round-trip.ts";

const MOST_PATIENCE = 4; // quarters of the shortest round trip
const SACKS_OF_LOSS = 3;
/** Recoveries without a sign of haste after which patience shrinks to its first value. RFC 8985 §6.2 step 4. */
const CALM_RECOVERIES = 16;

export class Rack {
  rttMs = 0;
  #sentAt = -Infinity;
  /** One beyond the number of the newest-sent packet that arrived. */
  #end = 0;
  #hasReordering = false;
  #patience = 1;
  #calm = 0;

  /** The newest-sent of the packets that an acknowledgement is about. */
  arrived(now: number, seq: number, sentAt: number): void {
    if (sentAt < this.#sentAt || (sentAt === this.#sentAt && seq < this.#end)) return;
    this.rttMs = now - sentAt;
    this.#sentAt = sentAt;
    this.#end = seq + 1;
  }

  reordered(): void {
    this.#hasReordering = true;
  }

  /** A packet was sent again, and what arrived was its first copy. */
  wasHasty(): void {
    this.#hasReordering = true;
    this.#calm = 0;
    this.#patience = Math.min(MOST_PATIENCE, this.#patience + 1);
  }

  recovered(): void {
    if (++this.#calm < CALM_RECOVERIES) return;
    this.#calm = 0;
    this.#patience = 1;
  }

  windowMs(flight: InFlight, roundTrip: RoundTrip, isRecovering: boolean): number {
    if (!this.#hasReordering && (isRecovering || flight.sacked >= SACKS_OF_LOSS)) return 0;
    return Math.min((this.#patience * roundTrip.minMs) / 4, roundTrip.smoothedMs);
  }

  /** Declares lost what is, through `lose`, oldest first. Returns when the next may be; Infinity when none can. */
  detect(now: number, flight: InFlight, windowMs: number, lose: (seq: number) => void): number {
    for (let seq = flight.oldestSent; seq >= 0; seq = flight.oldestSent) {
      const sentAt = flight.sentAt[seq & flight.mask]!;
      if (sentAt > this.#sentAt || (sentAt === this.#sentAt && seq >= this.#end)) return Infinity;
      const dueAt = sentAt + this.rttMs + windowMs;
      if (dueAt > now) return dueAt;
      lose(seq);
    }
    return Infinity;
  }
}
