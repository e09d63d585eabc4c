import { expect, test } from "bun:test";
import { AckAggregation } from "../../../../src/transport/udx/ack-aggregation.ts";
import { Bbr, FIRST_WINDOW } from "../../../../src/transport/udx/bbr.ts";

/** A path that delivers `rate` packets a millisecond and takes `rttMs`; acknowledges one packet after another. */
function acknowledge(
  bbr: Bbr,
  path: { rate: number; rttMs: number; from: number; forMs: number },
  delivered = 0,
): number {
  const { rate, rttMs, from, forMs } = path;
  let arrived = delivered;
  for (let now = from; now < from + forMs; now += 1 / rate) {
    const underWay = Math.min(bbr.window, Math.ceil(rate * rttMs));
    bbr.arrived(now, {
      sample: { packets: rate * rttMs, intervalMs: rttMs, isAppLimited: false, deliveredBefore: arrived - underWay },
      arrived: 1,
      lost: 0,
      underWay,
      delivered: ++arrived,
      rttMs,
      recovery: "open",
    });
  }
  return arrived;
}

test("the window comes to twice what the path holds, and the pace to its rate", () => {
  const bbr = new Bbr();
  expect(bbr.window).toBe(FIRST_WINDOW);
  acknowledge(bbr, { rate: 20, rttMs: 50, from: 0, forMs: 3_000 });
  expect(bbr.window).toBeGreaterThanOrEqual(2_000);
  expect(bbr.window).toBeLessThan(2_400);
  expect(bbr.pacingRate).toBeGreaterThan(20 * 0.7);
  expect(bbr.pacingRate).toBeLessThan(20 * 1.26);
});

test("after ten seconds without a shorter round trip it makes the path empty for a moment", () => {
  const bbr = new Bbr();
  let arrived = acknowledge(bbr, { rate: 2, rttMs: 20, from: 0, forMs: 9_000 });
  const before = bbr.window;
  arrived = acknowledge(bbr, { rate: 2, rttMs: 25, from: 9_000, forMs: 1_100 }, arrived);
  expect(bbr.window).toBe(4);
  acknowledge(bbr, { rate: 2, rttMs: 20, from: 10_100, forMs: 1_000 }, arrived);
  expect(bbr.window).toBeGreaterThan(before / 2);
});

test("a timeout leaves one packet more than is under way, and its end brings the window back", () => {
  const bbr = new Bbr();
  const arrived = acknowledge(bbr, { rate: 10, rttMs: 20, from: 0, forMs: 2_000 });
  const before = bbr.window;
  bbr.timedOut(0);
  expect(bbr.window).toBe(1);
  acknowledge(bbr, { rate: 10, rttMs: 20, from: 3_000, forMs: 1 }, arrived);
  expect(bbr.window).toBeGreaterThanOrEqual(before - 1);
});

test("entering recovery keeps what is under way and what just left it", () => {
  const bbr = new Bbr();
  const delivered = acknowledge(bbr, { rate: 10, rttMs: 20, from: 0, forMs: 2_000 });
  const before = bbr.window;
  const sample = { packets: 200, intervalMs: 20, isAppLimited: false, deliveredBefore: delivered - 100 };
  const loss = { sample, arrived: 1, lost: 3, underWay: 150, delivered: delivered + 1, rttMs: 20 } as const;
  bbr.arrived(2_000, { ...loss, recovery: "recovery" });
  expect(bbr.window).toBe(153);
  bbr.arrived(2_001, { ...loss, lost: 0, recovery: "open" });
  expect(bbr.window).toBeGreaterThanOrEqual(before);
});

test("bursts of acknowledgements are worth what they bring beyond the rate, and are forgotten", () => {
  const bursts = new AckAggregation();
  for (let now = 10; now <= 100; now += 10)
    bursts.add(now, { arrived: 50, bandwidth: 5, isRoundStart: false, window: 500 });
  expect(bursts.extra(5)).toBe(50);
  for (let i = 0; i < 20; i++) bursts.add(100.2 + i, { arrived: 2, bandwidth: 5, isRoundStart: true, window: 500 });
  expect(bursts.extra(5)).toBeLessThan(20);
});
