import { expect, test } from "bun:test";
import { ReorderBuffer } from "../../../../src/transport/udx/reorder-buffer.ts";
import { SeededRandom } from "../../../support/random.ts";

const PAYLOAD = Uint8Array.of(1, 2, 3);

test("its runs are ascending, apart, and exactly what it has", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const buffer = new ReorderBuffer(1e6, { bytesLeft: 1e6 });
    const have = new Set<number>();
    let next = 0xffff_ff00;
    for (let step = 0; step < 300; step++) {
      const seq = next + 1 + random.below(60);
      if (random.chance(0.7) && !buffer.has(seq)) {
        expect(buffer.put(seq, next, 1, PAYLOAD)).toBe(true);
        have.add(seq);
      } else {
        next++;
        have.delete(next - 1);
        for (; have.delete(next); next++) expect(buffer.take(next)!.payload).toEqual(PAYLOAD);
        expect(buffer.take(next)).toBeNull();
      }
      const runs: number[] = [];
      for (const each of [...have].sort((a, b) => a - b)) {
        if (runs.at(-1) === each) runs[runs.length - 1] = each + 1;
        else runs.push(each, each + 1);
      }
      expect([...buffer.runs]).toEqual(runs);
      expect(buffer.payloadBytes).toBe(have.size * PAYLOAD.length);
    }
  }
});

test("what is too far ahead, too much, or too much for all streams together is refused", () => {
  const budget = { bytesLeft: 2_000 };
  const [one, other] = [new ReorderBuffer(1_000, budget), new ReorderBuffer(10_000, budget)];
  expect(one.put(65_536, 0, 1, PAYLOAD)).toBe(false);
  expect(one.put(65_535, 0, 1, PAYLOAD)).toBe(true);
  expect(one.put(1, 0, 1, new Uint8Array(900))).toBe(false);
  expect(other.put(1, 0, 1, new Uint8Array(1_400))).toBe(true);
  expect(other.put(3, 0, 1, new Uint8Array(400))).toBe(false);
  other.clear();
  one.clear();
  expect(budget.bytesLeft).toBe(2_000);
});

test("it keeps a copy", () => {
  const buffer = new ReorderBuffer(1_000, { bytesLeft: 1_000 });
  const lent = Uint8Array.of(7);
  buffer.put(1, 0, 1, lent);
  lent[0] = 8;
  expect(buffer.take(1)!.payload).toEqual(Uint8Array.of(7));
});
