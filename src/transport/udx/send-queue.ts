/**
 * The bytes of a stream from the write until they are acknowledged. Chunks are kept as they were written, so a byte is copied only
 * when it leaves; a place in the stream is a number of bytes from its beginning.
 */
const EMPTY = new Uint8Array(0);
/** Chunks that are done with are taken off the list so many at a time. */
const MAX_DONE = 64;

export class SendQueue {
  /** How many bytes were written, put into packets, and acknowledged so far. */
  written = 0;
  packed = 0;
  acknowledged = 0;
  #chunks: Uint8Array[] = [];
  #starts: number[] = [];
  #first = 0;
  /** Where the last look ended; the next usually begins there. */
  #hint = 0;

  get unsent(): number {
    return this.written - this.packed;
  }

  get unacknowledged(): number {
    return this.written - this.acknowledged;
  }

  /** The chunk is the queue's until it is acknowledged. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#starts.push(this.written);
    this.written += chunk.length;
  }

  /** Copies `length` bytes of the stream, from `start` on, to `at`. They were written, and not yet acknowledged. */
  copy(start: number, length: number, into: Uint8Array, at: number): void {
    let index = this.#find(start);
    let from = start - this.#starts[index]!;
    for (let left = length; left > 0; index++) {
      const chunk = this.#chunks[index]!;
      const bytes = Math.min(left, chunk.length - from);
      into.set(from === 0 && bytes === chunk.length ? chunk : chunk.subarray(from, from + bytes), at);
      at += bytes;
      left -= bytes;
      from = 0;
      this.#hint = index;
    }
  }

  /** All before `end` has arrived. */
  acknowledge(end: number): void {
    this.acknowledged = end;
    while (this.#first < this.#chunks.length && this.#starts[this.#first]! + this.#chunks[this.#first]!.length <= end) {
      this.#chunks[this.#first++] = EMPTY;
    }
    if (this.#first < MAX_DONE || this.#first * 2 < this.#chunks.length) return;
    this.#chunks.splice(0, this.#first);
    this.#starts.splice(0, this.#first);
    this.#hint = Math.max(0, this.#hint - this.#first);
    this.#first = 0;
  }

  clear(): void {
    this.#chunks = [];
    this.#starts = [];
    this.#first = 0;
    this.#hint = 0;
    this.acknowledged = this.packed = this.written;
  }

  /** The chunk that has that byte. */
  #find(place: number): number {
    const hint = this.#hint;
    if (this.#has(hint, place)) return hint;
    if (this.#has(hint + 1, place)) return hint + 1;
    let low = this.#first;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #has(index: number, place: number): boolean {
    if (index < this.#first || index >= this.#chunks.length) return false;
    const from = place - this.#starts[index]!;
    return from >= 0 && from < this.#chunks[index]!.length;
  }
}
