import type { Terminal } from "./command.ts";

/** A line at the bottom of the terminal that is rewritten in place, while other lines come and stay above it. */
export class LiveLine {
  readonly #terminal: Terminal;
  #isShown = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Whether there is a terminal to rewrite it on; otherwise `show` does nothing. */
  get isPossible(): boolean {
    return this.#terminal.columns() !== null;
  }

  show(text: string): void {
    const columns = this.#terminal.columns();
    if (columns === null) return;
    // A line that reached the last column would begin another, which the next rewriting would miss.
    const shown = [...text].slice(0, Math.max(0, columns - 1)).join("");
    this.#terminal.stderr.write(`\r${shown}\x1b[K`); // erase to the end of the line (ECMA-48 EL)
    this.#isShown = true;
  }

  clear(): void {
    if (this.#isShown) this.#terminal.stderr.write("\r\x1b[K");
    this.#isShown = false;
  }

  /** A result that stays. */
  printResult(text: string): void {
    this.clear();
    this.#terminal.stdout.write(text);
  }

  /** Words that stay. */
  printWords(text: string): void {
    this.clear();
    this.#terminal.stderr.write(text);
  }
}
