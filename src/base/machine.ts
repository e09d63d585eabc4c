/**
 * A pure state machine: inputs are methods of its own that take `now` first, outputs are plain objects.
 * The driver feeds one input, then takes every output, then asks for the next deadline; it need not know what it runs.
 * All times are monotonic milliseconds.
 */
export interface Machine<Output> {
  /** Does whatever is due at `now`. */
  advance(now: number): void;
  /** When `advance` must be called next; -Infinity for at once, Infinity for never. */
  deadline(): number;
  /** Hands over, and forgets, all outputs since the last call, oldest first. */
  drain(): Output[];
}
