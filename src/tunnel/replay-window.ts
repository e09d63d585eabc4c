/**
 * Which message counters have been received: a ring of bits (RFC 6479), so moving on clears whole words instead of shifting.
 * The 8192 counters up to the highest can still arrive, each once; older ones are refused.
 */
export const WINDOW_BITS = 8192;
// More words than the window's 256, so that the word being filled is never one still asked about; and a power of two,
// so that finding a word takes an `&`, which is right for all counters below 2^53.
const RING_WORDS = 512;

export class ReplayWindow {
  #highest = -1;
  #received = 0;
  readonly #ring = new Int32Array(RING_WORDS);

  /** -1 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /** How many counters were accepted. */
  get received(): number {
    return this.#received;
  }

  /** Whether `counter` (an integer in [0, 2^53)) would be accepted. Changes nothing: the message is not authenticated yet. */
  check(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter + WINDOW_BITS <= this.#highest) return false;
    return (this.#ring[wordOf(counter)]! & (1 << (counter & 31))) === 0;
  }

  /** Takes in a counter that `check` allows, after its message was authenticated. */
  accept(counter: number): void {
    if (counter > this.#highest) this.#moveTo(counter);
    this.#ring[wordOf(counter)]! |= 1 << (counter & 31);
    this.#received++;
  }

  #moveTo(counter: number): void {
    const steps = Math.floor(counter / 32) - Math.floor(this.#highest / 32);
    if (steps >= RING_WORDS) this.#ring.fill(0);
    else for (let step = 0; step < steps; step++) this.#ring[wordOf(counter - 32 * step)] = 0;
    this.#highest = counter;
  }
}

function wordOf(counter: number): number {
  return (counter / 32) & (RING_WORDS - 1);
}
