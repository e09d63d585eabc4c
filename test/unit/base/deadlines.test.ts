import { expect, test } from "bun:test";
import { Deadlines } from "../../../src/base/deadlines.ts";
import { SeededRandom } from "../../support/random.ts";

test("the first is always the one that is due soonest, however they are put off and forward", () => {
  const random = new SeededRandom(1);
  const deadlines = new Deadlines<{ dueAt: number; place: number }>();
  const items = Array.from({ length: 50 }, () => ({ dueAt: Infinity, place: -1 }));
  for (let step = 0; step < 5_000; step++) {
    deadlines.set(random.pick(items), random.chance(0.2) ? Infinity : random.below(1_000));
    const soonest = Math.min(...items.map(({ dueAt }) => dueAt));
    expect(deadlines.first?.dueAt ?? Infinity).toBe(soonest);
  }
});
