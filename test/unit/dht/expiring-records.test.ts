import { expect, test } from "bun:test";
import { ExpiringRecords } from "../../../src/dht/expiring-records.ts";

const LIFETIME_MS = 1_000;

function records(capacity: number, isShared = true) {
  const removed: string[] = [];
  const onRemoved = (value: string) => void removed.push(value);
  return { records: new ExpiringRecords<string>({ capacity, lifetimeMs: LIFETIME_MS, isShared, onRemoved }), removed };
}

/** The n-th /24, and within it the n-th host. */
const host = (prefix: number, n = 1) => `20.${prefix >> 8}.${prefix & 255}.${n}`;

test("a record lives for its time after it was last put", () => {
  const { records: kept, removed } = records(100);
  kept.set(0, "a", "first", host(1));
  expect([kept.get(999, "a"), kept.get(1_000, "a")]).toEqual(["first", null]);
  kept.set(500, "a", "second", host(1));
  expect([kept.get(1_499, "a"), kept.get(1_500, "a")]).toEqual(["second", null]);
  expect([kept.get(0, "b"), kept.size]).toEqual([null, 1]);
  expect(removed).toEqual(["first"]);
});

test("what is over leaves as soon as another is put, or when asked", () => {
  const { records: kept, removed } = records(100);
  kept.set(0, "a", "a", host(1));
  kept.set(10, "b", "b", host(2));
  kept.set(1_005, "c", "c", host(3));
  expect([removed, kept.size]).toEqual([["a"], 2]);
  kept.expire(2_500);
  expect([removed, kept.size]).toEqual([["a", "b", "c"], 0]);
});

test("full, the newcomer is refused and those that are there stay; one that is there may be put anew", () => {
  const { records: kept, removed } = records(32);
  for (let i = 0; i < 32; i++) expect(kept.set(i, `key ${i}`, "old", host(i))).toBe(true);
  expect(kept.set(100, "new", "new", host(99))).toBe(false);
  expect([kept.size, removed, kept.get(100, "new")]).toEqual([32, [], null]);
  expect(kept.set(100, "key 0", "anew", host(0))).toBe(true);
  expect([kept.size, kept.get(100, "key 0")]).toEqual([32, "anew"]);
  expect(kept.set(1_001, "new", "new", host(99))).toBe(true); // one was over
});

test("one /24 has a sixteenth of the places, whichever of its hosts puts", () => {
  const { records: kept } = records(320);
  const put = Array.from({ length: 100 }, (_, i) => kept.set(0, `key ${i}`, "flood", host(1, i)));
  expect(put.filter(Boolean)).toHaveLength(20);
  expect(kept.set(0, "other", "other", host(2))).toBe(true);
  // Its own it may renew, and once they are over it has its places again.
  expect([kept.set(5, "key 3", "again", host(1)), kept.set(5, "key 20", "no", host(1))]).toEqual([true, false]);
  kept.delete("key 4");
  expect(kept.set(5, "key 20", "yes", host(1))).toBe(true);
  expect(kept.set(1_000, "key 21", "yes", host(1))).toBe(true);
});

test("where all are of one network, that may have all places", () => {
  const { records: kept } = records(20, false);
  const put = Array.from({ length: 30 }, (_, i) => kept.set(0, `key ${i}`, "value", host(1, i)));
  expect(put.filter(Boolean)).toHaveLength(20);
});

test("a record that another /24 puts anew counts for that one from then on", () => {
  const { records: kept } = records(32);
  expect([kept.set(0, "a", "1", host(1)), kept.set(0, "b", "1", host(1))]).toEqual([true, true]);
  expect(kept.set(0, "c", "1", host(1))).toBe(false);
  expect(kept.set(0, "a", "2", host(2))).toBe(true);
  expect(kept.set(0, "c", "1", host(1))).toBe(true);
});

test("a place that is refused for its /24 takes nothing from the record that is there", () => {
  const { records: kept } = records(16);
  kept.set(0, "a", "a", host(1));
  kept.set(0, "b", "b", host(2));
  expect(kept.set(0, "b", "stolen", host(1))).toBe(false);
  expect(kept.get(0, "b")).toBe("b");
});
