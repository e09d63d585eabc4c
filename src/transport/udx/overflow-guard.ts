/**
 * A bound on the window where loss can only be a full buffer: on a path within one machine or one room. BBR takes no notice of loss,
 * and with a receive buffer of 208 KiB (Linux, unprivileged) nearly half of all packets over loopback were sent in vain.
 * Differs: the reference has no such bound. On longer paths there is none here either, since there loss may be chance.
 */
const NEAR_MS = 3;
/** More than chance loses where it does (`npm run bench udx`), as in BBR version 2. */
const MOST_LOSS = 0.02;
/** Packets to judge by. */
const LEAST_SAMPLE = 64;
const BACK_OFF = 0.8;
const GROWTH = 1 / 16;
const LEAST_WINDOW = 16;

export class OverflowGuard {
  /** Packets that may be under way. */
  limit = Infinity;
  #arrived = 0;
  #lost = 0;
  /** The most that were under way meanwhile. */
  #most = 0;

  /** What an acknowledgement brought; `isRoundStart` when a round trip has passed since the last time that it was. */
  add(of: { arrived: number; lost: number; underWay: number; isRoundStart: boolean; minRttMs: number }): void {
    this.#arrived += of.arrived;
    this.#lost += of.lost;
    this.#most = Math.max(this.#most, of.underWay);
    if (!of.isRoundStart || this.#arrived + this.#lost < LEAST_SAMPLE) return;
    const isOverflow = this.#lost > MOST_LOSS * (this.#arrived + this.#lost);
    if (of.minRttMs > NEAR_MS) this.limit = Infinity;
    else if (isOverflow) this.limit = Math.max(LEAST_WINDOW, Math.floor(Math.min(this.limit, this.#most) * BACK_OFF));
    else this.limit *= 1 + GROWTH;
    this.#arrived = this.#lost = this.#most = 0;
  }
}
