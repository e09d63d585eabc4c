import { type Random, randomUint32 } from "../base/random.ts";

const ROUNDS = 4;

/**
 * Numbers for our handshakes and sessions, by which arriving messages find them. No number comes twice until 2^32 have
 * been given out, so nobody needs to know which are in use, on this thread or another; and they look random, so one says
 * nothing about the next: a counter, encrypted by a Feistel network with random round keys. Nothing rests on its strength.
 */
export class LocalIndices {
  #next = 0;
  readonly #roundKeys: readonly number[];

  constructor(random: Random) {
    this.#roundKeys = Array.from({ length: ROUNDS }, () => randomUint32(random));
  }

  /** An integer in [0, 2^32). */
  take(): number {
    let [left, right] = [this.#next >>> 16, this.#next & 0xffff];
    this.#next = (this.#next + 1) >>> 0;
    for (const key of this.#roundKeys) [left, right] = [right, left ^ scramble(right ^ key)];
    return ((left << 16) | right) >>> 0;
  }
}

/** 16 bits that depend on all 32 given (multiply and shift, as hash functions finish). */
function scramble(value: number): number {
  const mixed = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  return (Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39) >>> 16) & 0xffff;
}
