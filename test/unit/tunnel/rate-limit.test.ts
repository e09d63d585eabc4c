import { expect, test } from "bun:test";
import { LOAD_THRESHOLD, LoadMeter, SourceLimiter } from "../../../src/tunnel/rate-limit.ts";

test("load is more than 64 in any second", () => {
  const meter = new LoadMeter();
  for (let i = 0; i < LOAD_THRESHOLD; i++) {
    expect(meter.isUnderLoad(10 * i)).toBe(false);
    meter.note(10 * i);
  }
  expect([640, 999, 1000].map((now) => meter.isUnderLoad(now))).toEqual([true, true, false]);
  meter.note(1000);
  expect([1009, 1010].map((now) => meter.isUnderLoad(now))).toEqual([true, false]);
});

test("a source has a burst of 5, then 20 a second", () => {
  const limiter = new SourceLimiter();
  const allowed = (now: number) => limiter.allow(now, "192.0.2.1");
  expect(Array.from({ length: 7 }, () => allowed(1000))).toEqual([true, true, true, true, true, false, false]);
  expect([1049, 1050, 1051, 1100].map(allowed)).toEqual([false, true, false, true]);
  let count = 0;
  for (let now = 2000; now < 12_000; now++) if (allowed(now)) count++;
  expect(count).toBe(204);
});

test("IPv4 addresses are limited one by one, IPv6 addresses by /64", () => {
  const limiter = new SourceLimiter();
  const exhaust = (host: string) => {
    while (limiter.allow(0, host));
  };
  exhaust("192.0.2.1");
  exhaust("2001:db8:0:1::1");
  expect(limiter.allow(0, "192.0.2.2")).toBe(true);
  expect(limiter.allow(0, "2001:db8:0:2::1")).toBe(true);
  expect(limiter.allow(0, "2001:db8:0:1:ffff::2")).toBe(false);
});

test("a flood of sources displaces nobody and does not grow the table, which empties by itself", () => {
  const limiter = new SourceLimiter();
  const host = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  for (let i = 0; i < 10_000; i++) expect(limiter.allow(0, host(i))).toBe(i < 4096);
  expect(limiter.size).toBe(4096);
  expect(limiter.allow(0, host(17))).toBe(true);
  expect(limiter.allow(300, host(9999))).toBe(true);
  expect(limiter.size).toBe(1);
});
