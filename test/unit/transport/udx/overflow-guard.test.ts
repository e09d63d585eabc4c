import { expect, test } from "bun:test";
import { OverflowGuard } from "../../../../src/transport/udx/overflow-guard.ts";

/** One round trip in which `lost` of 100 packets were. */
const round = (guard: OverflowGuard, lost: number, minRttMs: number) =>
  guard.add({ arrived: 100 - lost, lost, underWay: 100, isRoundStart: true, minRttMs });

test("on a short path more loss than chance makes the window smaller, and every clean round wider again", () => {
  const guard = new OverflowGuard();
  round(guard, 2, 0.1);
  expect(guard.limit).toBe(Infinity);
  round(guard, 3, 0.1);
  expect(guard.limit).toBe(80);
  round(guard, 10, 0.1);
  expect(guard.limit).toBe(64);
  round(guard, 0, 0.1);
  expect(guard.limit).toBe(68);
  for (let i = 0; i < 100; i++) round(guard, 50, 0.1);
  expect(guard.limit).toBe(16);
});

test("on a longer path loss may be chance, and bounds nothing", () => {
  const guard = new OverflowGuard();
  round(guard, 50, 0.1);
  round(guard, 50, 20);
  expect(guard.limit).toBe(Infinity);
});

test("a few packets are not judged by", () => {
  const guard = new OverflowGuard();
  guard.add({ arrived: 5, lost: 5, underWay: 10, isRoundStart: true, minRttMs: 0.1 });
  expect(guard.limit).toBe(Infinity);
});
