import { expect, test } from "bun:test";
import { Internet, type InternetOptions } from "../../sim/internet/internet.ts";
import { jitterAt } from "../../sim/internet/link.ts";
import { End } from "./end.ts";

const MANY = 20_000;

function pair(options: Partial<InternetOptions> = {}) {
  const internet = new Internet({ seed: 1, ...options });
  const [a, b] = [new End(internet.addHost()), new End(internet.addHost())];
  return { internet, a, b };
}

/** One datagram a millisecond, named by its number; the numbers as they arrive. */
function stream({ internet, a, b }: ReturnType<typeof pair>, count = MANY): number[] {
  for (let i = 0; i < count; i++) internet.after(i, () => a.say(b.address, `${i}`));
  internet.runFor(count + 10_000);
  return b.heard.splice(0).map(({ text }) => Number(text));
}

const overtaken = (numbers: number[]) => numbers.filter((number, i) => i > 0 && number < numbers[i - 1]!).length;

/** Within three standard deviations of 0.1, the widest share asked for here. */
function expectShare(share: number, wanted: number): void {
  expect(Math.abs(share - wanted)).toBeLessThan(0.0064);
}

test("in fair weather all arrives once and in order, however much the delay wanders", () => {
  const numbers = stream(pair({ jitterMs: 40 }));
  expect(numbers).toEqual(Array.from({ length: MANY }, (_, i) => i));
});

test("latencies of both ends add up, and jitter comes on top", () => {
  const { internet, a, b } = pair({ jitterMs: 0 });
  [a.host.link.latencyMs, b.host.link.latencyMs] = [10, 25];
  a.say(b.address);
  internet.runUntil(() => b.heard.length === 1, 100);
  expect(internet.now).toBe(35);

  a.host.link.jitterMs = 8;
  const delays = Array.from({ length: 500 }, () => {
    const sentAt = internet.now;
    a.say(b.address);
    const before = b.heard.length;
    internet.runUntil(() => b.heard.length > before, 100);
    return internet.now - sentAt;
  });
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(35);
  expect(Math.min(...delays)).toBeLessThan(37);
  expect(Math.max(...delays)).toBeLessThan(43);
  expect(Math.max(...delays)).toBeGreaterThan(41);
});

test("jitter spreads over its range and never changes as fast as time passes", () => {
  const heights = Array.from({ length: 10_000 }, (_, at) => jitterAt(at * 16, 1, 5));
  expect(heights.reduce((sum, height) => sum + height) / heights.length).toBeCloseTo(0.5, 1);
  for (let at = 0; at < 1000; at += 0.1) {
    expect(Math.abs(jitterAt(at + 0.1, 30, 9) - jitterAt(at, 30, 9))).toBeLessThan(0.1 / 16 + 1e-9);
  }
});

test.each([1, 2, 3])("seed %d: loss, duplication and reordering befall the share that was asked for", (seed) => {
  const lossy = pair({ seed, loss: 0.1 });
  expectShare(stream(lossy).length / MANY, 0.9);
  expectShare(lossy.internet.carrier.dropped.lost! / MANY, 0.1);

  const doubling = pair({ seed, duplication: 0.05 });
  expectShare(stream(doubling).length / MANY, 1.05);
  expectShare(doubling.internet.carrier.duplicated / MANY, 0.05);

  const numbers = stream(pair({ seed, reordering: 0.02, reorderMs: 50 }));
  expect(numbers).toHaveLength(MANY);
  expectShare(overtaken(numbers) / MANY, 0.02);
});

test("the worse end decides, and the weather may change while time runs", () => {
  const world = pair({ loss: 0.1 });
  world.a.host.link.loss = 0;
  expect(stream(world, 1000).length).toBeLessThan(960);
  world.b.host.link.loss = 0;
  expect(stream(world, 1000)).toHaveLength(1000);
  world.b.host.link.loss = 1;
  expect(stream(world, 1000)).toHaveLength(0);
  world.b.host.link.loss = undefined;
  world.internet.conditions.loss = 0;
  expect(stream(world, 1000).length).toBe(1000);
});

test("what is larger than the smaller MTU of the two does not arrive", () => {
  const { internet, a, b } = pair();
  b.host.link.mtuBytes = 1280;
  for (const length of [1252, 1253, 1473]) a.say(b.address, "x".repeat(length));
  internet.runFor(1000);
  expect(b.heard.map(({ text }) => text.length)).toEqual([1252]);
  expect(internet.carrier.dropped).toEqual({ "too-big": 2 });
});

test("dropWhen loses exactly what a test wants lost", () => {
  const { internet, a, b } = pair();
  internet.carrier.dropWhen = (from, to, datagram) => from === a.host && to === b.host && datagram[0] === 0x32;
  for (const text of ["1", "2", "3"]) a.say(b.address, text);
  internet.runFor(1000);
  expect(b.heard.map(({ text }) => text)).toEqual(["1", "3"]);
  expect(internet.carrier.dropped).toEqual({ intercepted: 1 });
});

test("both the sender and each receiver own their bytes", () => {
  const { internet, a, b } = pair({ duplication: 1 });
  const received: Uint8Array[] = [];
  b.socket.onDatagram((_, datagram) => received.push(datagram));
  const bytes = Buffer.from([1, 2, 3]);
  a.socket.send(b.address, bytes);
  bytes.fill(9);
  internet.runFor(1000);
  received[0]!.fill(7);
  expect(received).toEqual([new Uint8Array([7, 7, 7]), new Uint8Array([1, 2, 3])]);
});
