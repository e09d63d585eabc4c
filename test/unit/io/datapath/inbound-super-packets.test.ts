import { expect, test } from "bun:test";
import type { SentDatagram } from "../../../../src/io/datapath/memory-ports.ts";
import { COLUMN } from "../../../../src/io/datapath/stats.ts";
import { caughtFrom, pair, plain, warmUp } from "../../../support/datapath-pair.ts";
import { address4, build, checksumsHold, firstDifference, hex, UDP } from "../../../support/packets.ts";
import { superVnet, taken } from "../../../support/plain-kernel.ts";

const ELSEWHERE = { host: "198.51.100.9", port: 9 };
const large = (byte: number) => plain({ protocol: UDP, payload: new Uint8Array(1000).fill(byte) });

/** A TCP super-packet of 12 packets. */
const superPacket = (tos = 0) =>
  superVnet(build({ tos, payload: new Uint8Array(12_000).fill(7), checksum: "partial" }), 1000);

test("super-packets: a lost piece loses the whole, which is noticed; doubled and late pieces do no harm", () => {
  const ends = pair();
  let now = warmUp(ends);
  const expected = taken(superPacket());
  const arrive = (change: (pieces: SentDatagram[]) => SentDatagram[]) => {
    for (const sent of change(caughtFrom(ends, [superPacket()], now))) ends.network.inject(sent);
    return ends.b.receive(now);
  };
  const arriveWhole = (change: (pieces: SentDatagram[]) => SentDatagram[]) =>
    expect(firstDifference(arrive(change), expected)).toBeNull();
  arriveWhole((all) => all);
  arriveWhole((all) => all.flatMap((one) => [one, one]));
  arriveWhole(([first, ...rest]) => [...rest.toReversed().slice(1), first!, rest.at(-1)!]);
  expect(arrive((all) => all.slice(1))).toEqual([]);
  expect(arrive((all) => all.slice(0, -1))).toEqual([]);
  now += 20;
  ends.a.send(now, [large(1)]);
  ends.b.receive(now);
  ends.a.receive(now);
  expect(ends.a.stats.get(0, COLUMN.superPackets)).toBe(0);
  expect(caughtFrom(ends, [superPacket()], now).every(({ datagram }) => datagram[0] === 0x84)).toBe(true);
});

test("super-packets: forged pieces deliver nothing wrong", () => {
  const ends = pair();
  const now = warmUp(ends);
  const pieces = caughtFrom(ends, [superPacket()], now);
  for (const [i, sent] of pieces.entries()) {
    const datagram = sent.datagram.slice();
    if (i === 3) datagram[100]! ^= 1;
    ends.network.inject({ ...sent, from: ELSEWHERE, datagram });
  }
  expect(ends.b.receive(now)).toEqual([]);
  expect(ends.b.drops()).toEqual({ forged: 1 });
  expect(ends.b.takeEvents()).toEqual([]);
  for (const sent of pieces) ends.network.inject(sent); // the real ones are not thought replayed
  expect(ends.b.receive(now)).toHaveLength(12);
});

test("a kernel that takes no super-packets gets their packets", () => {
  const ends = pair({ b: { takes: { checksum: false, tcp: false, udp: false } } });
  const now = warmUp(ends);
  ends.a.send(now, [superPacket()]);
  ends.b.datapath.turnSocket(now, ends.b.port);
  expect(ends.b.tun.outgoing).toHaveLength(12);
  expect(firstDifference(ends.b.takeDelivered(), taken(superPacket()))).toBeNull();
});

test("a super-packet's source address counts as well", () => {
  const ends = pair();
  const now = warmUp(ends);
  ends.b.receive(now);
  const packet = build({ source: address4(5), payload: new Uint8Array(9000), checksum: "partial" });
  ends.a.send(now, [superVnet(packet, 1000)]);
  expect(ends.b.receive(now)).toEqual([]);
  expect(ends.b.drops()).toEqual({ sourceNotAllowed: 1 });
});

/**
 * RFC 6040 §4.2: what becomes of the inner header, by inner (down) and outer (across) Not-ECT, ECT(1), ECT(0), CE; null: dropped.
 * But for ECT(0) that was ECT(1) outside: nobody on the way may do that, and WireGuard does not look.
 */
const ECN: (number | null)[][] = [
  [0, 0, 0, null],
  [1, 1, 1, 3],
  [2, 2, 2, 3],
  [3, 3, 3, 3],
];

test("congestion that the outer header met is marked in the inner one", () => {
  for (const version of [4, 6] as const) {
    for (const [inner, row] of ECN.entries()) {
      for (const [outer, expected] of row.entries()) {
        const ends = pair();
        ends.network.carry = (sent) => {
          expect(sent.tos).toBe(inner);
          return [{ ...sent, tos: outer }];
        };
        const fields = { version, protocol: UDP, tos: 0xb8 | inner, payload: new Uint8Array(30) };
        ends.a.send(2, [plain(fields)]);
        const wanted = expected === null ? [] : [build({ ...fields, tos: 0xb8 | expected })];
        expect([inner, outer, hex(ends.b.receive(2))]).toEqual([inner, outer, hex(wanted)]);
        expect(ends.b.drops()).toEqual(expected === null ? { congestionMarked: 1 } : {});
      }
    }
  }
});

test("congestion that one piece of a super-packet met is marked in all its packets", () => {
  for (const marked of [0, 5, -1]) {
    for (const tos of [2, 0]) {
      const ends = pair();
      const now = warmUp(ends);
      const caught = caughtFrom(ends, [superPacket(tos)], now);
      for (const [i, sent] of caught.entries()) {
        ends.network.inject(i === (marked < 0 ? caught.length - 1 : marked) ? { ...sent, tos: 3 } : sent);
      }
      const packets = ends.b.receive(now);
      expect(packets.map((packet) => packet[1])).toEqual(tos === 0 ? [] : new Array(12).fill(3));
      expect(packets.every(checksumsHold)).toBe(true);
    }
  }
});

test("packets of different ECN bits do not share a bundle", () => {
  const ends = pair();
  const packets = [0, 1, 1, 2, 2, 2, 3].map((tos) => plain({ protocol: UDP, tos, payload: new Uint8Array(9) }));
  const caught = caughtFrom(ends, packets);
  expect(caught.map(({ datagram, tos }) => `${datagram[0]!.toString(16)} ${tos}`)).toEqual([
    "84 0",
    "85 1",
    "85 2",
    "84 3",
  ]);
});
