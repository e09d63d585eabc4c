import { expect, test } from "bun:test";
import { LocalIndices } from "../../../src/tunnel/local-indices.ts";
import { SeededRandom } from "../../support/random.ts";

test("no number comes twice", () => {
  const indices = new LocalIndices(new SeededRandom(1));
  const seen = new Set(Array.from({ length: 100_000 }, () => indices.take()));
  expect(seen.size).toBe(100_000);
  for (const index of seen) if (index !== index >>> 0) throw new Error(`${index} is not 32 bits`);
});

test("numbers look random and differ from one tunnel to the next", () => {
  const [a, b] = [new LocalIndices(new SeededRandom(1)), new LocalIndices(new SeededRandom(2))];
  const numbers = Array.from({ length: 4000 }, () => a.take());
  expect(numbers.slice(0, 10)).not.toEqual(Array.from({ length: 10 }, () => b.take()));
  for (let bit = 0; bit < 32; bit++) {
    const share = numbers.filter((number) => (number >>> bit) & 1).length / numbers.length;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.05);
  }
});
