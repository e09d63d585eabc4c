/** How far something has come, for the person that waits for it: nothing within the first second. */
import type { Terminal } from "./command.ts";
import { LiveLine } from "./live-line.ts";

const QUIET_MS = 1_000;
const REWRITE_EVERY_MS = 250;
/** Where words cannot be rewritten. */
const REPEAT_EVERY_MS = 10_000;

export class Progress {
  readonly #live: LiveLine;
  #nextAt = performance.now() + QUIET_MS;

  constructor(terminal: Terminal) {
    this.#live = new LiveLine(terminal);
  }

  /** May be called as often as one likes. */
  note(words: () => string): void {
    const now = performance.now();
    if (now < this.#nextAt) return;
    const { isPossible } = this.#live;
    if (isPossible) this.#live.show(words());
    else this.#live.printWords(`${words()}\n`);
    this.#nextAt = now + (isPossible ? REWRITE_EVERY_MS : REPEAT_EVERY_MS);
  }

  end(): void {
    this.#live.clear();
  }
}
