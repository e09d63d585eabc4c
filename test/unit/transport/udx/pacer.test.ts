import { expect, test } from "bun:test";
import { Pacer } from "../../../../src/transport/udx/pacer.ts";

test("over a second it lets through what the rate says, beside the first burst", () => {
  const pacer = new Pacer();
  pacer.rate = 100; // bytes a millisecond
  let bytes = 0;
  for (let now = 0; now < 1_000; now = Math.max(now + 0.001, pacer.opensAt)) {
    pacer.fill(now);
    while (pacer.isOpen) {
      pacer.spend(1_200);
      bytes += 1_200;
    }
  }
  expect(bytes).toBeGreaterThan(100_000);
  expect(bytes).toBeLessThan(100_000 + 25_000 + 2_400);
});

test("after a pause it catches up on a few milliseconds alone", () => {
  const pacer = new Pacer();
  pacer.rate = 100_000;
  pacer.fill(0);
  pacer.spend(25_000);
  expect(pacer.isOpen).toBe(false);
  pacer.fill(10_000);
  let bytes = 0;
  for (; pacer.isOpen; bytes += 1_000) pacer.spend(1_000);
  expect(bytes).toBe(800_000);
});

test("a closed bucket opens when a run of packets, or a millisecond's worth, has come together", () => {
  const pacer = new Pacer();
  pacer.rate = 10;
  pacer.fill(0);
  pacer.spend(25_000);
  expect(pacer.opensAt).toBe(1);
  pacer.rate = 1_000_000;
  expect(pacer.opensAt).toBe(0.064);
});
