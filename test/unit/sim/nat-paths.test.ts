import { expect, test } from "bun:test";
import { Internet, type NatOptions } from "../../sim/internet/internet.ts";
import { RANDOM } from "../../sim/internet/nat-behaviour.ts";
import { End } from "./end.ts";

/**
 *   a, b ── home 10.0.1.0/24 ──┐
 *                              ├── carrier 100.64.0.0/10 ── carrier's NAT 203.0.113.1 ──(10 routers)── x
 *   c ───── other 10.0.2.0/24 ─┘
 */
function carrierGrade({ carrier = {}, home = {} }: { carrier?: NatOptions; home?: NatOptions } = {}) {
  const internet = new Internet({ seed: 1 });
  const cgn = internet.addNat({ addresses: ["203.0.113.1"], inside: "100.64.0.0/10", ...carrier });
  const [first, second] = [internet.addNat({ behind: cgn, ...home }), internet.addNat({ behind: cgn, ...home })];
  const [a, b] = [
    new End(internet.addHost({ behind: first }), 5000),
    new End(internet.addHost({ behind: first }), 5000),
  ];
  const c = new End(internet.addHost({ behind: second }), 5000);
  const x = new End(internet.addHost(), 1000);
  const run = () => internet.runFor(500);
  const outsideOf = (end: End) => {
    end.say(x.address);
    run();
    return x.lastFrom();
  };
  return { internet, cgn, first, second, a, b, c, x, run, outsideOf };
}

test("hosts behind one NAT reach each other by private addresses, quickly, and no mapping is made", () => {
  const { internet, first, a, b } = carrierGrade();
  expect([a.host.address, b.host.address]).toEqual(["10.0.1.2", "10.0.1.3"]);
  a.say(b.address);
  internet.runFor(5);
  expect(b.take()).toEqual(["hello from 10.0.1.2:5000"]);
  expect(first.mappings).toBe(0);
});

test("each site on the way adds its latency, and the lines of the ends theirs", () => {
  const { internet, a, x } = carrierGrade({ carrier: { insideLatencyMs: 4 }, home: { insideLatencyMs: 3 } });
  internet.conditions.jitterMs = 0;
  [a.host.link.latencyMs, x.host.link.latencyMs] = [20, 30];
  a.say(x.address);
  internet.runUntil(() => x.heard.length === 1, 500);
  expect(internet.now).toBe(57);
  x.say(x.lastFrom());
  internet.runUntil(() => a.heard.length === 1, 500);
  expect(internet.now).toBe(114);
});

test("a private address of another site reaches nobody, or whoever has it here", () => {
  const { internet, a, c, x, run } = carrierGrade();
  a.say(c.address);
  x.say(c.address);
  run();
  expect(c.heard).toEqual([]);
  expect(internet.carrier.dropped).toEqual({ private: 2 });

  const shared = { home: { inside: "192.168.1.0/24" } };
  const alike = carrierGrade(shared);
  expect([alike.a.host.address, alike.c.host.address]).toEqual(["192.168.1.2", "192.168.1.2"]);
  alike.b.say(alike.c.address);
  alike.run();
  expect([alike.a.heard.length, alike.c.heard.length]).toEqual([1, 0]);
});

test("behind two NATs, both translate, and a conversation goes both ways", () => {
  const { internet, cgn, first, a, x, run, outsideOf } = carrierGrade({ carrier: { ports: "random" } });
  const outside = outsideOf(a);
  expect(outside.host).toBe("203.0.113.1");
  expect(outside.port).not.toBe(5000);
  expect(first.address).toStartWith("100.64.");
  x.say(outside, "back");
  run();
  expect(a.heard.map(({ text }) => text)).toEqual(["back"]);
  expect([cgn.mappings, first.mappings]).toEqual([1, 1]);

  first.reboot();
  x.say(outside);
  run();
  expect(internet.carrier.dropped).toEqual({ unmapped: 1 });
});

test("a NAT that hairpins turns datagrams round, with the outside address as their source", () => {
  for (const filtering of ["endpoint-independent", "address-and-port-dependent"] as const) {
    const { internet, a, c, run, outsideOf } = carrierGrade({ carrier: { filtering }, home: { filtering } });
    const [outsideA, outsideC] = [outsideOf(a), outsideOf(c)];
    a.say(outsideC, "first");
    run();
    c.say(outsideA, "second");
    run();
    const [first, second] = [`first from 203.0.113.1:${outsideA.port}`, `second from 203.0.113.1:${outsideC.port}`];
    expect([...c.take(), ...a.take()]).toEqual(filtering === "endpoint-independent" ? [first, second] : [second]);
    expect(internet.carrier.dropped.filtered ?? 0).toBe(filtering === "endpoint-independent" ? 0 : 1);
  }
});

test("a NAT that does not hairpin drops what is for its own outside", () => {
  const { internet, a, b, c, run, outsideOf } = carrierGrade({ carrier: { hairpins: false } });
  a.say(outsideOf(c));
  a.say(outsideOf(b));
  run();
  expect([b.heard, c.heard]).toEqual([[], []]);
  expect(internet.carrier.dropped).toEqual({ "no-hairpin": 2 });
});

test("behind one carrier, homes reach each other by the addresses that the carrier gave them", () => {
  const { internet, first, second, a, c, run, outsideOf } = carrierGrade();
  outsideOf(c);
  a.say({ host: second.address, port: 5000 });
  run();
  expect(internet.carrier.dropped).toEqual({ filtered: 1 });
  c.say({ host: first.address, port: 5000 });
  run();
  expect(a.take()).toEqual([`hello from ${second.address}:5000`]);
});

test("a datagram lives for as many routers as its ttl, less one", () => {
  const reached = (ttl: number) => {
    const { internet, cgn, first, a, x, run } = carrierGrade();
    a.say(x.address, "probe", ttl);
    run();
    return { home: first.mappings, carrier: cgn.mappings, x: x.heard.length, died: internet.carrier.dropped.ttl ?? 0 };
  };
  expect(reached(1)).toEqual({ home: 0, carrier: 0, x: 0, died: 1 });
  expect(reached(2)).toEqual({ home: 1, carrier: 0, x: 0, died: 1 });
  expect(reached(3)).toEqual({ home: 1, carrier: 1, x: 0, died: 1 });
  expect(reached(5)).toEqual({ home: 1, carrier: 1, x: 0, died: 1 });
  expect(reached(12)).toEqual({ home: 1, carrier: 1, x: 0, died: 1 });
  expect(reached(13)).toEqual({ home: 1, carrier: 1, x: 1, died: 0 });
});

test("a ttl of 5 opens the sender's NAT and leaves the other end's as it was", () => {
  const internet = new Internet({ seed: 1 });
  const [natA, natB] = [internet.addNat(), internet.addNat()];
  const [a, b] = [new End(internet.addHost({ behind: natA }), 5000), new End(internet.addHost({ behind: natB }), 5000)];
  const [outsideA, outsideB] = [natA, natB].map((nat) => ({ host: nat.address, port: 5000 })) as [never, never];
  a.say(outsideB, "opens", 5);
  internet.runFor(500);
  expect([natA.mappings, natB.mappings, b.heard.length]).toEqual([1, 0, 0]);
  b.say(outsideA, "enters");
  internet.runFor(500);
  expect(a.heard.map(({ text }) => text)).toEqual(["enters"]);
  a.say(outsideB, "answers");
  internet.runFor(500);
  expect(b.heard.map(({ text }) => text)).toEqual(["answers"]);
});

test("a NAT of random ports cannot be entered by guessing from another's view", () => {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat(RANDOM);
  const a = new End(internet.addHost({ behind: nat }), 5000);
  const [x, y] = [new End(internet.addHost()), new End(internet.addHost())];
  a.say(x.address);
  internet.runFor(500);
  a.say(y.address);
  y.say(x.lastFrom());
  internet.runFor(500);
  expect(a.heard).toEqual([]);
  y.say(y.lastFrom());
  internet.runFor(500);
  expect(a.heard).toHaveLength(1);
});

/** Whatever the behaviour: no two inside sockets are ever mistaken for each other, and only who was spoken to gets in. */
test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %d: answers always come to who asked", (seed) => {
  const internet = new Internet({ seed });
  const { random } = internet;
  const dependence = () =>
    random.pick(["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const);
  const nat = internet.addNat({
    mapping: dependence(),
    filtering: dependence(),
    ports: random.pick(["preserving", "random", { sequential: 1 + random.below(4) }] as const),
    expiryMs: 5_000,
    inboundRefreshes: random.chance(0.5),
    addresses: 1 + random.below(3),
    pooling: random.pick(["paired", "arbitrary"] as const),
  });
  const insiders = Array.from({ length: 5 }, () => new End(internet.addHost({ behind: nat }), 5000));
  const targets = Array.from({ length: 5 }, () => internet.addHost());
  const outsiders = targets.flatMap((host) => [1, 2].map((port) => new End(host, port)));
  for (const end of outsiders) {
    end.socket.onDatagram((from, datagram) => end.socket.send(from, datagram));
  }
  let asked = 0;
  for (let at = 0; at < 60_000; at += random.between(0, 200)) {
    internet.at(at, () => {
      const index = random.below(insiders.length);
      insiders[index]!.say(random.pick(outsiders).address, `${index}`);
      asked++;
    });
  }
  internet.runFor(61_000);
  const answers = insiders.flatMap((end, index) => end.heard.map(({ text }) => text === `${index}`));
  expect(answers).toEqual(new Array(asked).fill(true));
});
