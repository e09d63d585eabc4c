import { expect, test } from "bun:test";
import { Topics } from "../../../src/dht/topics.ts";
import { SeededRandom } from "../../support/random.ts";

const LIFETIME_MS = 1_000;
const [TOPIC, OTHER] = ["aa".repeat(32), "bb".repeat(32)];
const topics = (capacity = 10_000) =>
  new Topics({ random: new SeededRandom(1), capacity, lifetimeMs: LIFETIME_MS, isShared: true });
const record = (i: number) => Uint8Array.of(i, i >> 8);
const host = (i: number) => `20.${i >> 8}.${i & 255}.1`;
const numbers = (records: Uint8Array[]) => records.map(([low = 0, high = 0]) => low + 256 * high);

function filled(count: number): Topics {
  const kept = topics();
  for (let i = 0; i < count; i++) kept.add(0, TOPIC, `key ${i}`, record(i), host(i));
  return kept;
}

test("a topic's records are found under it alone, one for each key", () => {
  const kept = filled(3);
  kept.add(0, TOPIC, "key 1", record(9), host(1));
  kept.add(0, OTHER, "key 1", record(7), host(1));
  expect(numbers(kept.sample(0, TOPIC, 20)).toSorted()).toEqual([0, 2, 9]);
  expect(numbers(kept.sample(0, OTHER, 20))).toEqual([7]);
  expect([kept.sample(0, "cc", 20), kept.size]).toEqual([[], 4]);
});

test("of more than are wanted each is as likely as any other, and none comes twice", () => {
  const kept = filled(40);
  const counts = new Map<number, number>();
  for (let round = 0; round < 400; round++) {
    const chosen = numbers(kept.sample(0, TOPIC, 20));
    expect(new Set(chosen).size).toBe(20);
    for (const one of chosen) counts.set(one, (counts.get(one) ?? 0) + 1);
  }
  expect(counts.size).toBe(40);
  for (const count of counts.values()) expect(Math.abs(count - 200)).toBeLessThan(50); // five deviations
});

test("records leave when they are taken away and when their time is over", () => {
  const kept = filled(3);
  kept.add(500, TOPIC, "key 1", record(1), host(1));
  kept.remove(TOPIC, "key 2");
  kept.remove(TOPIC, "key 2");
  kept.remove(OTHER, "key 1");
  expect(numbers(kept.sample(999, TOPIC, 20)).toSorted()).toEqual([0, 1]);
  expect(numbers(kept.sample(1_000, TOPIC, 20))).toEqual([1]);
  expect([kept.sample(1_500, TOPIC, 20), kept.size]).toEqual([[], 0]);
});

test("whatever comes and goes, a topic has exactly what was added and not removed", () => {
  const random = new SeededRandom(5);
  const kept = topics();
  const expected = new Map<string, { number: number; endsAt: number }>();
  for (let now = 0; now < 5_000; now++) {
    const [topic, key] = [random.pick([TOPIC, OTHER]), `key ${random.below(30)}`];
    if (random.chance(0.3)) {
      kept.remove(topic, key);
      expected.delete(topic + key);
    } else if (random.chance(0.2)) {
      kept.add(now, topic, key, record(now), host(now % 200));
      expected.set(topic + key, { number: now, endsAt: now + LIFETIME_MS });
    }
    if (now % 50 > 0) continue;
    for (const one of [TOPIC, OTHER]) {
      const there = [...expected].filter(([id, { endsAt }]) => id.startsWith(one) && endsAt > now);
      const found = numbers(kept.sample(now, one, 1_000));
      expect(found.toSorted()).toEqual(there.map(([, { number }]) => number).toSorted());
    }
  }
});

test("full, an announcement is refused", () => {
  const kept = topics(16);
  for (let i = 0; i < 16; i++) expect(kept.add(0, TOPIC, `key ${i}`, record(i), host(i))).toBe(true);
  expect(kept.add(0, OTHER, "key", record(99), host(99))).toBe(false);
  expect([kept.size, kept.sample(0, OTHER, 20)]).toEqual([16, []]);
});
