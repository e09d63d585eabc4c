/**
 * The largest (or smallest) of the measurements of the last while, from three of them instead of all: the best, the best after that,
 * and the best after that one. Source: Kathleen Nichols' algorithm, Linux lib/win_minmax.c.
 */
export class WindowedExtreme {
  readonly #span: number;
  readonly #sign: 1 | -1;
  #values: [number, number, number];
  #times: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  readonly #none: number;

  /** `span` in the unit of the times given to `add`; `none` is the value before there is any. */
  constructor(kind: "largest" | "smallest", span: number, none: number) {
    this.#sign = kind === "largest" ? 1 : -1;
    this.#span = span;
    this.#none = none;
    this.#values = [none, none, none];
  }

  get value(): number {
    return this.#values[0];
  }

  add(time: number, value: number): void {
    const isEmpty = this.#times[0] === -Infinity;
    if (isEmpty || this.#atLeast(value, 0) || time - this.#times[2] > this.#span) return this.reset(time, value);
    if (this.#atLeast(value, 1)) this.#put(1, time, value);
    else if (this.#atLeast(value, 2)) this.#put(2, time, value);
    this.#age(time, value);
  }

  /** Forgets all but this. */
  reset(time: number, value: number): void {
    this.#put(0, time, value);
  }

  clear(): void {
    this.#values = [this.#none, this.#none, this.#none];
    this.#times = [-Infinity, -Infinity, -Infinity];
  }

  #atLeast(value: number, place: 0 | 1 | 2): boolean {
    return this.#sign * value >= this.#sign * this.#values[place];
  }

  /** As the best, and all after it. */
  #put(from: 0 | 1 | 2, time: number, value: number): void {
    for (let i = from; i < 3; i++) {
      this.#values[i] = value;
      this.#times[i] = time;
    }
  }

  #age(time: number, value: number): void {
    const since = time - this.#times[0];
    if (since > this.#span) {
      this.#shift(time, value);
      if (time - this.#times[0] > this.#span) this.#shift(time, value);
    } else if (this.#times[1] === this.#times[0] && since > this.#span / 4) {
      this.#put(1, time, value);
    } else if (this.#times[2] === this.#times[1] && since > this.#span / 2) {
      this.#put(2, time, value);
    }
  }

  /** The best has left the window. */
  #shift(time: number, value: number): void {
    this.#values = [this.#values[1], this.#values[2], value];
    this.#times = [this.#times[1], this.#times[2], time];
  }
}
