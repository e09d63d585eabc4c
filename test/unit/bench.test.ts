/** The parts of the benchmarks that decide something: the search for a packet rate, the ratios and the verdicts. */
import { expect, test } from "bun:test";
import { Lines } from "../bench/lines.ts";
import { median, percentile, type Round, ratiosOf, valuesOf } from "../bench/metrics.ts";
import { figure, grid, spreadText, targetTable } from "../bench/tables.ts";
import { judge, type Target, targetsAgainst } from "../bench/targets.ts";
import { highestRate, type Offered } from "../bench/udp-rate.ts";

const SECONDS = 1;
const GENERATOR_LIMIT = 400_000;

/** A link that delivers `capacity` packets a second of whatever is offered, and what was offered to it. */
function link(capacity: number) {
  const rates: number[] = [];
  const offer = async (rate: number): Promise<Offered> => {
    rates.push(rate);
    const sent = Math.min(rate, GENERATOR_LIMIT) * SECONDS;
    return { sent, received: Math.min(sent, capacity * SECONDS), seconds: SECONDS };
  };
  return { rates, offer };
}

test("the search finds a link's rate to a few percent", async () => {
  for (const capacity of [900, 50_000, 123_456, 399_000]) {
    const rate = await highestRate(link(capacity).offer);
    expect(rate / capacity).toBeWithin(0.93, 1.001);
  }
});

test("a link that loses nothing of what the generator can send has the generator's rate, at once", async () => {
  const { rates, offer } = link(1e9);
  expect(await highestRate(offer)).toBe(GENERATOR_LIMIT);
  expect(rates).toEqual([Infinity]);
});

test("a link that delivers nothing has rate zero, after a bounded number of tries", async () => {
  const { rates, offer } = link(0);
  expect(await highestRate(offer)).toBe(0);
  expect(rates.length).toBeLessThan(20);
});

test("one disturbed step is tried again and changes nothing", async () => {
  const { rates, offer } = link(100_000);
  const disturbed = async (rate: number) => {
    const offered = await offer(rate);
    return rates.length === 2 ? { ...offered, received: offered.received / 2 } : offered;
  };
  expect(await highestRate(disturbed)).toBeWithin(93_000, 100_001);
});

test("the median is the middle one, or between the two in the middle", () => {
  expect(median([])).toBeNull();
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 50, 99, 100]);
  expect(percentile([7], 99)).toBe(7);
});

const ROUNDS: readonly Round[] = [
  { dnet: { tcpAB: 6, cpu: 1.4 }, other: { tcpAB: 3 } },
  { dnet: { tcpAB: 2, cpu: 1.6 }, other: { tcpAB: 1 } },
  { dnet: { tcpAB: 5 }, other: {} },
];

test("ratios are taken within a round, and only where both tools have the figure", () => {
  expect(valuesOf(ROUNDS, "dnet", "tcpAB")).toEqual([6, 2, 5]);
  expect(ratiosOf(ROUNDS, "tcpAB", "dnet", "other")).toEqual([2, 2]);
  expect(ratiosOf(ROUNDS, "tcpAB", "dnet", "absent")).toEqual([]);
});

test("a target is met, not met, or not measured", () => {
  const verdict = (target: Omit<Target, "claim" | "tool">) =>
    judge(ROUNDS, { claim: "", tool: "dnet", ...target }).isMet;
  expect(verdict({ metric: "tcpAB", against: "other", atLeast: 2 })).toBe(true);
  expect(verdict({ metric: "tcpAB", against: "other", atLeast: 2.1 })).toBe(false);
  expect(verdict({ metric: "cpu", atMost: 1.5 })).toBe(true);
  expect(verdict({ metric: "cpu", atMost: 1.4 })).toBe(false);
  expect(verdict({ metric: "rss", atMost: 150 })).toBeNull();
});

test("the table of targets says plainly what is not met and what is not measured", () => {
  const text = targetTable(targetsAgainst("other").map((target) => judge(ROUNDS, target)));
  expect(text).toContain("TCP A→B, super-packets   dnet    other  at least 2.3 ×  2.00 (2.00–2.00)  NOT MET");
  expect(text).toContain("CPU s/GB, super-packets  dnet              at most 1.5  1.50 (1.40–1.60)      met");
  expect(text).toContain("not measured: ");
});

test("figures have three digits that count, and columns line up", () => {
  expect([0.01234, 2.5, 31.47, 231.44, 2225.4, null].map(figure)).toEqual([
    "0.0123",
    "2.50",
    "31.5",
    "231.4",
    "2225",
    "-",
  ]);
  expect(spreadText([2, 1, 4])).toBe("2.00 (1.00–4.00)");
  expect(spreadText([2])).toBe("2.00");
  expect(
    grid("title", [
      ["", "x"],
      ["tool", "1.00"],
    ]),
  ).toBe("title\n         x\ntool  1.00\n");
});

test("lines come whole, however the bytes came, and null ends them", async () => {
  const parts = ["on", "e\ntwo\nth", "ree\nrest"].map((text) => Buffer.from(text));
  const lines = new Lines(new Response(new Blob(parts)).body!);
  expect([await lines.next(), await lines.next(), await lines.next(), await lines.next()]).toEqual([
    "one",
    "two",
    "three",
    null,
  ]);
});
