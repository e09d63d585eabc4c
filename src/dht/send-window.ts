/**
 * How many requests may be under way: a count in four spans of 750 ms, so that answers that never come stop counting after 3 s.
 * Source: dht-rpc lib/io.js `CongestionWindow`; specification §3.5.
 */
const SPANS = 4;
export const SPAN_MS = 750;

export class SendWindow {
  readonly #max: number;
  readonly #spans = new Array<number>(SPANS).fill(0);
  #current = 0;
  #total = 0;
  /** When the current span ends. */
  #endsAt = -Infinity;

  /** At most `max` within one span, and twice that in all. */
  constructor(max: number) {
    this.#max = max;
  }

  isFull(now: number): boolean {
    this.#advance(now);
    return this.#spans[this.#current]! >= this.#max || this.#total >= 2 * this.#max;
  }

  /** When a full window may have room by itself. */
  get roomAt(): number {
    return this.#endsAt;
  }

  sent(now: number): void {
    this.#advance(now);
    this.#spans[this.#current]!++;
    this.#total++;
  }

  /** A request was answered, failed or was given up. */
  finished(now: number): void {
    this.#advance(now);
    if (this.#spans[this.#current]! > 0) this.#spans[this.#current]!--;
    if (this.#total > 0) this.#total--;
  }

  #advance(now: number): void {
    if (now < this.#endsAt) return;
    const passed = Math.min(SPANS, Math.floor((now - this.#endsAt) / SPAN_MS) + 1);
    for (let i = 0; i < passed; i++) {
      this.#current = (this.#current + 1) % SPANS;
      this.#total -= Math.min(this.#total, this.#spans[this.#current]!);
      this.#spans[this.#current] = 0;
    }
    this.#endsAt = passed === SPANS ? now + SPAN_MS : this.#endsAt + passed * SPAN_MS;
  }
}
