import { expect, test } from "bun:test";
import { COLUMN, NO_PEER, Stats } from "../../../../src/io/datapath/stats.ts";

test("rows are apart, shared, and cleared alone", () => {
  const stats = new Stats(3);
  const reader = new Stats(3, stats.shared);
  stats.add(NO_PEER, COLUMN.malformed, 2);
  stats.add(0, COLUMN.forged, 1);
  stats.add(0, COLUMN.forged, 1);
  stats.add(2, COLUMN.sentBytes, 10);
  expect([NO_PEER, 0, 1, 2].map((row) => reader.drops(row))).toEqual([{ malformed: 2 }, { forged: 2 }, {}, {}]);
  expect(reader.get(2, COLUMN.sentBytes)).toBe(10);
  stats.clear(0);
  expect([NO_PEER, 0, 1, 2].map((row) => reader.drops(row))).toEqual([{ malformed: 2 }, {}, {}, {}]);
  expect(reader.get(2, COLUMN.sentBytes)).toBe(10);
});

test("the last row is inside", () => {
  const stats = new Stats(3);
  const columns = Object.values(COLUMN);
  stats.set(2, Math.max(...columns), 7);
  expect(stats.get(2, Math.max(...columns))).toBe(7);
  expect(new Set(columns).size).toBe(columns.length);
});
