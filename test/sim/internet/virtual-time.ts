import { assert } from "../../../src/base/assert.ts";
import { SeededRandom } from "../../support/random.ts";
import { EventQueue, type Happening } from "./event-queue.ts";

/** So many events without a millisecond passing mean that something answers itself for ever. */
const MAX_EVENTS_AT_ONE_MOMENT = 1_000_000;

/** A clock that stands still until told to run, and what happens as it does. One seed gives one course of events. */
export class VirtualTime {
  readonly seed: number;
  /** All chance in this world; a machine gets its own from `freshRandom`. */
  readonly random: SeededRandom;
  /** Called after each event, to check what must always be true. */
  onStep: (() => void) | null = null;
  /** How many events have happened. */
  steps = 0;

  #now = 0;
  #queue = new EventQueue();
  #isRunning = false;
  #eventsAtThisMoment = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new SeededRandom(seed);
  }

  /** Monotonic milliseconds, with fractions. */
  get now(): number {
    return this.#now;
  }

  /** A source of chance of its own, so what one machine draws leaves the others' draws alone. */
  freshRandom(): SeededRandom {
    return new SeededRandom(this.random.uint32());
  }

  /** Lets `happening` happen at a moment that is not past. */
  schedule(at: number, happening: Happening): void {
    assert(at >= this.#now && at < Number.POSITIVE_INFINITY, "what is to happen has a moment, which is not past");
    this.#queue.push(at, happening);
  }

  /** Acts at the moment `at`. */
  at(at: number, action: () => void): void {
    this.schedule(at, { happen: action });
  }

  /** Acts when `delayMs` have passed. */
  after(delayMs: number, action: () => void): void {
    this.at(this.#now + delayMs, action);
  }

  /** Lets time pass. */
  runFor(ms: number): void {
    this.#run(this.#now + ms, () => false);
  }

  /** Lets time pass until `condition` holds, which is asked after each event; throws when it does not within `withinMs`. */
  runUntil(condition: () => boolean, withinMs: number): void {
    const giveUpAt = this.#now + withinMs;
    if (this.#run(giveUpAt, condition)) return;
    throw new Error(`seed ${this.seed} at t=${this.#now}: within ${withinMs} ms it did not come true: ${condition}`);
  }

  /** Whether `isDone` came true; if not, it is now `until`. */
  #run(until: number, isDone: () => boolean): boolean {
    assert(!this.#isRunning, "time does not run within time: an action may use `after`");
    this.#isRunning = true;
    try {
      for (;;) {
        if (isDone()) return true;
        const at = this.#queue.nextAt;
        if (at > until) break;
        this.#countAt(at);
        this.#queue.pop().happen();
        this.onStep?.();
      }
      this.#now = until;
      return isDone();
    } catch (error) {
      throw new Error(`seed ${this.seed} at t=${this.#now}: ${error}`, { cause: error });
    } finally {
      this.#isRunning = false;
    }
  }

  #countAt(at: number): void {
    this.steps++;
    this.#eventsAtThisMoment = at === this.#now ? this.#eventsAtThisMoment + 1 : 0;
    this.#now = at;
    assert(
      this.#eventsAtThisMoment < MAX_EVENTS_AT_ONE_MOMENT,
      "time goes on: no machine rings at one moment for ever",
    );
  }
}
