/**
 * How often we answer who asks for nothing but an answer: a heartbeat, or an END that was acknowledged already. The reference answers
 * each, and some of its releases send 150,000 a second (udx-wire.md §12).
 */
const BURST = 16;
const EVERY_MS = 10;

export class AnswerLimit {
  #paidUntil = -Infinity;

  /** Whether one more may leave now. */
  take(now: number): boolean {
    if (this.#paidUntil - now > (BURST - 1) * EVERY_MS) return false;
    this.#paidUntil = Math.max(now, this.#paidUntil) + EVERY_MS;
    return true;
  }
}
