/**
 * The one block of memory that packets live in. Everything on the hot path speaks of offsets into it, so nothing is
 * allocated per packet, and libc is given `address + offset`.
 *
 * Nor is there an array of two on the hot path to name two things at once: before the optimising compiler has seen the code, each such
 * line is garbage, and 10 MB of it stay resident.
 *
 * The views stand over an explicit ArrayBuffer: JavaScriptCore moves small typed arrays of its own when their `.buffer` is
 * first touched, and an address taken earlier would then point to freed memory.
 */
import { ptr } from "bun:ffi";
import { assert } from "../../base/assert.ts";

export class Arena {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The address of offset 0 in this process. */
  readonly address: number;
  #used = 0;

  constructor(capacity: number) {
    const buffer = new ArrayBuffer(capacity);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.address = Number(ptr(buffer));
  }

  /** Sets `length` bytes aside for ever and returns their offset, a multiple of 64 (a cache line). */
  reserve(length: number): number {
    const at = this.#used;
    this.#used += (length + 63) & ~63;
    assert(this.#used <= this.bytes.length, `an arena of ${this.bytes.length} bytes has room for ${length} more`);
    return at;
  }
}
