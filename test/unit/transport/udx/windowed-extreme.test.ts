import { expect, test } from "bun:test";
import { WindowedExtreme } from "../../../../src/transport/udx/windowed-extreme.ts";

test("the best stays for the window, and then the best after it takes its place", () => {
  const largest = new WindowedExtreme("largest", 10, 0);
  expect(largest.value).toBe(0);
  const seen: number[] = [];
  for (const [time, value] of [
    [0, 5],
    [1, 9],
    [4, 3],
    [7, 4],
    [10, 2],
    [12, 1],
    [30, 1],
  ] as const) {
    largest.add(time, value);
    seen.push(largest.value);
  }
  expect(seen).toEqual([5, 9, 9, 9, 9, 4, 1]);
});

test("the smallest likewise, and a clear forgets", () => {
  const smallest = new WindowedExtreme("smallest", 10, Infinity);
  smallest.add(0, 5);
  smallest.add(1, 7);
  expect(smallest.value).toBe(5);
  smallest.add(2, 3);
  expect(smallest.value).toBe(3);
  smallest.clear();
  expect(smallest.value).toBe(Infinity);
});
