import { expect, test } from "bun:test";
import { MAX_JITTER_MS } from "../../../src/tunnel/timing.ts";
import {
  ADDRESS_A,
  ADDRESS_B,
  type PairOptions,
  pair,
  runUntil,
  shakeHands,
  take,
  timeline,
} from "../../support/tunnel-ends.ts";

/** Two ends with a session since 0 whose datapath has seen nothing. */
function connected(options: PairOptions = {}) {
  const [a, b] = pair(options);
  shakeHands(0, a, b);
  return [a, b] as const;
}

const NOTHING = { unansweredSince: 0, unheardSince: 0, lastTraversalAt: 0 };

test("an unanswered initiation is made anew every 5 s and a jitter of up to 333 ms, for 90 s", () => {
  for (const seed of [1, 2, 3]) {
    const [a] = pair({ seed });
    a.tunnel.want(0, 0);
    const seen = runUntil(a, 1_000_000);
    expect(seen.at(-1)?.type).toBe("unreachable");
    const sends = seen.slice(0, -1);
    const gaps = seen.slice(1).map(({ at }, i) => at - sends[i]!.at);
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(5_000);
      expect(gap).toBeLessThanOrEqual(5_000 + MAX_JITTER_MS);
    }
    expect(new Set(gaps).size).toBeGreaterThan(5);
    expect(seen.at(-1)!.at).toBeGreaterThanOrEqual(90_000);
    expect(sends.at(-1)!.at).toBeLessThan(90_000);
    const datagrams = sends.map((output) => (output.type === "send" ? output.datagram.toHex() : ""));
    expect(new Set(datagrams.map((hex) => hex.slice(8, 80))).size).toBe(sends.length); // index and ephemeral key
  }
});

test("after giving up, a new wish starts anew", () => {
  const [a] = pair();
  a.tunnel.want(0, 0);
  const { at } = runUntil(a, 1_000_000).at(-1)!;
  a.tunnel.want(at + 1, 0);
  expect(take(a, "send").to).toEqual(ADDRESS_B);
});

test("wishing again changes nothing, and wishing soon after a session waits until it is 5 s old", () => {
  const [a] = pair();
  for (let now = 0; now < 5_000; now += 100) a.tunnel.want(now, 0);
  expect(a.tunnel.drain().length).toBe(1);
  const [c] = connected();
  c.tunnel.want(1_000, 0);
  c.tunnel.want(1_001, 0);
  expect(timeline(runUntil(c, 5_200, 1_001))).toEqual(["5000 send"]);
});

test("a wish without an endpoint waits 90 s for one", () => {
  const [a, b] = pair({ endpoints: [null, null] });
  a.tunnel.want(0, 0);
  expect(timeline(runUntil(a, 80_000))).toEqual([]);
  a.tunnel.setEndpoint(80_000, 0, ADDRESS_B);
  expect(a.tunnel.drain().map(({ type }) => type)).toEqual(["endpoint", "send"]);
  b.tunnel.want(0, 0);
  expect(timeline(runUntil(b, 1_000_000))).toEqual(["90000 unreachable"]);
});

test("data that nobody answered is followed by a keepalive after 10 s, once", () => {
  const [a] = connected();
  a.activity = { ...NOTHING, unansweredSince: 12_345 };
  expect(timeline(runUntil(a, 100_000))).toEqual(["22345 keepalive"]);
  a.activity = { ...NOTHING, unansweredSince: 95_000 };
  expect(timeline(runUntil(a, 110_000, 100_001))).toEqual(["105000 keepalive"]);
});

test("data that nothing came back for leads to a handshake after 15 s and jitter", () => {
  const [a] = connected();
  a.activity = { ...NOTHING, unheardSince: 20_000 };
  const [first, second] = runUntil(a, 60_000);
  expect(first?.type).toBe("send");
  expect(first!.at).toBeGreaterThanOrEqual(35_000);
  expect(first!.at).toBeLessThanOrEqual(35_000 + MAX_JITTER_MS);
  expect(second!.at - first!.at).toBeLessThanOrEqual(5_000 + MAX_JITTER_MS);
});

test("a session settles what began before it", () => {
  const [a, b] = connected();
  a.activity = { unansweredSince: 15_000, unheardSince: 15_000, lastTraversalAt: 15_000 };
  shakeHands(16_000, a, b);
  expect(timeline(runUntil(a, 100_000, 16_000))).toEqual([]);
});

test("an end that has heard and said nothing is silent until it forgets, 540 s after its last session", () => {
  const [a] = connected();
  expect(timeline(runUntil(a, 10_000_000))).toEqual(["540000 forget"]);
  expect(a.tunnel.deadline()).toBe(Infinity);
});

test("a new session puts off the forgetting", () => {
  const [a, b] = connected();
  shakeHands(400_000, a, b);
  expect(timeline(runUntil(a, 10_000_000, 400_000))).toEqual(["940000 forget"]);
});

test("a peer to be kept alive is called at once, and again after giving up", () => {
  const [a] = pair({ persistentKeepaliveMs: 25_000 });
  expect(a.tunnel.deadline()).toBe(-Infinity);
  const seen = runUntil(a, 130_000);
  expect(seen[0]).toMatchObject({ type: "send", at: 0 });
  const gaveUp = seen.findIndex(({ type }) => type === "unreachable");
  const [last, again] = [seen[gaveUp - 1]!, seen[gaveUp + 1]!];
  expect([again.type, again.at - last.at]).toEqual(["send", 25_000]);
});

test("a peer to be kept alive whose address is not known is called as soon as it is", () => {
  const [a] = pair({ persistentKeepaliveMs: 25_000, endpoints: [null, null] });
  expect(timeline(runUntil(a, 400_000))).toEqual([]);
  a.tunnel.setEndpoint(400_001, 0, ADDRESS_A);
  expect(a.tunnel.drain().map(({ type }) => type)).toEqual(["endpoint", "send"]);
});

test("a persistent keepalive comes so long after the last packet either way, and after 180 s calls instead", () => {
  const [a, b] = pair({ persistentKeepaliveMs: 25_000 });
  a.tunnel.advance(0);
  b.tunnel.receive(0, a.address, take(a, "send").datagram);
  a.tunnel.receive(0, b.address, take(b, "send").datagram);
  a.tunnel.drain();
  a.activity = { ...NOTHING, lastTraversalAt: 10_000 };
  const seen = runUntil(a, 190_000);
  const keepalives = [35, 60, 85, 110, 135, 160].map((second) => `${second}000 keepalive`);
  expect(timeline(seen).slice(0, 7)).toEqual([...keepalives, "185000 send"]);
});
