import { expect, test } from "bun:test";
import { ReplayWindow, WINDOW_BITS } from "../../../src/tunnel/replay-window.ts";
import { SeededRandom } from "../../support/random.ts";

test("each counter is accepted once, in any order within the window", () => {
  const window = new ReplayWindow();
  for (const counter of [0, 5, 3, 8191, 1]) {
    expect(window.check(counter)).toBe(true);
    window.accept(counter);
    expect(window.check(counter)).toBe(false);
  }
  expect([window.highest, window.received]).toEqual([8191, 5]);
});

test("exactly the 8192 counters up to the highest can still come", () => {
  const window = new ReplayWindow();
  window.accept(100_000);
  expect(window.check(100_000 - WINDOW_BITS + 1)).toBe(true);
  expect(window.check(100_000 - WINDOW_BITS)).toBe(false);
});

test("asking changes nothing", () => {
  const window = new ReplayWindow();
  expect(window.check(2 ** 40)).toBe(true);
  expect(window.check(0)).toBe(true);
  expect([window.highest, window.received]).toEqual([-1, 0]);
});

test("it agrees with a plain set, for steps small and huge", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new SeededRandom(seed);
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let highest = -1;
    for (let step = 0; step < 1500; step++) {
      const reach = random.pick([3, 40, 8000, 8300, 20_000]);
      let counter = Math.max(0, highest + random.below(2 * reach) - reach);
      if (random.chance(0.01)) counter = highest + 2 ** (10 + random.below(38)) + random.below(64);
      counter = Math.min(counter, 2 ** 53 - 1);
      const expected = counter > highest - WINDOW_BITS && !seen.has(counter);
      if (window.check(counter) !== expected) throw new Error(`seed ${seed} step ${step}: counter ${counter}`);
      if (!expected) continue;
      window.accept(counter);
      seen.add(counter);
      highest = Math.max(highest, counter);
    }
    expect(window.highest).toBe(highest);
    expect(window.received).toBe(seen.size);
  }
});
