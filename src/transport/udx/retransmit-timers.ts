/**
 * When to act because nothing was heard: the tail-loss probe soon, the retransmission timeout late, and in between the moment at
 * which a packet that others overtook counts as lost. Source: udx-wire.md §8.2–8.4; RFC 8985 §7; RFC 6298 §5.
 */
import type { RoundTrip } from "./round-trip.ts";

/** Expiries in a row after which the other end counts as gone. */
const MAX_EXPIRIES = 7;
/** What the other end may wait before it acknowledges a packet that comes alone. */
const DELAYED_ACK_MS = 2;

export class RetransmitTimers {
  timeoutAt = Infinity;
  probeAt = Infinity;
  reorderAt = Infinity;
  #expiries = 0;
  /** One probe for each round trip that was measured. */
  #mayProbe = false;

  get deadline(): number {
    return Math.min(this.timeoutAt, this.probeAt, this.reorderAt);
  }

  /** A packet leaves for the first time. `mayLack` says that the tail may be lost unseen: no loss and no gap is known. */
  sent(now: number, roundTrip: RoundTrip, underWay: number, mayLack: boolean): void {
    if (this.timeoutAt === Infinity) this.timeoutAt = now + roundTrip.rtoMs;
    this.#armProbe(now, roundTrip, underWay, mayLack);
  }

  /** Something arrived; `underWay` counts all that is still unacknowledged. */
  progressed(now: number, roundTrip: RoundTrip, underWay: number, mayLack: boolean): void {
    if (underWay === 0) return this.stop();
    this.timeoutAt = now + roundTrip.rtoMs;
    this.#armProbe(now, roundTrip, underWay, mayLack);
  }

  /** Everything up to some number arrived. */
  advanced(): void {
    this.#expiries = 0;
  }

  measured(): void {
    this.#mayProbe = true;
  }

  /** The probe is due: it leaves now, and the timeout waits its full time again. */
  probed(now: number, roundTrip: RoundTrip): void {
    this.#mayProbe = false;
    this.probeAt = Infinity;
    this.timeoutAt = now + roundTrip.rtoMs;
  }

  /** The timeout is due. Returns whether it was the last one. Differs from RFC 6298, as the reference does: no backing off further. */
  expired(now: number, roundTrip: RoundTrip): boolean {
    this.probeAt = Infinity;
    this.reorderAt = Infinity;
    this.timeoutAt = now + 2 * roundTrip.rtoMs;
    return ++this.#expiries >= MAX_EXPIRIES;
  }

  stop(): void {
    this.timeoutAt = Infinity;
    this.probeAt = Infinity;
    this.reorderAt = Infinity;
  }

  #armProbe(now: number, roundTrip: RoundTrip, underWay: number, mayLack: boolean): void {
    this.probeAt = Infinity;
    if (!this.#mayProbe || !mayLack || !roundTrip.isKnown) return;
    const waitMs = 2 * roundTrip.smoothedMs + (underWay === 1 ? DELAYED_ACK_MS : 0);
    this.probeAt = Math.min(now + waitMs, this.timeoutAt);
  }
}
