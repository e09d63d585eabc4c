import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Guard, type HeldRequest } from "../../../src/dht/guard.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { Wire } from "../../support/dht-wire.ts";
import { SeededRandom } from "../../support/random.ts";

const STRANGER: Address = { host: "5.9.17.33", port: 4_000 };
const host = (i: number) => `20.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

function guarded(seed = 1) {
  const wire = new Wire();
  const released: number[] = [];
  const release = (_now: number, { datagram }: HeldRequest) => void released.push(datagram[0]!);
  const guard = new Guard({ requests: wire.requests, random: new SeededRandom(seed), release });
  const hold = (mark: number, from = STRANGER) =>
    guard.hold(wire.now, { socket: "server", from, datagram: Uint8Array.of(mark) });
  return { wire, guard, released, hold };
}

test("OM-37 a host counts as verified for five minutes after it showed that it receives", () => {
  const { guard } = guarded();
  expect(guard.isVerified(0, STRANGER.host)).toBe(false);
  guard.verified(0, STRANGER.host);
  expect(guard.isVerified(5 * 60_000 - 1, STRANGER.host)).toBe(true);
  expect(guard.isVerified(5 * 60_000, STRANGER.host)).toBe(false);
  expect(guard.isVerified(0, "5.9.17.34")).toBe(false);
});

test("addresses that the internet does not route need no verifying and have no limit", () => {
  const { guard } = guarded();
  for (const host of ["127.0.0.1", "10.1.2.3", "192.168.1.1"]) {
    expect(guard.isVerified(0, host)).toBe(true);
    for (let i = 0; i < 5_000; i++) expect(guard.allows(0, host)).toBe(true);
  }
});

test("of the hosts that were verified the last 16,384 are remembered", () => {
  const { guard } = guarded();
  for (let i = 0; i < 16_385; i++) guard.verified(0, host(i));
  expect([0, 1, 16_384].map((i) => guard.isVerified(1, host(i)))).toEqual([false, true, true]);
});

test("OM-37 a held request makes one brief ping of eleven bytes, to where it came from, through the socket that it came on", () => {
  const { wire, hold } = guarded();
  expect([hold(1), hold(2)]).toEqual([true, true]);
  expect(wire.sent).toHaveLength(1);
  const [{ socket, to, request, datagram }] = wire.sent as [(typeof wire.sent)[0]];
  expect([socket, to, request.command, request.isInternal, request.isBrief]).toEqual([
    "server",
    STRANGER,
    INTERNAL.ping,
    true,
    true,
  ]);
  expect(datagram).toHaveLength(11);
  wire.run(60_000);
  expect(wire.sent).toHaveLength(1); // never repeated
});

test("once its sender is verified what was held is released, in its order and once", () => {
  const { guard, released, hold } = guarded();
  for (const mark of [1, 2, 3]) hold(mark);
  guard.verified(0, "5.9.17.34");
  expect(released).toEqual([]);
  guard.verified(0, STRANGER.host);
  guard.verified(0, STRANGER.host);
  expect(released).toEqual([1, 2, 3]);
});

test("a request that is held again as it is released waits for the next time", () => {
  const wire = new Wire();
  const guard: Guard = new Guard({
    requests: wire.requests,
    random: new SeededRandom(1),
    release: (now, held) => void guard.hold(now, held),
  });
  guard.hold(0, { socket: "server", from: STRANGER, datagram: Uint8Array.of(1) });
  guard.verified(0, STRANGER.host);
  expect(wire.sent).toHaveLength(2);
});

test("what a silent sender asked is dropped and counted after a second", () => {
  const { wire, guard, released, hold } = guarded();
  hold(1);
  hold(2);
  wire.run(999);
  expect(guard.dropped.unverified).toBe(0);
  wire.run(1_000);
  expect(guard.dropped.unverified).toBe(2);
  guard.verified(1_000, STRANGER.host);
  expect(released).toEqual([]);
  hold(3);
  expect(wire.sent).toHaveLength(2);
});

test("behind one address each port is asked for itself, and the silence of one takes nothing from another", () => {
  const { wire, guard, released, hold } = guarded();
  hold(1, { ...STRANGER, port: 1 });
  wire.run(900);
  hold(2, { ...STRANGER, port: 2 });
  expect(wire.sent.map(({ to }) => to.port)).toEqual([1, 2]);
  wire.run(1_500);
  expect(guard.dropped.unverified).toBe(1);
  guard.verified(1_500, STRANGER.host);
  expect(released).toEqual([2]);
});

test("four requests of one host and 2,048 in all are held; the next is dropped and counted", () => {
  const { guard, wire, hold } = guarded();
  expect([1, 2, 3, 4, 5].map((mark) => hold(mark))).toEqual([true, true, true, true, false]);
  for (let i = 0; i < 2_100; i++) hold(1, { host: host(i), port: 1 });
  expect(guard.dropped.unverified).toBe(1 + 2_100 - 2_044);
  expect(wire.requests.size).toBe(1 + 2_044);
  wire.run(1_000);
  expect(guard.dropped.unverified).toBe(5 + 2_100);
  expect(hold(1)).toBe(true); // there is room again
});

test("a flood of forged senders does not take the window from what we ask ourselves, nor speak of the network's health", () => {
  const { wire, hold } = guarded();
  const owner = { answered: () => {}, failed: () => {} };
  for (let i = 0; i < 256; i++) hold(1, { host: host(i), port: 1 });
  wire.requests.start(0, { to: STRANGER, isInternal: true, command: INTERNAL.ping, retries: 0 }, owner);
  expect(wire.sent.at(-1)?.to).toEqual(STRANGER);
  wire.run(60_000);
  expect(wire.requests.timeouts).toBe(1);
});

test("a /24 may ask a thousand times at once and five hundred times a second, whichever of its hosts asks", () => {
  const { guard } = guarded();
  const ask = (now: number, times: number) =>
    Array.from({ length: times }, (_, i) => guard.allows(now, `5.9.17.${i % 250}`)).filter(Boolean).length;
  expect(ask(0, 5_000)).toBe(1_000);
  expect(guard.dropped.tooMany).toBe(4_000);
  expect(ask(1_000, 5_000)).toBe(500);
  expect(ask(1_010, 5_000)).toBe(5);
  expect(ask(3_600_000, 5_000)).toBe(1_000);
  expect(guard.allows(0, "5.9.18.1")).toBe(true);
});

test("which networks share a limit depends on the whole of their prefixes and on a secret", () => {
  /** The networks that are refused after the first has used up its limit. */
  const shared = (seed: number) => {
    const { guard } = guarded(seed);
    for (let i = 0; i < 1_000; i++) guard.allows(0, "5.9.17.1");
    const refused: number[] = [];
    // The same low bits of the prefix, and other high ones.
    for (let first = 11; first < 100; first++) if (!guard.allows(0, `${first}.9.17.1`)) refused.push(first);
    return refused;
  };
  for (const seed of [1, 2, 3]) expect(shared(seed).length).toBeLessThan(3);
});
