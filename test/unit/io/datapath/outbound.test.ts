import { expect, test } from "bun:test";
import { parsePrefix } from "../../../../src/base/ip.ts";
import { COLUMN } from "../../../../src/io/datapath/stats.ts";
import { ADDRESS_B, intercept, pair, plain, sessionKeys, strangers } from "../../../support/datapath-pair.ts";
import { HostileMember } from "../../../support/hostile-member.ts";
import {
  address4,
  build,
  checksumsHold,
  firstDifference,
  getU16,
  payloadOf,
  SYN,
  UDP,
} from "../../../support/packets.ts";
import { superVnet, taken, withVnet } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

const packetOf = (byte: number, bytes = 900) => plain({ protocol: UDP, payload: new Uint8Array(bytes).fill(byte) });
const firstPayloadByte = (packet: Uint8Array) => packet[28]!;

test("packets wait for a session and are sent in order when it comes, to its initiator at once", () => {
  const { a, b } = strangers();
  a.send(
    5,
    [1, 2, 3].map((byte) => packetOf(byte)),
  );
  a.send(6, [packetOf(4, 20), packetOf(5, 20)]);
  expect([a.takeEvents(), b.receive(6)]).toEqual([["want 0"], []]);
  const keys = sessionKeys({ now: 7 });
  b.datapath.apply(7, { type: "session", peer: 0, keys: keys.b });
  a.datapath.apply(7, { type: "session", peer: 0, keys: keys.a });
  expect(b.receive(7).map(firstPayloadByte)).toEqual([1, 2, 3, 4, 5]);
  expect(a.activity()).toEqual({ unansweredSince: 0, unheardSince: 7, lastTraversalAt: 7 });
});

test("super-packets wait as they are", () => {
  const { a, b } = strangers();
  const big = superVnet(build({ payload: payloadOf(new SeededRandom(1), 30_000), checksum: "partial" }), 1200);
  a.send(5, [packetOf(1), big, packetOf(2)]);
  const keys = sessionKeys({ now: 7 });
  b.datapath.apply(7, { type: "session", peer: 0, keys: keys.b });
  a.datapath.apply(7, { type: "session", peer: 0, keys: keys.a });
  expect(firstDifference(b.receive(7), [packetOf(1), big, packetOf(2)].flatMap(taken))).toBeNull();
});

test("the queue is bounded: the oldest go and are counted", () => {
  const { a, b } = strangers();
  a.send(
    5,
    Array.from({ length: 200 }, (_, i) => packetOf(i)),
  );
  expect(a.drops()).toEqual({ queueFull: 72 });
  const keys = sessionKeys({ now: 7 });
  b.datapath.apply(7, { type: "session", peer: 0, keys: keys.b });
  a.datapath.apply(7, { type: "session", peer: 0, keys: keys.a });
  expect(b.receive(7).map(firstPayloadByte)).toEqual(Array.from({ length: 128 }, (_, i) => 72 + i));
});

test("what waits for nobody is dropped and counted, and the next packet asks again at once", () => {
  const { a } = strangers();
  a.send(5, [packetOf(1), packetOf(2)]);
  a.datapath.apply(6, { type: "unreachable", peer: 0 });
  expect([a.takeEvents(), a.drops()]).toEqual([["want 0"], { unreachable: 2 }]);
  a.send(7, [packetOf(3)]);
  expect(a.takeEvents()).toEqual(["want 0"]);
  expect(a.activity()).toEqual({ unansweredSince: 0, unheardSince: 0, lastTraversalAt: 0 });
});

test("without an address nothing is sent, and that is counted", () => {
  const { a } = strangers();
  a.datapath.apply(0, {
    type: "peer",
    peer: 1,
    suite: "dnet",
    superPackets: true,
    allowed: [parsePrefix("10.0.0.7/32")!],
  });
  a.datapath.apply(1, { type: "session", peer: 1, keys: sessionKeys({ number: 5 }).a });
  a.send(2, [plain({ destination: address4(7), payload: new Uint8Array(9) })]);
  expect(a.drops()).toEqual({ noAddress: 1 });
});

test("the initiator asks for a new session when it sends on one that is 120 s old; it goes on with the old one", () => {
  const { a, b } = pair();
  a.send(120_000, [packetOf(1)]);
  expect(a.takeEvents()).toEqual([]);
  a.send(120_001, [packetOf(2)]);
  expect(a.takeEvents()).toEqual(["want 0"]);
  b.send(120_001, [plain({ protocol: UDP, source: address4(2), destination: address4(1) })]);
  expect(b.takeEvents()).toEqual([]);
  expect(b.receive(120_001).map(firstPayloadByte)).toEqual([1, 2]);
  a.send(180_001, [packetOf(3)]);
  expect([b.receive(180_001), a.takeEvents()]).toEqual([[], ["want 0"]]);
});

test("a new session is sent on at once by its initiator; the old one still receives", () => {
  const { network, a, b } = pair();
  const caught = intercept(network);
  a.send(5, [packetOf(1)]);
  network.carry = (sent) => [sent];
  const keys = sessionKeys({ now: 6, number: 2 });
  b.datapath.apply(6, { type: "session", peer: 0, keys: keys.b });
  b.send(6, [plain({ protocol: UDP, source: address4(2), destination: address4(1) })]);
  expect(a.receive(6)).toHaveLength(1); // on the old one, as nothing has come on the new one
  a.datapath.apply(6, { type: "session", peer: 0, keys: keys.a });
  a.send(7, [packetOf(2)]);
  network.inject(caught[0]!);
  expect(b.receive(7).map(firstPayloadByte)).toEqual([2, 1]);
  expect(b.takeEvents()).toEqual(["confirmed 0 2002"]);
  expect([a.drops(), b.drops()]).toEqual([{}, {}]);
});

test("a session that was replaced twice, or forgotten, is known no more", () => {
  const { network, a, b } = pair();
  const caught = intercept(network);
  a.send(5, [packetOf(1)]);
  network.carry = (sent) => [sent];
  for (const number of [2, 3]) {
    const keys = sessionKeys({ now: 6, number });
    b.datapath.apply(6, { type: "session", peer: 0, keys: keys.b });
    a.datapath.apply(6, { type: "session", peer: 0, keys: keys.a });
    a.send(6, [packetOf(number)]);
    b.receive(6);
  }
  network.inject(caught[0]!);
  expect([b.receive(7), b.drops()]).toEqual([[], { unknownSession: 1 }]);
  for (const end of [a, b]) end.datapath.apply(8, { type: "forget", peer: 0 });
  a.takeEvents();
  a.send(8, [packetOf(4)]);
  expect([b.receive(8), a.takeEvents()]).toEqual([[], ["want 0"]]);
});

test("a keepalive is an empty message; without a session it asks for one", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    const { network, a } = pair({ suite });
    const caught = intercept(network);
    a.datapath.apply(9, { type: "keepalive", peer: 0 });
    expect(caught.map(({ datagram }) => [datagram[0], datagram.length])).toEqual([[suite === "dnet" ? 0x84 : 4, 32]]);
    expect(a.activity()).toEqual({ unansweredSince: 0, unheardSince: 0, lastTraversalAt: 9 });
    const lonely = strangers({ suite });
    lonely.a.datapath.apply(9, { type: "keepalive", peer: 0 });
    expect(lonely.a.takeEvents()).toEqual(["want 0"]);
  }
});

test("what does not fit the path is told to its sender", () => {
  const { a, b } = pair({ a: { mtu: 1420 } });
  a.datapath.apply(2, { type: "pathMtu", peer: 0, bytes: 1400, version: 4 });
  const limit = 1400 - 60;
  a.send(3, [plain({ protocol: UDP, payload: new Uint8Array(limit - 28) })]);
  expect([a.takeDelivered(), b.receive(3).length]).toEqual([[], 1]);
  a.send(3, [plain({ protocol: UDP, payload: new Uint8Array(limit - 27) })]);
  const [answer] = a.takeDelivered();
  expect([answer![9], answer![20], answer![21], getU16(answer!, 26)]).toEqual([1, 3, 4, limit]);
  expect(b.receive(3)).toEqual([]);

  const big = build({ payload: new Uint8Array(5000), checksum: "partial" });
  a.send(3, [superVnet(big, limit - 40), superVnet(big, limit - 39)]);
  expect([a.takeDelivered().length, b.receive(3).length]).toEqual([1, Math.ceil(5000 / (limit - 40))]);
  expect(a.drops()).toEqual({ tooBig: 2 });
  a.datapath.apply(4, { type: "pathMtu", peer: 0, bytes: 1500, version: 4 });
  a.send(4, [plain({ protocol: UDP, payload: new Uint8Array(1420 - 28) })]);
  expect(b.receive(4)).toHaveLength(1);
});

test("SYNs are clamped on their way out, with whole and with partial checksums, in both suites", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    const { a, b } = pair({ suite, a: { mtu: 1400 } });
    const fields = { flags: SYN, tcpOptions: Uint8Array.of(1, 2, 4, 0x20, 0, 1, 1, 0) };
    const partial = withVnet(build({ ...fields, checksum: "partial" }), { flags: 1, start: 20, field: 16 });
    a.send(2, [plain(fields), partial]);
    const packets = b.receive(2);
    expect(packets.map((packet) => [getU16(packet, 43), checksumsHold(packet)])).toEqual([
      [1360, true],
      [1360, true],
    ]);
  }
});

test("super-packets come on after a clean run, go off at the first loss, and ask for a longer run then", () => {
  const ends = pair();
  const { network, a, b } = ends;
  const isOn = () => a.stats.get(0, COLUMN.superPackets) === 1;
  let now = 1;
  let sent = 0;
  const send = (count: number) => {
    a.send(now, new Array(count).fill(packetOf(1)));
    sent += count;
    b.receive(now);
    a.receive(now);
    now += 11;
  };
  const untilOn = () => {
    const before = sent;
    while (!isOn()) send(128);
    return sent - before;
  };
  expect(untilOn()).toBeWithin(4096, 4096 + 512);
  let lost = 1;
  network.carry = (datagram) => (datagram.from === a.address && lost-- > 0 ? [] : [datagram]);
  send(128);
  send(128);
  expect(isOn()).toBe(false);
  expect(untilOn()).toBeWithin(4 * 4096 - 256, 4 * 4096 + 512);
  expect(b.drops()).toEqual({});
});

test("where super-packets are not allowed they never come on", () => {
  const { a, b } = pair({ superPackets: false });
  for (let now = 11; now < 700; now += 11) {
    a.send(now, new Array(128).fill(packetOf(1)));
    b.receive(now);
    a.receive(now);
  }
  expect(a.stats.get(0, COLUMN.superPackets)).toBe(0);
});

test("a new session made as responder neither forgets nor counts twice what the old one showed", () => {
  const ends = pair();
  const { a, b } = ends;
  const back = plain({ protocol: UDP, source: address4(2), destination: address4(1), payload: new Uint8Array(900) });
  let now = 1;
  const answer = (count: number) => {
    now += 11;
    b.send(now, new Array(count).fill(back));
    a.receive(now);
    b.receive(now);
  };
  for (let i = 0; i < 12; i++) answer(256); // 3072 messages: not enough
  const keys = sessionKeys({ now, number: 2 });
  b.datapath.apply(now, { type: "session", peer: 0, keys: keys.b });
  answer(256); // still on the old one
  expect(b.stats.get(0, COLUMN.superPackets)).toBe(0);
  a.datapath.apply(now, { type: "session", peer: 0, keys: keys.a });
  a.datapath.apply(now, { type: "keepalive", peer: 0 });
  b.receive(now);
  for (let i = 0; i < 4; i++) answer(256);
  expect(b.stats.get(0, COLUMN.superPackets)).toBe(1);
});

test("a report of what was never sent, or of no known session, is not heeded", () => {
  const { network, a } = pair();
  const member = new HostileMember(sessionKeys().b);
  const report = (highest: number, session: number, missing: number, bytes = 16) => {
    const body = new Uint8Array(16);
    const view = new DataView(body.buffer);
    for (const [i, word] of [highest, session, missing].entries()) view.setUint32(4 * i, word, true);
    network.inject({
      from: ADDRESS_B,
      to: a.address,
      datagram: member.frame({ type: 0x87, plain: body.subarray(0, bytes) }),
      tos: 0,
    });
  };
  report(100_000, 2001, 0);
  report(0xffff_ffff, 2001, 0);
  report(5000, 77, 0);
  report(0, 2001, 0, 15);
  a.receive(5);
  expect(a.stats.get(0, COLUMN.superPackets)).toBe(0);
  expect(a.drops()).toEqual({ malformed: 3 });
});

test("an interface that brings garbage stops nothing", () => {
  const random = new SeededRandom(8);
  for (const suite of ["wireguard", "dnet"] as const) {
    const { a, b } = pair({ suite });
    for (let round = 0; round < 3000; round++) {
      const packet = payloadOf(random, random.below(200));
      const real = build({ version: random.pick([4, 6]), protocol: random.pick([6, UDP]), payload: packet });
      const bytes = random.chance(0.5) ? real : packet;
      const word = () => random.pick([0, 1, 20, 40, 60, 255, random.below(65_536)]);
      const vnet = { flags: random.below(4), gsoType: random.pick([0, 0, 1, 4, 5, 0x81, random.below(256)]) };
      const written = withVnet(bytes, { ...vnet, headerBytes: word(), gsoSize: word(), start: word(), field: word() });
      a.send(5, [random.chance(0.1) ? written.subarray(0, random.below(written.length + 1)) : written]);
    }
    b.receive(5);
    const packet = plain({ protocol: UDP, payload: new Uint8Array(50) });
    a.send(6, [packet]);
    expect(firstDifference(b.receive(6), taken(packet))).toBeNull();
  }
});

test("a checksum said to lie beyond the packet is not written", () => {
  const { a, b } = pair();
  const packet = build({ protocol: 1, payload: new Uint8Array(20) });
  const lengths = [38, 39, 65_535].map((start) => withVnet(packet, { flags: 1, start, field: 0 }));
  a.send(5, lengths);
  expect([b.receive(5).length, a.drops()]).toEqual([1, { malformed: 2 }]);
});
