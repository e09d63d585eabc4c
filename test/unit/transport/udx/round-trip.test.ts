import { expect, test } from "bun:test";
import { RoundTrip } from "../../../../src/transport/udx/round-trip.ts";

test("it smooths as RFC 6298 does, and waits between one and thirty seconds", () => {
  const times = new RoundTrip();
  expect(times).toMatchObject({ isKnown: false, rtoMs: 1_000, minMs: Infinity });
  times.sample(0, 400);
  expect(times).toMatchObject({ smoothedMs: 400, rtoMs: 1_200, minMs: 400 });
  times.sample(1, 800);
  expect(times).toMatchObject({ smoothedMs: 450, rtoMs: 450 + 4 * 250 });
  const short = new RoundTrip();
  short.sample(0, 0.04);
  expect(short).toMatchObject({ smoothedMs: 0.04, rtoMs: 1_000 });
  const long = new RoundTrip();
  long.sample(0, 90_000);
  expect(long).toMatchObject({ smoothedMs: 30_000, rtoMs: 30_000 });
});

test("a sample after a suspended machine counts as the longest usual one", () => {
  const times = new RoundTrip();
  for (let i = 0; i < 100; i++) times.sample(i, 40);
  times.sample(200, 60_000);
  expect(times.smoothedMs).toBeLessThan(41);
});
