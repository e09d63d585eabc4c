import { expect, test } from "bun:test";
import { parsePrefix } from "../../../../src/base/ip.ts";
import {
  ADDRESS_A,
  ADDRESS_B,
  caughtFrom,
  intercept,
  pair,
  plain,
  sessionKeys,
  strangers,
} from "../../../support/datapath-pair.ts";
import { HostileMember } from "../../../support/hostile-member.ts";
import { address4, address6, build, checksumsHold, hex, layoutOf, SYN, UDP } from "../../../support/packets.ts";

const ELSEWHERE = { host: "198.51.100.9", port: 9 };
const small = (byte: number) => plain({ protocol: UDP, payload: new Uint8Array(20).fill(byte) });
const large = (byte: number) => plain({ protocol: UDP, payload: new Uint8Array(1000).fill(byte) });

test("a datagram is taken once, however often it comes", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    const ends = pair({ suite });
    const caught = caughtFrom(ends, [large(1), large(2), small(3), small(4)]);
    for (const datagram of [...caught, ...caught, ...caught.toReversed()]) ends.network.inject(datagram);
    expect(ends.b.receive(6)).toHaveLength(4);
    expect(ends.b.drops()).toEqual({ replayed: 2 * caught.length });
  }
});

test("datagrams in any order are taken, but for those 8192 behind", () => {
  const ends = pair();
  const caught = caughtFrom(
    ends,
    Array.from({ length: 100 }, (_, i) => large(i)),
  );
  for (const datagram of caught.toReversed()) ends.network.inject(datagram);
  expect(ends.b.receive(6)).toHaveLength(100);

  const [old] = caughtFrom(ends, [large(1)]);
  const many = caughtFrom(
    ends,
    Array.from({ length: 8192 }, () => large(2)),
  );
  ends.network.inject(many.at(-1)!);
  ends.network.inject(many[0]!);
  expect(ends.b.receive(6)).toHaveLength(2);
  ends.network.inject(old!);
  expect(ends.b.receive(6)).toHaveLength(0);
  expect(ends.b.drops()).toEqual({ replayed: 1 });
});

test("every changed bit of a datagram of every type is refused and counted, and nothing else follows", () => {
  for (const suite of ["wireguard", "dnet"] as const) {
    const ends = pair({ suite });
    const caught = caughtFrom(ends, suite === "dnet" ? [small(1), small(2), large(3)] : [small(1)]);
    ends.a.datapath.apply(5, { type: "keepalive", peer: 0 });
    const before = ends.b.activity();
    for (const sent of caught) {
      for (let bit = 0; bit < 8 * Math.min(80, sent.datagram.length); bit++) {
        const datagram = sent.datagram.slice();
        datagram[bit >> 3]! ^= 1 << (bit & 7);
        ends.network.inject({ ...sent, from: ELSEWHERE, datagram });
      }
    }
    ends.network.carry = () => [];
    expect(ends.b.receive(6).length).toBe(0);
    expect([ends.b.takeEvents(), { ...ends.b.activity(), lastTraversalAt: 0 }]).toEqual([
      [],
      { ...before, lastTraversalAt: 0 },
    ]);
    for (const sent of caught) ends.network.inject(sent);
    expect(ends.b.receive(6)).toHaveLength(suite === "dnet" ? 3 : 1);
  }
});

test("reserved bits that are set are refused", () => {
  const keys = sessionKeys();
  const member = new HostileMember(keys.a);
  const { network, b } = pair();
  member.counter = 10;
  const packet = build({ protocol: UDP, payload: new Uint8Array(20) });
  const frames = [
    { type: 0x84, flags: 2, plain: packet },
    { type: 0x84, flags: 3, plain: packet, prefix: 0x100 },
    { type: 0x84, index: 1, plain: packet },
    { type: 0x84, count: 1, plain: packet },
    { type: 0x85, flags: 1, plain: packet },
    { type: 0x87, flags: 1, plain: packet },
  ];
  for (const frame of frames) network.inject({ from: ADDRESS_A, to: ADDRESS_B, datagram: member.frame(frame), tos: 0 });
  expect(b.receive(5)).toEqual([]);
  expect(b.drops()).toEqual({ malformed: frames.length });
});

test("one type's plaintext never passes for another's", () => {
  const ends = pair();
  const types = [0x84, 0x85, 0x86, 0x87];
  for (const [sent] of [caughtFrom(ends, [large(1)]), caughtFrom(ends, [small(1), small(2)])]) {
    for (const type of types.filter((type) => type !== sent!.datagram[0])) {
      const datagram = sent!.datagram.slice();
      datagram.set([type, 0, 0, type === 0x86 ? 1 : 0]);
      ends.network.inject({ ...sent!, datagram });
    }
  }
  const flagged = caughtFrom(ends, [large(1)])[0]!;
  flagged.datagram[1] = 1;
  ends.network.inject(flagged);
  expect(ends.b.receive(5)).toEqual([]);
  expect(ends.b.drops()).toEqual({ forged: 7 });
});

test("frames of the other suite, of no session, too short or with absurd counters are counted by reason", () => {
  const { network, a, b } = pair();
  const good = caughtFrom({ network, a, b }, [large(1)])[0]!;
  const change = (alter: (bytes: Uint8Array) => void, length?: number) => {
    const datagram = good.datagram.slice(0, length);
    alter(datagram);
    network.inject({ ...good, datagram });
  };
  change((bytes) => (bytes[0] = 4));
  change((bytes) => (bytes[5]! ^= 1));
  change(() => {}, 31);
  change((bytes) => (bytes[12] = 1));
  b.receive(5);
  expect(b.drops()).toEqual({ wrongSuite: 1, unknownSession: 1, malformed: 1, expired: 1 });
});

test("a session stops when it is 180 s old", () => {
  const ends = pair();
  const [one, two] = [caughtFrom(ends, [large(1)])[0]!, caughtFrom(ends, [large(2)])[0]!];
  ends.network.inject(one);
  expect(ends.b.receive(180_000)).toHaveLength(1);
  ends.network.inject(two);
  expect(ends.b.receive(180_001)).toHaveLength(0);
  expect(ends.b.drops()).toEqual({ expired: 1 });
});

test("an inner source address must be the sender's, and a destination some peer's", () => {
  const { a, b } = strangers();
  const third = [`10.0.0.3/32`, `fd00::3/128`].map((text) => parsePrefix(text)!);
  for (const end of [a, b])
    end.datapath.apply(0, { type: "peer", peer: 1, suite: "dnet", superPackets: true, allowed: third });
  const keys = sessionKeys();
  b.datapath.apply(1, { type: "session", peer: 0, keys: keys.b });
  a.datapath.apply(1, { type: "session", peer: 0, keys: keys.a });
  const from = (source: Uint8Array) => plain({ version: source.length === 4 ? 4 : 6, protocol: UDP, source });
  for (const last of [1, 3, 4]) a.send(2, [from(address4(last)), from(address6(last))]);
  expect(hex(b.receive(2).map((packet) => layoutOf(packet).source))).toEqual(hex([address4(1), address6(1)]));
  expect(b.drops()).toEqual({ sourceNotAllowed: 4 });

  a.send(
    2,
    [4, 6].map((version) =>
      plain({ version: version as 4 | 6, destination: version === 4 ? address4(9) : address6(9) }),
    ),
  );
  expect(a.drops()).toEqual({ noRoute: 2 });
  b.datapath.apply(3, { type: "removePeer", peer: 0 });
  a.send(3, [from(address4(1))]);
  expect(b.receive(3)).toEqual([]);
  expect(b.drops()["unknownSession"]).toBe(1);
});

test("the peer's address follows authentic datagrams, and no others", () => {
  const ends = pair();
  const { network, a, b } = ends;
  const [one, two] = caughtFrom(ends, [large(1), large(2)]);
  const forged = { ...one!, from: ELSEWHERE, datagram: one!.datagram.slice() };
  forged.datagram[40]! ^= 1;
  network.inject(forged);
  b.receive(5);
  expect(b.takeEvents()).toEqual([]);
  network.inject({ ...one!, from: ELSEWHERE });
  b.receive(5);
  expect(b.takeEvents()).toEqual(["roamed 0 198.51.100.9 9"]);
  network.inject({ ...one!, from: ADDRESS_A }); // a replay
  b.receive(5);
  expect(b.takeEvents()).toEqual([]);
  const caught = intercept(network);
  b.send(5, [plain({ protocol: UDP, source: address4(2), destination: address4(1) })]);
  expect(caught.map(({ to }) => to)).toEqual([ELSEWHERE]);
  network.inject(two!);
  b.receive(5);
  expect(b.takeEvents()).toEqual(["roamed 0 192.0.2.1 1776"]);
  expect(a.drops()).toEqual({});
});

test("SYNs are clamped on their way in, to the path of the peer that they came from", () => {
  const { a, b } = pair({ a: { mtu: 9000 } });
  const syn = () => plain({ flags: SYN, tcpOptions: Uint8Array.of(2, 4, 0x20, 0) });
  const mssOf = ([packet]: Uint8Array[]) => {
    expect(checksumsHold(packet!)).toBe(true);
    return packet![42]! * 256 + packet![43]!;
  };
  a.send(2, [syn()]);
  expect(mssOf(b.receive(2))).toBe(1500 - 40);
  b.datapath.apply(2, { type: "pathMtu", peer: 0, bytes: 1400, version: 4 });
  a.send(2, [syn()]);
  expect(mssOf(b.receive(2))).toBe(1400 - 60 - 40);
});

test("other datagrams go to the control thread, as far as it has room", () => {
  const { network, b } = pair();
  const datagram = Uint8Array.of(0x81, 1, 2, 3);
  network.inject({ from: ELSEWHERE, to: ADDRESS_B, datagram, tos: 0 });
  b.receive(5);
  expect(b.datagrams).toEqual([{ from: ELSEWHERE, datagram }]);
  b.controlHasRoom = false;
  network.inject({ from: ELSEWHERE, to: ADDRESS_B, datagram, tos: 0 });
  b.receive(5);
  expect([b.datagrams.length, b.drops()]).toEqual([1, { controlBusy: 1 }]);
});
