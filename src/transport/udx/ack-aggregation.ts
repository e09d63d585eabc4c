/**
 * Acknowledgements often come in bursts, and a window of exactly what the path holds would run dry between two of them. This measures
 * how much more arrives at once than the rate explains. Source: udx-wire.md §9.2; Linux tcp_bbr.c `bbr_update_ack_aggregation`.
 */
const WINDOW_ROUNDS = 5;
const MOST_MS = 100;

export class AckAggregation {
  #extra: [number, number] = [0, 0];
  #current: 0 | 1 = 0;
  #rounds = 0;
  #epochAt = 0;
  #epochArrived = 0;

  add(
    now: number,
    of: {
      readonly arrived: number;
      readonly bandwidth: number;
      readonly isRoundStart: boolean;
      readonly window: number;
    },
  ): void {
    if (of.isRoundStart && ++this.#rounds >= WINDOW_ROUNDS) {
      this.#rounds = 0;
      this.#current = this.#current === 0 ? 1 : 0;
      this.#extra[this.#current] = 0;
    }
    let expected = of.bandwidth * (now - this.#epochAt);
    if (this.#epochArrived <= expected) {
      this.restart(now);
      expected = 0;
    }
    this.#epochArrived += of.arrived;
    const extra = Math.min(this.#epochArrived - expected, of.window);
    if (extra > this.#extra[this.#current]) this.#extra[this.#current] = extra;
  }

  restart(now: number): void {
    this.#epochAt = now;
    this.#epochArrived = 0;
  }

  /** Packets more than the path holds that bursts call for. */
  extra(bandwidth: number): number {
    return Math.floor(Math.min(Math.max(this.#extra[0], this.#extra[1]), bandwidth * MOST_MS));
  }
}
