/**
 * Asking whether a window that was closed is open again. Source: udx-wire.md §11.
 * Differs: the reference asks for ever; here seven questions without any answer mean that the other end is gone.
 */
const MAX_UNANSWERED = 7;

export class ZeroWindow {
  dueAt = Infinity;
  #unanswered = 0;
  #isRepeat = false;

  /** There is something to send, all before it has arrived, and the window is closed. `isFresh`: since a write just now. */
  blocked(now: number, rtoMs: number, isFresh: boolean): void {
    if (this.dueAt < Infinity) return;
    this.dueAt = isFresh ? now : now + rtoMs;
    this.#isRepeat = !isFresh;
  }

  open(): void {
    this.dueAt = Infinity;
  }

  heard(): void {
    this.#unanswered = 0;
  }

  /** It is due: returns whether to ask; false when nobody is there. */
  ask(now: number, rtoMs: number): boolean {
    this.dueAt = now + (this.#isRepeat ? 2 : 1) * rtoMs;
    this.#isRepeat = true;
    return this.#unanswered++ < MAX_UNANSWERED;
  }
}
