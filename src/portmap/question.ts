/** One thing that a router is asked, and how long it has to answer. */

/** What is not answered within a second is not answered: a router is next door. */
export const ANSWER_MS = 1_000;
/** A datagram may be lost: sent again after this, and then after twice as long each time. Source: RFC 6886 §3.1. */
const FIRST_WAIT_MS = 250;

export class Question {
  readonly #send: () => void;
  readonly #onSilence: (now: number) => void;
  readonly #endsAt: number;
  #sendAt: number;
  #waitMs = FIRST_WAIT_MS;

  /** Asks at once. `repeats`: false for what the transport below repeats by itself. `onSilence` is called once at most. */
  constructor(now: number, { repeats }: { repeats: boolean }, send: () => void, onSilence: (now: number) => void) {
    this.#send = send;
    this.#onSilence = onSilence;
    this.#endsAt = now + ANSWER_MS;
    this.#sendAt = repeats ? now + this.#waitMs : Infinity;
    send();
  }

  advance(now: number): void {
    if (now >= this.#endsAt) return this.#onSilence(now);
    if (now < this.#sendAt) return;
    this.#waitMs *= 2;
    this.#sendAt += this.#waitMs;
    this.#send();
  }

  deadline(): number {
    return Math.min(this.#sendAt, this.#endsAt);
  }
}
