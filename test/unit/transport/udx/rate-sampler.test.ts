import { expect, test } from "bun:test";
import { InFlight } from "../../../../src/transport/udx/in-flight.ts";
import { RateSampler } from "../../../../src/transport/udx/rate-sampler.ts";

function send(rates: RateSampler, flight: InFlight, now: number): void {
  const isIdle = flight.underWay === 0;
  const slot = flight.add();
  flight.sentAt[slot] = now;
  rates.sent(now, flight, slot, isIdle);
}

test("ten packets sent over 9 ms and acknowledged over 20 ms arrive at the slower of the two rates", () => {
  const [rates, flight] = [new RateSampler(), new InFlight(0)];
  for (let now = 100; now < 110; now++) send(rates, flight, now);
  const sample = rates.arrived(130, 10, flight, 9, 20);
  expect(sample).toMatchObject({ packets: 10, intervalMs: 30, deliveredBefore: 0, isAppLimited: false });
  send(rates, flight, 131);
  expect(rates.arrived(160, 1, flight, 10, 20)).toMatchObject({ packets: 1, intervalMs: 30, deliveredBefore: 10 });
});

test("an interval below the shortest round trip says nothing", () => {
  const [rates, flight] = [new RateSampler(), new InFlight(0)];
  send(rates, flight, 0);
  expect(rates.arrived(5, 1, flight, 0, 20).packets).toBe(-1);
});

test("packets sent while there was nothing more to send are marked, until those have arrived", () => {
  const [rates, flight] = [new RateSampler(), new InFlight(0)];
  send(rates, flight, 0);
  rates.limited(flight.underWay);
  send(rates, flight, 1);
  expect(rates.arrived(20, 1, flight, 0, 1).isAppLimited).toBe(false);
  expect(rates.arrived(21, 1, flight, 1, 1).isAppLimited).toBe(true);
  expect(rates.isAppLimited).toBe(false);
});
