import { expect, test } from "bun:test";
import { RoundTrips } from "../../../src/dht/round-trips.ts";

const MOST_MS = 1_000;

test("a node that never answered is given half a second", () => {
  expect(new RoundTrips().waitMs(1, MOST_MS)).toBe(500);
  expect(new RoundTrips().waitMs(1, 100)).toBe(100);
});

test("an answer is late after the smoothed round trip and four times its deviation, as RFC 6298 has it", () => {
  const roundTrips = new RoundTrips();
  roundTrips.heard(1, 100);
  expect(roundTrips.waitMs(1, MOST_MS)).toBe(100 + 4 * 50);
  roundTrips.heard(1, 180);
  // 100 + 80/8; 50 + (80 - 50)/4
  expect(roundTrips.waitMs(1, MOST_MS)).toBe(110 + 4 * 57.5);
});

test("the wait is never shorter than a quarter of a second, nor longer than asked for", () => {
  const roundTrips = new RoundTrips();
  for (let i = 0; i < 50; i++) roundTrips.heard(1, 0);
  expect(roundTrips.waitMs(1, MOST_MS)).toBe(250);
  for (let i = 0; i < 50; i++) roundTrips.heard(2, 900);
  for (let i = 0; i < 5; i++) roundTrips.heard(2, i % 2 ? 1_800 : 0);
  expect(roundTrips.waitMs(2, MOST_MS)).toBe(MOST_MS);
});

test("full, what was heard longest ago is forgotten", () => {
  const roundTrips = new RoundTrips();
  for (let key = 0; key < 1_024; key++) roundTrips.heard(key, 100);
  roundTrips.heard(0, 100);
  roundTrips.heard(9_999, 100);
  expect([1, 2, 9_999].map((key) => roundTrips.waitMs(key, MOST_MS))).toEqual([500, 300, 300]);
  expect(roundTrips.waitMs(0, MOST_MS)).toBeLessThan(300);
});
