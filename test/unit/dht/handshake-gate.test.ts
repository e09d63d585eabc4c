import { expect, test } from "bun:test";
import { HandshakeGate } from "../../../src/dht/handshake-gate.ts";
import { SeededRandom } from "../../support/random.ts";

const count = (times: number, passes: (i: number) => boolean) =>
  Array.from({ length: times }, (_, i) => passes(i)).filter(Boolean).length;

test("one network begins fifty handshakes a second, and leaves as many to others", () => {
  const gate = new HandshakeGate(new SeededRandom(1));
  const flood = (now: number) => count(10_000, (i) => gate.passes(now, [`20.0.0.${i % 250}`]));
  expect([flood(0), count(50, (i) => gate.passes(0, [`30.0.${i}.1`]))]).toEqual([50, 50]);
  expect([flood(1_000), count(50, (i) => gate.passes(1_000, [`30.0.${i}.1`]))]).toEqual([50, 50]);
});

test("all together begin a hundred a second", () => {
  const gate = new HandshakeGate(new SeededRandom(1));
  const all = (now: number) => count(10_000, (i) => gate.passes(now, [`20.${i >> 8}.${i & 255}.1`]));
  expect([all(0), all(10), all(1_010), all(60_000)]).toEqual([100, 1, 100, 100]);
});

test("who names others as its clients is counted itself", () => {
  const gate = new HandshakeGate(new SeededRandom(1));
  expect(count(1_000, (i) => gate.passes(0, [`30.${i >> 8}.${i & 255}.1`, "20.0.0.1"]))).toBe(50);
});

test("what is refused uses nothing up", () => {
  const gate = new HandshakeGate(new SeededRandom(1));
  count(50, () => gate.passes(0, ["20.0.0.1"]));
  count(1_000, () => gate.passes(0, ["20.0.0.1", "30.0.0.1"]));
  expect(count(1_000, () => gate.passes(0, ["30.0.0.1"]))).toBe(50);
});
