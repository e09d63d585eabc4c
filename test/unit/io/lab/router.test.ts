import { expect, test } from "bun:test";
import { ICMP, TCP, UDP } from "../../../../src/io/datapath/packet.ts";
import type { LabDescription } from "../../../../src/io/lab/description.ts";
import { parseDisturbance } from "../../../../src/io/lab/disturbance.ts";
import { NAT_KINDS, type NatKindName } from "../../../../src/io/lab/nat-kinds.ts";
import { PRESETS } from "../../../../src/io/lab/presets.ts";
import { Router } from "../../../../src/io/lab/router.ts";
import { build, checksumsHold, getU16, onesSum } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

interface Sent {
  readonly protocol?: number;
  readonly ttl?: number;
  readonly payload?: Uint8Array;
}

/** A router in time that only the test lets pass; packets are written `192.0.2.1:1000`. */
class Stage {
  readonly router: Router;
  now = 0;

  constructor(description: LabDescription, seed = 1) {
    this.router = new Router(description, new SeededRandom(seed));
  }

  addressOf(name: string): string {
    return this.router.stations(this.now).find((station) => station.name === name)!.address;
  }

  /** From a port of the host to an address, and returns what arrives because of it: `server 192.0.2.1:1000 at 20`. */
  send(host: string, port: number, to: string, { protocol = UDP, ttl = 64, payload = new Uint8Array(4) }: Sent = {}) {
    const [destination = "", destinationPort] = to.split(":");
    const source = octets(this.addressOf(host));
    const fields = { sourcePort: port, destinationPort: Number(destinationPort), ttl, payload };
    const packet = build({ protocol, source, destination: octets(destination), ...fields });
    return this.sendBytes(host, packet);
  }

  sendBytes(host: string, bytes: Uint8Array) {
    const sentAt = this.now;
    this.router.receive(this.now, host, bytes);
    const arrived: { host: string; from: string; to: string; ttl: number; ms: number; packet: Uint8Array }[] = [];
    while (this.router.deadline() < Number.POSITIVE_INFINITY) {
      this.now = Math.max(this.now, this.router.deadline());
      this.router.advance(this.now);
      for (const { host, packet } of this.router.drain()) {
        if (packet[9] !== ICMP) expect(checksumsHold(packet)).toBe(true);
        const [from, to] = [endOf(packet, 12, 20), endOf(packet, 16, 22)];
        arrived.push({ host, from, to, ttl: packet[8]!, ms: this.now - sentAt, packet });
      }
    }
    return arrived;
  }

  /** Where `to` saw it come from; null when it did not arrive. */
  seen(host: string, port: number, to: string, sent?: Sent): string | null {
    return this.send(host, port, to, sent)[0]?.from ?? null;
  }

  disturb(name: string, event: string, ...words: string[]): void {
    this.router.disturb(name, parseDisturbance(event, words));
  }

  get dropped() {
    return this.router.counters.dropped;
  }
}

const octets = (address: string) => Uint8Array.from(address.split("."), Number);
const endOf = (packet: Uint8Array, host: number, port: number) =>
  `${packet.slice(host, host + 4).join(".")}:${getU16(packet, port)}`;
const portOf = (end: string | null) => Number(end?.split(":")[1]);

/** alice and bob behind one NAT, x and y in public, each with several ports. */
const SITE = (kind: NatKindName, special = {}): LabDescription => ({
  nats: { home: { kind, address: "192.31.196.1", ...special } },
  hosts: {
    alice: { behind: "home" },
    bob: { behind: "home" },
    x: { address: "192.175.48.1" },
    y: { address: "192.175.48.2" },
  },
});
const [X1, X2, Y1] = ["192.175.48.1:1000", "192.175.48.1:2000", "192.175.48.2:1000"] as const;

/** What each kind is seen to do: how many ports for three destinations, and who may come in after x:1000 was sent to. */
const SEEN: { readonly [kind in NatKindName]: readonly [ports: number, admits: readonly string[]] } = {
  "full-cone": [1, [X1, X2, Y1]],
  "address-restricted": [1, [X1, X2]],
  "port-restricted": [1, [X1]],
  sequential: [3, [X1]],
  random: [3, [X1]],
  linux: [1, [X1]],
  blocked: [0, []],
};

for (const kind of Object.keys(NAT_KINDS) as NatKindName[]) {
  test(`${kind} maps and filters as its name says`, () => {
    const stage = new Stage(SITE(kind));
    const outside = stage.seen("alice", 5000, X1);
    const [ports, admits] = SEEN[kind];
    const back = [X1, X2, Y1].filter((end) => {
      const [host, port] = [end.startsWith("192.175.48.1:") ? "x" : "y", portOf(end)];
      const arrived = stage.send(host, port, outside ?? "192.31.196.1:5000");
      for (const { host, from, to } of arrived) {
        expect({ host, from, to }).toEqual({ host: "alice", from: end, to: `${stage.addressOf("alice")}:5000` });
      }
      return arrived.length > 0;
    });
    expect<readonly string[]>(back).toEqual(admits);
    const all = [outside, stage.seen("alice", 5000, X2), stage.seen("alice", 5000, Y1)];
    expect(new Set(all.filter((end) => end !== null)).size).toBe(ports);
    if (ports > 0) expect(all.every((end) => end?.startsWith("192.31.196.1:"))).toBe(true);
  });
}

test("a sequential NAT goes on by its step, and a random one does not", () => {
  const ports = (stage: Stage) => [X1, X2, Y1].map((to) => portOf(stage.seen("alice", 5000, to)));
  const [a, b, c] = ports(new Stage(SITE("sequential", { ports: { sequential: 3 } })));
  expect([b! - a!, c! - b!]).toEqual([3, 3]);
  const random = ports(new Stage(SITE("random")));
  expect(new Set([random[1]! - random[0]!, random[2]! - random[1]!]).size).toBe(2);
});

test("where UDP is blocked, TCP and pings pass", () => {
  const stage = new Stage(SITE("blocked"));
  const payload = new Uint8Array();
  expect(stage.seen("alice", 5000, X1)).toBeNull();
  const outside = stage.seen("alice", 5000, X1, { protocol: TCP, payload });
  expect(outside).toBe("192.31.196.1:5000");
  expect(stage.send("x", 1000, outside!, { protocol: TCP, payload })[0]?.host).toBe("alice");
  expect(stage.send("y", 1000, outside!, { protocol: TCP, payload })).toEqual([]);
  expect(stage.dropped).toEqual({ "udp-blocked": 1, filtered: 1 });
});

test("an echo passes a NAT both ways, under another id where two hosts have the same", () => {
  const stage = new Stage(SITE("port-restricted"));
  const echo = (type: number, from: string, to: string, id: number) => {
    const payload = Uint8Array.of(type, 0, 0, 0, id >> 8, id & 0xff, 0, 1);
    const sum = ~onesSum(payload) & 0xffff;
    payload.set([sum >> 8, sum & 0xff], 2);
    return build({ protocol: ICMP, source: octets(from), destination: octets(to), payload });
  };
  const ids = ["alice", "bob"].map((host) => {
    const [asked] = stage.sendBytes(host, echo(8, stage.addressOf(host), "192.175.48.1", 2000));
    const id = getU16(asked!.packet, 24);
    const [answer] = stage.sendBytes("x", echo(0, "192.175.48.1", "192.31.196.1", id));
    expect([answer?.host, getU16(answer!.packet, 24)]).toEqual([host, 2000]);
    return id;
  });
  expect(new Set(ids).size).toBe(2);
});

test("a packet takes both lines' time, and passes the NAT and ten routers", () => {
  const stage = new Stage({ ...SITE("full-cone"), network: { delayMs: 20 } });
  expect(stage.send("alice", 5000, X1)[0]).toMatchObject({ ms: 40.5, ttl: 64 - 1 - 10 });
  expect(stage.send("x", 1000, Y1)[0]).toMatchObject({ ms: 40, ttl: 64 - 10 });
  const inside = `${stage.addressOf("bob")}:7`;
  expect(stage.send("alice", 5000, inside)[0]).toMatchObject({ host: "bob", ms: 1, ttl: 64 });
});

test("a packet with a low ttl opens its own NAT, and dies before the other's", () => {
  const stage = new Stage({
    nats: {
      a: { kind: "port-restricted", address: "192.31.196.1" },
      b: { kind: "port-restricted", address: "192.31.196.2" },
    },
    hosts: { alice: { behind: "a" }, bob: { behind: "b" } },
  });
  expect(stage.send("alice", 5000, "192.31.196.2:6000", { ttl: 5 })).toEqual([]);
  expect(stage.dropped).toEqual({ ttl: 1 });
  // Bob's, with all its hops, now comes in where alice's went out.
  expect(stage.send("bob", 6000, "192.31.196.1:5000")[0]).toMatchObject({ host: "alice", from: "192.31.196.2:6000" });
  expect(stage.send("alice", 5000, "192.31.196.2:6000", { ttl: 12 })).toEqual([]); // dies in bob's NAT
  expect(stage.send("alice", 5000, "192.31.196.2:6000", { ttl: 13 })[0]).toMatchObject({ host: "bob", ttl: 1 });
});

test("two hosts behind one NAT reach each other by its address only where it turns packets round", () => {
  for (const hairpins of [true, false]) {
    const stage = new Stage(SITE("full-cone", { hairpins }));
    const [outside, other] = [stage.seen("alice", 5000, X1)!, stage.seen("bob", 6000, X1)!];
    const arrived = stage.send("bob", 6000, outside);
    expect(arrived.map(({ host, from }) => `${host} ${from}`)).toEqual(hairpins ? [`alice ${other}`] : []);
    expect(stage.dropped["no-hairpin"] ?? 0).toBe(hairpins ? 0 : 1);
  }
});

test("behind a carrier's NAT a packet is translated twice, and comes back through both", () => {
  const stage = new Stage({
    nats: {
      flat: { kind: "port-restricted", behind: "carrier" },
      carrier: { kind: "random", address: "192.31.196.1" },
    },
    hosts: { alice: { behind: "flat" }, bob: { behind: "carrier" }, x: { address: "192.175.48.1" } },
  });
  expect(stage.addressOf("flat")).toStartWith("100.64.");
  const [first, second] = [stage.seen("alice", 5000, X1)!, stage.seen("alice", 5000, X2)!];
  expect(first).toStartWith("192.31.196.1:");
  expect(first).not.toBe(second);
  expect(stage.send("x", 1000, first)[0]).toMatchObject({ host: "alice", ttl: 64 - 10 - 2 });
  // Within the carrier's network, one NAT is passed.
  const bob = `${stage.addressOf("bob")}:7`;
  expect(stage.send("alice", 5000, bob)[0]).toMatchObject({ host: "bob", from: `${stage.addressOf("flat")}:5000` });
});

test("a mapping lasts its time after the last packet out, and no longer", () => {
  const stage = new Stage(SITE("full-cone", { expiryMs: 30_000 }));
  const outside = stage.seen("alice", 5000, X1)!;
  stage.now += 29_000;
  expect(stage.send("x", 1000, outside)).toHaveLength(1);
  stage.now += 2_000; // what came in did not refresh it
  expect(stage.send("x", 1000, outside)).toEqual([]);
  expect(stage.dropped).toEqual({ unmapped: 1 });
});

test("a NAT that reboots forgets its mappings, one that is renumbered has another address too", () => {
  const stage = new Stage(SITE("full-cone"));
  const outside = stage.seen("alice", 5000, X1)!;
  stage.disturb("home", "reboot");
  expect(stage.send("x", 1000, outside)).toEqual([]);
  expect(stage.seen("alice", 5000, X1)).toBe(outside); // its port is preserved
  stage.disturb("home", "renumber");
  expect(stage.send("x", 1000, outside)).toEqual([]);
  const newOutside = stage.seen("alice", 5000, X1)!;
  expect(newOutside).not.toStartWith("192.31.196.1:");
  expect(stage.send("x", 1000, newOutside)[0]?.host).toBe("alice");
  stage.disturb("home", "renumber", "192.52.193.9");
  expect(stage.seen("alice", 5000, X1)).toBe("192.52.193.9:5000");
  expect(stage.dropped).toEqual({ unmapped: 1, unreachable: 1 });
});

test("a host that moves has another address, line and NAT, and is not found where it was", () => {
  const stage = new Stage(SITE("full-cone"));
  const outside = stage.seen("alice", 5000, X1)!;
  const before = stage.router.placementOf("alice");
  expect(before).toEqual({ address: "192.168.1.2/24", gateway: "192.168.1.1" });
  stage.disturb("alice", "move", "internet");
  expect(stage.router.placementOf("alice")).toEqual({ address: "192.31.196.2/24", gateway: "192.31.196.1" });
  expect(stage.send("x", 1000, outside)).toEqual([]);
  expect(stage.send("alice", 5000, X1)[0]).toMatchObject({ from: "192.31.196.2:5000", ms: 20 });
  stage.disturb("alice", "move", "home");
  expect(stage.seen("alice", 5000, X1)).toStartWith("192.31.196.1:");
});

test("what is cut loses everything until it is healed; two can be cut from each other alone", () => {
  const stage = new Stage(SITE("full-cone"));
  stage.disturb("home", "cut");
  expect(stage.seen("alice", 5000, X1)).toBeNull();
  stage.disturb("home", "heal");
  expect(stage.seen("alice", 5000, X1)).not.toBeNull();
  stage.disturb("x", "cut", "alice"); // and so from all that her NAT has to do with it
  expect([stage.seen("alice", 5000, X1), stage.seen("bob", 5000, X1)]).toEqual([null, null]);
  expect([stage.seen("alice", 5000, Y1), stage.seen("y", 5, X1)]).not.toContain(null);
  stage.disturb("alice", "heal");
  expect(stage.seen("alice", 5000, X1)).not.toBeNull();
  expect(() => stage.disturb("alice", "cut", "bob")).toThrow("both stand behind home");
});

test("packets are lost as often as the lines say, and jitter lets none overtake another", () => {
  const stage = new Stage({ network: { delayMs: 5, jitterMs: 20 }, hosts: { x: { loss: 0.2 }, y: {} } });
  const to = `${stage.addressOf("y")}:1`;
  const source = octets(stage.addressOf("x"));
  const arrivals: { number: number; ms: number }[] = [];
  for (let i = 0; i < 2_000; i++) {
    const packet = { protocol: UDP, source, destination: octets(to.split(":")[0]!), identification: i };
    stage.router.receive(i, "x", build(packet));
    stage.router.advance(i);
    for (const { packet } of stage.router.drain()) arrivals.push({ number: getU16(packet, 4), ms: i });
  }
  const numbers = arrivals.map(({ number }) => number);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  expect(arrivals.length / 2_000).toBeWithin(0.75, 0.85);
  const delays = arrivals.map(({ number, ms }) => ms - number);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(10);
  expect(Math.max(...delays)).toBeLessThanOrEqual(51);
  stage.disturb("x", "line", "loss=0", "jitterMs=0", "delayMs=1");
  stage.disturb("y", "line", "jitterMs=0");
  stage.now = 10_000;
  stage.router.advance(stage.now);
  stage.router.drain();
  expect(stage.send("x", 1, to)[0]?.ms).toBe(6);
});

test("a line with a rate lets no more through, and keeps a fifth of a second of it waiting", () => {
  const stage = new Stage({ network: { delayMs: 0 }, hosts: { x: { rateMbit: 1 }, y: {} } });
  const packet = { protocol: UDP, source: octets(stage.addressOf("x")), destination: octets(stage.addressOf("y")) };
  for (let i = 0; i < 100; i++) {
    stage.router.receive(0, "x", build({ ...packet, payload: new Uint8Array(1250 - 28) })); // 10 ms each
  }
  stage.router.advance(100);
  expect(stage.router.drain()).toHaveLength(10);
  stage.router.advance(10_000);
  expect(stage.router.drain()).toHaveLength(11);
  expect(stage.dropped).toEqual({ "queue-full": 79 });
});

test("what is no packet of the host's own goes nowhere, and nothing that it sends can throw", () => {
  const stage = new Stage(SITE("full-cone"));
  expect(stage.sendBytes("x", build({ protocol: UDP }))).toEqual([]);
  expect(stage.sendBytes("x", build({ version: 6, protocol: UDP }))).toEqual([]);
  const alice = octets(stage.addressOf("alice"));
  const fragment = { protocol: UDP, source: alice, destination: octets("192.175.48.1"), moreFragments: true };
  expect(stage.sendBytes("alice", build({ ...fragment, payload: new Uint8Array(64) }))).toEqual([]);
  expect(stage.seen("alice", 1, "10.9.9.9:1")).toBeNull();
  expect(stage.seen("alice", 1, "9.9.9.9:1")).toBeNull();
  expect(stage.dropped).toEqual({ spoofed: 1, malformed: 1, untranslatable: 1, private: 1, unreachable: 1 });
  const random = new SeededRandom(3);
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(20 + random.below(60));
    bytes.set([0x40 | (5 + random.below(3)), 0, 0, bytes.length]);
    bytes.set([random.pick([UDP, TCP, ICMP, 47])], 9);
    bytes.set(alice, 12);
    bytes.set(octets(random.pick(["192.175.48.1", "192.31.196.1", "192.168.1.3"])), 16);
    stage.router.receive(round, "alice", bytes);
    stage.router.advance(round);
    stage.router.drain();
  }
});

test("every preset can be built, and its hosts reach a server if anything lets them", () => {
  for (const { name, description } of PRESETS) {
    const stage = new Stage(description);
    const server = `${stage.addressOf("server1")}:9`;
    expect(stage.seen("bob", 5000, server)).not.toBeNull();
    expect(stage.seen("alice", 5000, server) === null).toBe(name === "blocked");
  }
});

test("no two have one address, and a site's are its own", () => {
  const hosts = { a: { address: "192.31.196.9" }, b: { address: "192.31.196.9" } };
  expect(() => new Stage({ hosts })).toThrow("the address 192.31.196.9 is taken");
  const outsider = { a: { behind: "home", address: "10.0.0.1" } };
  const nats = { home: { kind: "random" } } as const;
  expect(() => new Stage({ nats, hosts: outsider })).toThrow("10.0.0.1 is not one of 192.168.1.0/24");
  const many = Object.fromEntries(Array.from({ length: 7 }, (_, i) => [`h${i}`, { behind: "home" }]));
  const tiny = { home: { kind: "random", inside: "10.0.0.0/29" } } as const;
  expect(() => new Stage({ nats: tiny, hosts: many })).toThrow("no address is left in 10.0.0.0/29");
});
