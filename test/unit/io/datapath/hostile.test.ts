/** Bytes of strangers and of a member that seals whatever it likes: nothing throws, and only valid packets of its own come out. */
import { expect, test } from "bun:test";
import { intercept, type Pair, pair, plain, release, sessionKeys, warmUp } from "../../../support/datapath-pair.ts";
import { HostileMember } from "../../../support/hostile-member.ts";
import { randomStream, randomSuper } from "../../../support/packet-streams.ts";
import { address4, address6, build, getU16, layoutOf, payloadOf, TCP, UDP } from "../../../support/packets.ts";
import { superVnet, withVnet } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

const SUITES = ["wireguard", "dnet"] as const;

/** Hands datagrams to b as if from a, a few at a time, and returns what its TUN was given. */
function receive({ network, a, b }: Pair, datagrams: readonly Uint8Array[], now = 5): Uint8Array[] {
  for (let i = 0; i < datagrams.length; i += 50) {
    for (const datagram of datagrams.slice(i, i + 50))
      network.inject({ from: a.address, to: b.address, datagram, tos: 0 });
    for (let turn = 0; turn < 60; turn++) b.datapath.turnSocket(now, b.port);
  }
  return b.tun.outgoing.splice(0);
}

/** That what was written is a whole IP packet of a's behind a vnet header that our kernel may act on. */
function checkWritten(written: Uint8Array, where: string): void {
  const fail = (what: string) => {
    throw new Error(`${where}: ${what}: ${Buffer.from(written).toString("hex", 0, 120)}`);
  };
  const packet = written.subarray(10);
  const version = packet[0]! >> 4;
  if (version !== 4 && version !== 6) fail("no IP packet");
  const length = version === 4 ? getU16(packet, 2) : getU16(packet, 4) + 40;
  if (length !== packet.length || packet.length < (version === 4 ? 20 : 40))
    fail("another length than its header says");
  const { source, protocol, ipBytes, headerBytes, field } = layoutOf(packet);
  if (!Buffer.from(source).equals(version === 4 ? address4(1) : address6(1))) fail("not the sender's address");
  const little = (at: number) => written[at]! | (written[at + 1]! << 8);
  if (written[0] === 0) {
    if (written.subarray(0, 10).some((byte) => byte !== 0)) fail("a vnet header that says nothing");
    return;
  }
  if (written[0] !== 1 || little(6) !== ipBytes || little(8) !== field - ipBytes) fail("an odd checksum place");
  if (protocol !== TCP && protocol !== UDP) fail("a partial checksum of neither TCP nor UDP");
  if (headerBytes > packet.length) fail("headers longer than the packet");
  if (written[1] === 0) return;
  const gsoType = written[1]! & 0x7f;
  if (gsoType !== (protocol === UDP ? 5 : version === 4 ? 1 : 4)) fail("another kind of super-packet");
  if (little(4) === 0 || packet.length === headerBytes || little(2) < headerBytes || little(2) > packet.length)
    fail("a super-packet that cannot be cut");
}

/** That ordinary traffic still passes. */
function stillWorks({ a, b, network }: Pair, now: number): void {
  release(network);
  const packet = build({ protocol: UDP, payload: new Uint8Array(50) });
  a.send(now, [withVnet(packet)]);
  expect(b.receive(now)).toEqual([packet]);
}

test("random datagrams change nothing", () => {
  for (const suite of SUITES) {
    const random = new SeededRandom(21);
    const ends = pair({ suite });
    const before = ends.b.activity();
    const datagrams = Array.from({ length: 4000 }, () => {
      const bytes = payloadOf(random, random.chance(0.5) ? random.below(64) : random.below(2000));
      if (bytes.length > 0) bytes[0] = random.pick([4, 0x84, 0x85, 0x86, 0x87, bytes[0]!]);
      if (bytes.length > 8 && random.chance(0.7)) bytes.set([0xd1, 7, 0, 0], 4); // b's own index: 2001
      if (bytes.length > 16 && random.chance(0.7)) bytes.fill(0, 9, 16);
      if (bytes.length > 4 && random.chance(0.5)) bytes.fill(0, 1, 4);
      return bytes;
    });
    expect(receive(ends, datagrams)).toEqual([]);
    expect([ends.b.activity(), ends.b.takeEvents()]).toEqual([before, []]);
    const dropped = Object.values(ends.b.drops()).reduce((sum, count) => sum + count, 0);
    expect(dropped + ends.b.datagrams.length).toBeGreaterThan(2000);
    stillWorks(ends, 6);
  }
});

test("real datagrams, cut short, lengthened, flipped and mixed, deliver the real packets or nothing", () => {
  for (const suite of SUITES) {
    const random = new SeededRandom(22);
    const ends = pair({ suite });
    const now = suite === "dnet" ? warmUp(ends) : 5;
    const caught = intercept(ends.network);
    const big = randomSuper(random, 12_000);
    ends.a.send(now, [
      ...randomStream(random, 40).map((packet) => withVnet(packet)),
      superVnet(big.packet, big.gsoSize),
    ]);
    const real = caught.map(({ datagram }) => datagram);
    const spoilt = Array.from({ length: 3000 }, () => {
      const bytes = random.pick(real).slice(0, random.chance(0.2) ? random.below(1500) : undefined);
      for (let flips = random.below(3); flips > 0 && bytes.length > 0; flips--) {
        bytes[random.below(random.chance(0.5) ? Math.min(20, bytes.length) : bytes.length)]! ^= 1 << random.below(8);
      }
      return random.chance(0.1) ? Uint8Array.from([...bytes, ...payloadOf(random, random.below(40))]) : bytes;
    });
    for (const written of receive(ends, spoilt, now)) checkWritten(written, `${suite}`);
    stillWorks(ends, now);
  }
});

test("a member's malformed packets reach nobody", () => {
  for (const suite of SUITES) {
    const random = new SeededRandom(23);
    const ends = pair({ suite });
    const member = new HostileMember(sessionKeys({ suite }).a);
    member.counter = 10;
    const datagrams = Array.from({ length: 3000 }, () => {
      const bytes = spoiltPacket(random);
      if (suite === "wireguard") return member.frame({ type: 4, plain: bytes });
      if (random.chance(0.5)) return member.frame({ type: 0x84, plain: bytes });
      return member.frame({ type: 0x84, flags: 1, prefix: 0x100, plain: bytes });
    });
    for (const written of receive(ends, datagrams)) checkWritten(written, suite);
    expect(ends.b.drops()["malformed"]).toBeGreaterThan(100);
    stillWorksWith(ends, member);
  }
});

test("a member's bundles of lying lengths give nothing but whole packets", () => {
  const random = new SeededRandom(24);
  const ends = pair();
  const member = new HostileMember(sessionKeys().a);
  member.counter = 10;
  const datagrams = Array.from({ length: 2000 }, () => {
    const entries = Array.from({ length: random.below(6) }, () => {
      const packet = random.chance(0.6)
        ? build({ protocol: UDP, payload: payloadOf(random, random.below(100)) })
        : spoiltPacket(random);
      const said = random.chance(0.7) ? packet.length : random.below(70_000);
      const word = (said & 0x7fff) | (random.chance(0.3) ? 0x8000 : 0);
      return [word & 0xff, word >> 8, ...packet];
    });
    return member.frame({
      type: 0x85,
      plain: Uint8Array.from([...entries.flat(), ...new Uint8Array(random.below(4))]),
    });
  });
  const delivered = receive(ends, datagrams);
  expect(delivered.length).toBeGreaterThan(100);
  for (const written of delivered) checkWritten(written, "bundle");
  stillWorksWith(ends, member);
});

test("a member's super-packets of lying headers give nothing but what our kernel can cut, or whole packets", () => {
  for (const takes of [
    { checksum: true, tcp: true, udp: true },
    { checksum: false, tcp: false, udp: false },
  ]) {
    const random = new SeededRandom(25);
    const ends = pair({ b: { takes } });
    const member = new HostileMember(sessionKeys().a);
    member.counter = 10;
    let whole = 0;
    for (let round = 0; round < 1500; round++) {
      const bytes = lyingSuper(random);
      const pieces = member.pieces(bytes, random.pick([1452, 1000, Math.ceil((bytes.length + 16) / 64)]));
      const delivered = receive(ends, pieces);
      if (delivered.length > 0) whole++;
      for (const written of delivered) checkWritten(written, `round ${round}`);
      const dust = takes.tcp ? 2 : Math.ceil(bytes.length / 64) + 1;
      expect(delivered.length).toBeLessThanOrEqual(dust);
    }
    expect(whole).toBeGreaterThan(50);
    stillWorksWith(ends, member);
  }
});

test("reports of any content and length throw nothing", () => {
  const random = new SeededRandom(26);
  const ends = pair();
  const member = new HostileMember(sessionKeys().a);
  member.counter = 10;
  const datagrams = Array.from({ length: 500 }, () =>
    member.frame({ type: 0x87, plain: payloadOf(random, random.below(40)) }),
  );
  expect(receive(ends, datagrams)).toEqual([]);
  stillWorksWith(ends, member);
});

test("pieces of messages that never end take no more memory than their slots", () => {
  const random = new SeededRandom(27);
  const ends = pair();
  const member = new HostileMember(sessionKeys().a);
  const zeros = new Uint8Array(3000);
  const datagrams = Array.from({ length: 500 }, () =>
    random.pick(member.pieces(zeros, 1400, 100 + random.below(1_000_000))),
  );
  expect(receive(ends, datagrams)).toEqual([]);
  expect(ends.b.drops()["incomplete"]).toBeGreaterThan(400);
  member.counter = 2_000_000;
  expect(
    receive(ends, member.pieces(superVnet(build({ payload: zeros, checksum: "partial" }), 1000), 1400)),
  ).toHaveLength(1);
});

/** The member has used the counters up to its own: a real packet of a's comes after them. */
function stillWorksWith(ends: Pair, member: HostileMember): void {
  const packet = build({ protocol: UDP, payload: new Uint8Array(50) });
  const type = member.keys.suite === "wireguard" ? 4 : 0x84;
  expect(receive(ends, [member.frame({ type, plain: packet })])).toEqual([withVnet(packet)]);
  expect(ends.b.takeEvents()).toEqual([]);
  ends.b.send(6, [plain({ protocol: UDP, source: address4(2), destination: address4(1), payload: new Uint8Array(9) })]);
  expect(ends.a.receive(6)).toHaveLength(1);
}

/** A packet with something wrong about it, more often than not. */
function spoiltPacket(random: SeededRandom): Uint8Array {
  const version = random.pick([4, 6] as const);
  const tcpOptions = payloadOf(random, 4 * random.below(11));
  const packet = build({
    version,
    protocol: random.pick([TCP, UDP, 1, 58, 44, 0]),
    tcpOptions,
    flags: random.below(256),
    payload: payloadOf(random, random.below(80)),
    ...(random.chance(0.2) ? { source: version === 4 ? address4(9) : address6(9) } : {}),
  });
  const lengthAt = version === 4 ? 3 : 5;
  for (let changes = random.below(3); changes > 0; changes--) {
    const at = random.pick([0, lengthAt, lengthAt - 1, 6, 9, 32, 52, random.below(packet.length)]);
    if (at < packet.length) packet[at] = random.pick([0, 255, packet[at]! ^ (1 << random.below(8)), random.below(256)]);
  }
  return random.chance(0.2) ? packet.subarray(0, random.below(packet.length)) : packet;
}

/** A super-packet in which one or two fields lie. */
function lyingSuper(random: SeededRandom): Uint8Array {
  const { packet, gsoSize } = randomSuper(random, 1000 + random.below(10_000));
  const bytes = superVnet(packet, gsoSize);
  const view = new DataView(bytes.buffer);
  const word = () => random.pick([0, 1, 8, 16, 20, 40, 63, 64, 255, 1000, 40_000, 65_535, random.below(65_536)]);
  for (let lies = random.below(3); lies > 0; lies--) {
    const field = random.below(8);
    if (field === 0) bytes[0] = random.below(4);
    else if (field === 1) bytes[1] = random.below(256);
    else if (field < 6) view.setUint16(2 * (field - 1), word(), true);
    else bytes[10 + random.below(60)] = random.below(256);
  }
  return random.chance(0.1) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}
