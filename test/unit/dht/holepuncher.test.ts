import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { type Analysis, Holepuncher } from "../../../src/dht/holepuncher.ts";
import { FIREWALL } from "../../../src/wire/noise-payload.ts";
import { FakeSurroundings, node, US } from "../../support/fake-surroundings.ts";

const PEER: Address = { host: "88.99.3.86", port: 4_000 };
const { unknown, consistent, random } = FIREWALL;

function puncher(around = new FakeSurroundings(), mapped: Address | null = null, isInitiator = true) {
  let exhausted = 0;
  const made = new Holepuncher(0, around, { isInitiator, mapped, onExhausted: () => exhausted++ });
  const analyses: Analysis[] = [];
  const analyse = (mayReopen: boolean) => made.analyse(around.wire.now, mayReopen, (_, each) => analyses.push(each));
  const meet = (firewall: number, verifiedHost: string | null = PEER.host) =>
    made.updateRemote({ isPunching: true, firewall, addresses: [PEER], verifiedHost });
  return { made, around, analyses, analyse, meet, exhausted: () => exhausted };
}
const everyNodeAnother = (_: unknown, i: number) => ({ ...US, port: 5_000 + i });

test("OM-32 it samples its own socket by four nodes, once each", () => {
  const { made, around, analyses, analyse } = puncher();
  const pings = around.wire.sent;
  expect(pings.map(({ socket, to }) => [socket, to])).toEqual([1, 2, 3, 4].map((i) => ["punch-1", node(i)]));
  analyse(false);
  expect(analyses).toEqual([]);
  around.answerPings(() => US);
  expect([made.nat.firewall, made.nat.addresses]).toEqual([consistent, [US]]);
  expect(analyses).toEqual([{ isStable: true, isReopened: false }]);
});

test("with a large table the nodes heard last are left alone", () => {
  const around = new FakeSurroundings();
  around.nodes = Array.from({ length: 20 }, (_, i) => node(i));
  puncher(around);
  expect(around.wire.sent.map(({ to }) => to)).toEqual([5, 6, 7, 8].map(node));
});

test("when nodes are silent others are asked, once; then the verdict is that nothing is known", () => {
  const { around, analyses, analyse } = puncher();
  analyse(false);
  around.wire.run(10_000);
  expect(around.wire.sent.map(({ to }) => to)).toEqual([1, 2, 3, 4, 5, 6].map(node));
  expect(analyses).toEqual([{ isStable: false, isReopened: false }]);
  expect(around.wire.requests.size).toBe(0);
});

test("a NAT that gives no verdict that helps gets up to three fresh sockets, of which one at a time is open", () => {
  const { made, around, analyses, analyse, meet } = puncher();
  meet(random);
  analyse(true);
  for (let i = 1; i <= 4; i++) {
    expect([...around.sockets]).toEqual([`punch-${i}`]);
    expect(analyses).toEqual([]);
    around.answerPings(everyNodeAnother);
  }
  expect(analyses).toEqual([{ isStable: false, isReopened: true }]);
  expect([...around.sockets]).toEqual(["punch-4"]);
  made.settle(0, null);
  expect([...around.sockets]).toEqual([]);
});

test("OM-33 probes go only where a token was echoed, whatever else the peer names", () => {
  const { made, around, meet } = puncher();
  around.answerPings(() => US);
  meet(consistent, null);
  expect(made.punch(0)).toBe("nothing");
  meet(consistent, "192.0.2.1");
  expect([made.punch(0), around.probes]).toEqual(["nothing", []]);
  meet(consistent);
  expect(made.punch(0)).toBe("punching");
  made.advance(0);
  expect(around.probes.map(({ to }) => to)).toEqual([PEER]);
});

test("OM-33 two punch from behind a random NAT at once; the next is busy until one of them is over", () => {
  const around = new FakeSurroundings();
  const punchers = [1, 2, 3].map(() => {
    const each = puncher(around);
    around.answerPings(everyNodeAnother);
    each.meet(consistent);
    return each.made;
  });
  expect(punchers.map((each) => each.punch(0))).toEqual(["punching", "punching", "busy"]);
  expect(around.sockets.size).toBe(256 + 256 + 1);
  punchers[0]!.settle(0, null);
  punchers[0]!.settle(0, null);
  expect(punchers[2]!.punch(0)).toBe("punching");
  for (const each of punchers) each.settle(0, null);
  expect([around.sockets.size, around.wire.requests.size]).toEqual([0, 0]);
});

test("settled on a socket it closes all others, sends nothing more and knows nothing of late answers", () => {
  const { made, around, analyses, analyse, meet, exhausted } = puncher();
  around.answerPings(everyNodeAnother);
  meet(consistent);
  made.punch(0);
  analyse(false);
  made.settle(0, "punch-7");
  expect([...around.sockets]).toEqual(["punch-7"]);
  const sent = around.probes.length;
  made.advance(60_000);
  expect([around.probes.length, made.deadline(), exhausted()]).toEqual([sent, Infinity, 0]);
  expect(analyses).toHaveLength(1);
});

test("OM-33 a punch that nobody answers ends by itself", () => {
  const { made, around, meet, exhausted } = puncher();
  around.answerPings(() => US);
  meet(unknown);
  made.punch(0);
  for (let now = made.deadline(); now < Infinity; now = made.deadline()) made.advance(now);
  expect([exhausted(), around.probes.length]).toEqual([1, 10]);
});

test("with a port mapping it waits on the server socket, is open at once, and closes nothing that is not its own", () => {
  const mapped = { ...US, port: 49_737 };
  const { made, around, analyses, analyse, meet } = puncher(new FakeSurroundings(), mapped);
  expect([made.socket, made.nat.firewall, made.nat.addresses]).toEqual(["server", FIREWALL.open, [mapped]]);
  meet(random);
  analyse(true);
  expect(analyses).toEqual([{ isStable: true, isReopened: false }]);
  expect(made.punch(0)).toBe("punching");
  made.settle(0, null);
  expect([around.wire.sent, around.sockets.size]).toEqual([[], 0]);
});

test("to an open peer a random NAT needs one socket, and goes first", () => {
  const { made, around, analyse, meet } = puncher(new FakeSurroundings(), null, false);
  meet(FIREWALL.open);
  analyse(true);
  around.answerPings(everyNodeAnother);
  expect(made.punch(0)).toBe("punching");
  made.advance(0);
  expect(around.probes).toEqual([{ socket: "punch-1", to: PEER, reach: "far" }]);
  expect(around.sockets.size).toBe(1);
});
