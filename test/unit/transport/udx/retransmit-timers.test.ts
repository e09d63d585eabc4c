import { expect, test } from "bun:test";
import { RetransmitTimers } from "../../../../src/transport/udx/retransmit-timers.ts";
import { RoundTrip } from "../../../../src/transport/udx/round-trip.ts";

const measured = () => {
  const times = new RoundTrip();
  times.sample(0, 30);
  return times;
};

test("without any answer it expires after one second, then every two, and the seventh time is the last", () => {
  const timers = new RetransmitTimers();
  const times = new RoundTrip();
  timers.sent(0, times, 1, true);
  const seen: string[] = [];
  for (let isLast = false; !isLast; ) {
    const now = timers.deadline;
    isLast = timers.expired(now, times);
    seen.push(`${now}${isLast ? " last" : ""}`);
  }
  expect(seen).toEqual(["1000", "3000", "5000", "7000", "9000", "11000", "13000 last"]);
});

test("the tail is probed once for each measured round trip, after two of them", () => {
  const timers = new RetransmitTimers();
  const times = measured();
  timers.measured();
  timers.sent(100, times, 1, true);
  expect(timers.probeAt).toBe(162); // a packet that is alone may be acknowledged late
  timers.sent(101, times, 2, true);
  expect(timers.probeAt).toBe(161);
  timers.probed(161, times);
  expect(timers.deadline).toBe(1161);
  timers.sent(170, times, 3, true);
  expect(timers.probeAt).toBe(Infinity);
  timers.measured();
  timers.progressed(180, times, 2, false);
  expect(timers.probeAt).toBe(Infinity); // a gap is known: loss detection sees to it
  timers.progressed(190, times, 2, true);
  expect(timers.probeAt).toBe(250);
});

test("progress counts the expiries anew, and nothing under way stops all", () => {
  const timers = new RetransmitTimers();
  const times = measured();
  timers.sent(0, times, 1, true);
  for (let i = 0; i < 6; i++) expect(timers.expired(i, times)).toBe(false);
  timers.advanced();
  for (let i = 0; i < 6; i++) expect(timers.expired(i, times)).toBe(false);
  timers.progressed(10, times, 0, true);
  expect(timers.deadline).toBe(Infinity);
});
