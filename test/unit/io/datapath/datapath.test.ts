import { expect, test } from "bun:test";
import { parsePrefix } from "../../../../src/base/ip.ts";
import type { TunPort } from "../../../../src/io/datapath/coalescer.ts";
import { MemoryNetwork } from "../../../../src/io/datapath/memory-ports.ts";
import { COLUMN } from "../../../../src/io/datapath/stats.ts";
import {
  ADDRESS_A,
  DatapathEnd,
  intercept,
  pair,
  release,
  sessionKeys,
  warmUp,
} from "../../../support/datapath-pair.ts";
import { randomStream, randomSuper } from "../../../support/packet-streams.ts";
import { address4, build, firstDifference, layoutOf, payloadOf, UDP } from "../../../support/packets.ts";
import { partialVnet, superVnet, taken, withVnet } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

const EVERYTHING = { checksum: true, tcp: true, udp: true };
const TUNS: TunPort["takes"][] = [
  EVERYTHING,
  { ...EVERYTHING, udp: false },
  { ...EVERYTHING, tcp: false },
  { checksum: false, tcp: false, udp: false },
];

/** What a TUN might bring: single packets of every kind, some with partial checksums, and super-packets. */
function randomTraffic(random: SeededRandom, count: number, superChance: number): Uint8Array[] {
  return randomStream(random, count).map((packet) => {
    if (random.chance(superChance)) {
      const big = randomSuper(random);
      return superVnet(big.packet, big.gsoSize);
    }
    return withVnet(packet);
  });
}

test("what goes into one TUN comes out of the other, in order, whatever either kernel can do", () => {
  for (let seed = 1; seed <= 32; seed++) {
    const random = new SeededRandom(seed);
    const suite = seed % 4 === 0 ? "wireguard" : "dnet";
    const takes = TUNS[Math.floor(seed / 4) % TUNS.length]!;
    const { a, b } = pair({ suite, a: { joins: random.chance(0.5) }, b: { takes, joins: random.chance(0.5) } });
    for (let batch = 0; batch < 4; batch++) {
      const traffic = randomTraffic(random, 60, seed % 3 === 0 ? 0.1 : 0);
      a.send(10, traffic);
      expect([seed, firstDifference(b.receive(10), traffic.flatMap(taken))]).toEqual([seed, null]);
    }
    expect([seed, a.drops(), b.drops()]).toEqual([seed, {}, {}]);
  }
});

test("the same with super-packets on", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const random = new SeededRandom(seed);
    const takes = TUNS[seed % TUNS.length]!;
    const ends = pair({ b: { takes, joins: seed % 2 === 0 } });
    const now = warmUp(ends);
    const traffic = randomTraffic(random, 60, 0.3);
    ends.a.send(now, traffic);
    expect([seed, firstDifference(ends.b.receive(now), traffic.flatMap(taken))]).toEqual([seed, null]);
    expect(ends.a.stats.get(0, COLUMN.superPacketsSent)).toBeGreaterThan(0);
    expect([seed, ends.a.drops(), ends.b.drops()]).toEqual([seed, {}, {}]);
  }
});

test("packets with partial checksums arrive whole, alone and in bundles, in both suites", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    for (const takes of [TUNS[0]!, TUNS[3]!]) {
      const { a, b } = pair({ suite, b: { takes } });
      const random = new SeededRandom(3);
      const packets = Array.from({ length: 60 }, () => {
        const [version, protocol] = [random.pick([4, 6] as const), random.pick([6, UDP])];
        const payload = payloadOf(random, random.below(random.pick([40, 1400])));
        return partialVnet(build({ version, protocol, payload, checksum: "partial" }));
      });
      a.send(5, packets);
      expect(firstDifference(b.receive(5), packets.flatMap(taken))).toBeNull();
      expect(a.stats.get(0, COLUMN.bundlesSent) > 0).toBe(suite === "dnet");
    }
  }
});

test("a partial checksum where no TCP or UDP header is in sight is finished before it leaves", () => {
  // An IPv6 extension header before TCP: the far end would not find the checksum.
  const ipOptions = Uint8Array.of(6, 0, 1, 4, 0, 0, 0, 0);
  const fields = { version: 6 as const, ipOptions, payload: new Uint8Array(2500) };
  const { a, b } = pair();
  const single = withVnet(build({ ...fields, payload: new Uint8Array(50), checksum: "partial" }), {
    flags: 1,
    start: 48,
    field: 16,
  });
  const large = withVnet(build({ ...fields, checksum: "partial" }), {
    flags: 1,
    gsoType: 4,
    gsoSize: 1000,
    start: 48,
    field: 16,
  });
  a.send(5, [single, large]);
  const expected = [0, 1000, 2000].map((at) => {
    return build({ ...fields, sequence: 1 + at, payload: new Uint8Array(Math.min(1000, 2500 - at)) });
  });
  expect(firstDifference(b.receive(5), [build({ ...fields, payload: new Uint8Array(50) }), ...expected])).toBeNull();
  expect(b.drops()).toEqual({});
});

test("datagrams never exceed what the largest packet takes", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    const ends = pair({ suite, a: { mtu: 1420 } });
    const now = suite === "dnet" ? warmUp(ends) : 1;
    const caught = intercept(ends.network);
    const random = new SeededRandom(9);
    const singles = Array.from({ length: 300 }, () =>
      build({ protocol: UDP, payload: payloadOf(random, random.below(1393)) }),
    );
    ends.a.send(
      now,
      singles.map((packet) => withVnet(packet)),
    );
    for (let i = 0; i < 20; i++) {
      const { packet, gsoSize } = randomSuper(random);
      if (gsoSize + layoutOf(packet).headerBytes <= 1420) ends.a.send(now, [superVnet(packet, gsoSize)]);
    }
    const longest = Math.max(...caught.map(({ datagram }) => datagram.length));
    expect(longest).toBe(16 + 1420 + 16);
    // Padded to multiples of 16 but for those as long as the MTU, in suite W; a bundle or a piece needs none.
    if (suite === "wireguard")
      for (const { datagram } of caught) expect([0, 1420 & 15]).toContain(datagram.length & 15);
    release(ends.network);
  }
});

test("of several peers each gets its own packets, in order, and hears of nobody else's", () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = new SeededRandom(seed);
    const network = new MemoryNetwork();
    const hub = new DatapathEnd(network, ADDRESS_A, {});
    const spokes = [0, 1, 2].map((i) => new DatapathEnd(network, { host: "198.51.100.1", port: 1 + i }, {}));
    for (const [i, spoke] of spokes.entries()) {
      const suite = i === 2 ? "wireguard" : "dnet";
      const keys = sessionKeys({ suite, number: 10 + i });
      const peer = { type: "peer", suite, superPackets: true } as const;
      hub.datapath.apply(0, { ...peer, peer: i, allowed: [parsePrefix(`10.0.0.${10 + i}/32`)!] });
      hub.datapath.apply(0, { type: "endpoint", peer: i, address: spoke.address });
      hub.datapath.apply(1, { type: "session", peer: i, keys: keys.a });
      spoke.datapath.apply(0, { ...peer, peer: 0, allowed: [parsePrefix("10.0.0.1/32")!] });
      spoke.datapath.apply(1, { type: "session", peer: 0, keys: keys.b });
    }
    const expected: Uint8Array[][] = [[], [], []];
    const traffic = Array.from({ length: 300 }, () => {
      const to = random.below(3);
      const payload = payloadOf(random, random.below(random.pick([50, 600, 1400])));
      const packet = build({ protocol: UDP, destination: address4(10 + to), payload, tos: random.pick([0, 0, 0, 2]) });
      expected[to]!.push(packet);
      return withVnet(packet);
    });
    hub.send(2, traffic);
    for (const [i, spoke] of spokes.entries()) {
      expect([seed, i, firstDifference(spoke.receive(2), expected[i]!)]).toEqual([seed, i, null]);
      expect(spoke.drops()).toEqual({});
    }
  }
});

test("EV-56 packets around the bundles' limits arrive as they were, never merged or split", () => {
  const { a, b } = pair({ a: { mtu: 1420 } });
  for (let length = 680; length <= 720; length++) {
    const packets = [length, 1420 - length - 4, 1420 - length - 3, 28, 28].map((bytes) =>
      build({ protocol: UDP, payload: new Uint8Array(Math.max(0, bytes - 28)).fill(bytes & 255) }),
    );
    a.send(
      5,
      packets.map((packet) => withVnet(packet)),
    );
    expect(firstDifference(b.receive(5), packets)).toBeNull();
  }
});
