/** A source of chance: the operating system's in production (`src/io/entropy.ts`), a seeded one in tests. */
export interface Random {
  /** `length` fresh bytes in a new array of their own. */
  bytes(length: number): Uint8Array;
}

/** A uniform integer in [0, 2^32). */
export function randomUint32(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
