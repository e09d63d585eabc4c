import { expect, test } from "bun:test";
import { sameAddress } from "../../../src/base/address.ts";
import { Internet, type NatOptions } from "../../sim/internet/internet.ts";
import { type Dependence, LINUX } from "../../sim/internet/nat-behaviour.ts";
import { End } from "./end.ts";

/**
 *   inside a 10.0.0.2:5000 ──┐
 *                            ├── NAT 203.0.113.1 ── x 198.51.100.1 :1000 :2000
 *   inside b 10.0.0.3:5000 ──┘                   ── y 198.51.100.2 :1000
 */
function site(options: NatOptions = {}) {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat({ addresses: ["203.0.113.1"], ...options });
  const [hostA, hostB] = [internet.addHost({ behind: nat }), internet.addHost({ behind: nat })];
  const x = internet.addHost({ address: "198.51.100.1" });
  const y = internet.addHost({ address: "198.51.100.2" });
  const [a, b] = [new End(hostA, 5000), new End(hostB, 5000)];
  const [x1, x2, y1] = [new End(x, 1000), new End(x, 2000), new End(y, 1000)];
  const run = () => internet.runFor(500);
  /** Sends from inside, and returns where `to` saw it come from. */
  const seenFrom = (from: End, to: End) => {
    from.say(to.address);
    run();
    return to.lastFrom();
  };
  return { internet, nat, a, b, x1, x2, y1, run, seenFrom };
}

const DEPENDENCES: readonly Dependence[] = ["endpoint-independent", "address-dependent", "address-and-port-dependent"];

for (const [i, mapping] of DEPENDENCES.entries()) {
  for (const [j, filtering] of DEPENDENCES.entries()) {
    test(`mapping ${mapping}, filtering ${filtering}`, () => {
      const { internet, a, x1, x2, y1, run, seenFrom } = site({ mapping, filtering });
      const outside = seenFrom(a, x1);
      for (const end of [x1, x2, y1]) end.say(outside);
      run();
      const nearer = ["198.51.100.1:1000", "198.51.100.1:2000", "198.51.100.2:1000"].slice(0, 3 - j);
      expect(a.take().sort()).toEqual(nearer.map((from) => `hello from ${from}`));
      expect(internet.carrier.dropped.filtered ?? 0).toBe(j);

      const all = [outside, seenFrom(a, x2), seenFrom(a, y1)];
      expect(all.map(({ host }) => host)).toEqual(["203.0.113.1", "203.0.113.1", "203.0.113.1"]);
      expect(new Set(all.map(({ port }) => port)).size).toBe(i + 1);
      expect(seenFrom(a, x1)).toEqual(outside);
    });
  }
}

test("a preserving NAT keeps the inside port, and gives the next one to the second who has it", () => {
  const { a, b, x1, seenFrom } = site({ ports: "preserving" });
  expect(seenFrom(a, x1).port).toBe(5000);
  expect(seenFrom(b, x1).port).toBe(5001);
});

test("a sequential NAT goes on by its step, whoever makes the mapping", () => {
  const { a, b, x1, x2, y1, seenFrom } = site({ mapping: "address-and-port-dependent", ports: { sequential: 3 } });
  const ports = [seenFrom(a, x1), seenFrom(a, x2), seenFrom(b, x1), seenFrom(a, y1)].map(({ port }) => port);
  expect(ports.map((port) => port - ports[0]!)).toEqual([0, 3, 6, 9]);
});

test("a sequential NAT steps over what is taken, and wraps around above the well-known ports", () => {
  const { internet, nat, x1, run } = site({ mapping: "endpoint-independent", ports: { sequential: 1 } });
  const ports: number[] = [];
  for (let i = 0; i < 16_000 && !ports.some((port) => port < ports[0]!); i++) {
    const host = i % 200 === 0 ? internet.addHost({ behind: nat }) : internet.hosts.at(-1)!;
    new End(host).say(x1.address);
    if (i % 500 === 0) run();
    ports.push(...x1.heard.splice(0).map(({ from }) => from.port));
  }
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(1024);
  expect(new Set(ports).size).toBe(ports.length);
});

test("a random NAT spreads its ports over the whole range", () => {
  const { a, x1, internet, run } = site({ mapping: "address-and-port-dependent", ports: "random" });
  const target = internet.addHost();
  const ends = Array.from({ length: 500 }, (_, i) => new End(target, 1000 + i));
  for (const end of ends) a.say(end.address);
  a.say(x1.address);
  run();
  const ports = ends.map((end) => end.lastFrom().port);
  expect(new Set(ports).size).toBe(500);
  expect(Math.min(...ports)).toBeLessThan(5_000);
  expect(Math.max(...ports)).toBeGreaterThan(60_000);
  expect(ports.filter((port, i) => port === (ports[i - 1] ?? 0) + 1).length).toBeLessThan(5);
});

test("Linux shares a port between mappings until two meet at one destination", () => {
  const { a, b, x1, x2, y1, run, seenFrom } = site(LINUX);
  expect(seenFrom(a, x1).port).toBe(5000);
  expect(seenFrom(a, y1).port).toBe(5000);
  expect(seenFrom(b, x1).port).toBe(5001);
  expect(seenFrom(b, x2).port).toBe(5000);
  x1.say({ host: "203.0.113.1", port: 5000 }, "to a");
  x1.say({ host: "203.0.113.1", port: 5001 }, "to b");
  y1.say({ host: "203.0.113.1", port: 5001 }, "to nobody");
  run();
  expect([a.take(), b.take()]).toEqual([["to a from 198.51.100.1:1000"], ["to b from 198.51.100.1:1000"]]);
});

test("ports can be overloaded only where the destination tells mappings apart", () => {
  expect(() => site({ ports: "overloading" })).toThrow("tell the mappings of a port apart");
});

test("a mapping lasts its time after the last datagram out, and what comes in does not keep it", () => {
  const { internet, a, x1, run, nat, seenFrom } = site({ expiryMs: 30_000 });
  const outside = seenFrom(a, x1);
  internet.runFor(29_000 - 500);
  x1.say(outside, "in time");
  run();
  internet.runFor(29_500);
  expect(nat.mappings).toBe(0);
  x1.say(outside, "too late");
  run();
  expect(a.take()).toEqual(["in time from 198.51.100.1:1000"]);
  expect(internet.carrier.dropped).toEqual({ unmapped: 1 });
});

test("what goes out keeps a mapping, and where it was asked for, what comes in does too", () => {
  for (const inboundRefreshes of [false, true]) {
    const { internet, a, x1, run, seenFrom } = site({ expiryMs: 30_000, inboundRefreshes });
    let outside = seenFrom(a, x1);
    for (let i = 0; i < 5; i++) {
      internet.runFor(20_000);
      outside = seenFrom(a, x1);
    }
    for (let i = 0; i < 5; i++) {
      internet.runFor(20_000);
      x1.say(outside);
      run();
    }
    expect(a.heard).toHaveLength(inboundRefreshes ? 5 : 1);
  }
});

test("leave to enter lasts as long for each end by itself, though another keeps the mapping", () => {
  const { internet, a, x1, y1, run, seenFrom } = site({ expiryMs: 30_000 });
  const outside = seenFrom(a, x1);
  internet.runFor(20_000);
  expect(seenFrom(a, y1)).toEqual(outside);
  internet.runFor(15_000);
  for (const end of [x1, y1]) end.say(outside);
  run();
  expect(a.take()).toEqual(["hello from 198.51.100.2:1000"]);
  expect(internet.carrier.dropped).toEqual({ filtered: 1 });
});

test("a full NAT refuses the newcomer, keeps what it has, and has room again when mappings expire", () => {
  const { internet, nat, a, b, x1, run, seenFrom } = site({ maxMappings: 2, expiryMs: 30_000 });
  seenFrom(a, x1);
  new End(a.host, 5001).say(x1.address);
  b.say(x1.address);
  run();
  expect(internet.carrier.dropped).toEqual({ "nat-full": 1 });
  expect(nat.mappings).toBe(2);
  internet.runFor(20_000);
  a.say(x1.address);
  internet.runFor(20_000);
  expect(nat.mappings).toBe(1);
  expect(seenFrom(b, x1).host).toBe("203.0.113.1");
});

test("of several outside addresses a paired NAT gives each inside host one, an arbitrary NAT any", () => {
  const addresses = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
  const seen = (pooling: "paired" | "arbitrary") => {
    const { internet, a, b, run } = site({ addresses, pooling, mapping: "address-and-port-dependent" });
    const target = internet.addHost();
    const ends = Array.from({ length: 30 }, (_, i) => new End(target, 1000 + i));
    return [a, b].map((inside) => {
      for (const end of ends) inside.say(end.address);
      run();
      return new Set(ends.map((end) => end.lastFrom().host));
    });
  };
  expect(seen("paired")).toEqual([new Set(["203.0.113.1"]), new Set(["203.0.113.2"])]);
  for (const hosts of seen("arbitrary")) expect(hosts).toEqual(new Set(addresses));
});

test("after a reboot nothing comes in until something went out", () => {
  const { internet, nat, a, x1, run, seenFrom } = site({ ports: "random" });
  const before = seenFrom(a, x1);
  nat.reboot();
  x1.say(before);
  run();
  expect(a.take()).toEqual([]);
  expect(internet.carrier.dropped).toEqual({ unmapped: 1 });
  const after = seenFrom(a, x1);
  expect(sameAddress(after, before)).toBe(false);
  x1.say(after);
  run();
  expect(a.take()).toHaveLength(1);
});

test("a renumbered NAT is seen at its new address, and the old one is nobody's", () => {
  const { internet, nat, a, x1, run, seenFrom } = site();
  const before = seenFrom(a, x1);
  a.say(x1.address, "on its way");
  nat.renumber("203.0.113.9");
  x1.say(before);
  run();
  expect(x1.take()).toContain("on its way from 203.0.113.1:5000");
  expect(internet.carrier.dropped).toEqual({ unreachable: 1 });
  expect(seenFrom(a, x1)).toEqual({ host: "203.0.113.9", port: 5000 });
  x1.say({ host: "203.0.113.9", port: 5000 });
  run();
  expect(a.take()).toHaveLength(1);
  nat.renumber();
  expect(nat.address).not.toBe("203.0.113.9");
});
