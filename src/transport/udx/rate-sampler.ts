/**
 * How fast packets arrive at the other end, measured from one acknowledgement to the next: what the congestion control lives on.
 * Source: udx-wire.md §9.1; Linux net/ipv4/tcp_rate.c.
 */
import { type InFlight, IS_APP_LIMITED } from "./in-flight.ts";

/** What an acknowledgement showed. */
export interface RateSample {
  /** How many packets arrived over that time; -1 when nothing can be said. */
  packets: number;
  intervalMs: number;
  isAppLimited: boolean;
  /** How many had arrived when the newest of them was sent. */
  deliveredBefore: number;
}

export class RateSampler {
  /** How many packets have arrived so far. */
  delivered = 0;
  readonly sample: RateSample = { packets: -1, intervalMs: 0, isAppLimited: false, deliveredBefore: 0 };
  #deliveredAt = 0;
  #firstSentAt = 0;
  /** Until so many have arrived, the application had less to send than the path takes; 0: not so. */
  #limitedUntil = 0;

  get isAppLimited(): boolean {
    return this.#limitedUntil > 0;
  }

  /** A packet leaves, for the first time or again; `isIdle` when no other was under way. */
  sent(now: number, flight: InFlight, slot: number, isIdle: boolean): void {
    if (isIdle) this.#firstSentAt = this.#deliveredAt = now;
    flight.delivered[slot] = this.delivered;
    flight.deliveredAt[slot] = this.#deliveredAt;
    flight.firstSentAt[slot] = this.#firstSentAt;
    if (this.#limitedUntil > 0) flight.flags[slot]! |= IS_APP_LIMITED;
    else flight.flags[slot]! &= ~IS_APP_LIMITED;
  }

  /** There is room in the window and nothing to send. */
  limited(underWay: number): void {
    this.#limitedUntil = Math.max(1, this.delivered + underWay);
  }

  /** `packets` more have arrived; `slot` is the most recently sent of them. Intervals below `minRttMs` say nothing. */
  arrived(now: number, packets: number, flight: InFlight, slot: number, minRttMs: number): RateSample {
    this.delivered += packets;
    if (this.#limitedUntil > 0 && this.delivered > this.#limitedUntil) this.#limitedUntil = 0;
    const sentAt = flight.sentAt[slot]!;
    const { sample } = this;
    const intervalMs = Math.max(sentAt - flight.firstSentAt[slot]!, now - flight.deliveredAt[slot]!);
    sample.deliveredBefore = flight.delivered[slot]!;
    sample.isAppLimited = (flight.flags[slot]! & IS_APP_LIMITED) !== 0;
    sample.intervalMs = intervalMs;
    const saysNothing = intervalMs <= 0 || (minRttMs < Infinity && intervalMs < minRttMs);
    sample.packets = saysNothing ? -1 : this.delivered - sample.deliveredBefore;
    this.#firstSentAt = sentAt;
    this.#deliveredAt = now;
    return sample;
  }
}
