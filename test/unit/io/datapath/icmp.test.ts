import { expect, test } from "bun:test";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import { TooBigReplies } from "../../../../src/io/datapath/icmp.ts";
import { PacketHeaders } from "../../../../src/io/datapath/packet.ts";
import {
  build,
  getU16,
  getU32,
  layoutOf,
  onesSum,
  type PacketFields,
  pseudoSum,
  UDP,
} from "../../../support/packets.ts";

const ICMP = 1;
const ICMP6 = 58;

class Bench {
  readonly #arena = new Arena(128 * 1024);
  readonly #replies = new TooBigReplies(this.#arena);
  readonly #at = this.#arena.reserve(66_000);

  /** The reply to this packet; null for none. */
  reply(now: number, packet: Uint8Array, mtu: number): Uint8Array | null {
    const headers = new PacketHeaders();
    this.#arena.bytes.set(packet, this.#at);
    if (!headers.parse(this.#arena.view, this.#at, packet.length)) throw new Error("the test makes whole packets");
    const length = this.#replies.write(now, this.#at, headers, mtu);
    return length === 0 ? null : this.#arena.bytes.slice(this.#replies.at, this.#replies.at + length);
  }
}

function reply(fields: Partial<PacketFields>, mtu = 1380): Uint8Array | null {
  return new Bench().reply(1, build(fields), mtu);
}

test("IPv4: fragmentation needed, with the size that fits and the header and 8 bytes quoted", () => {
  for (const ipOptions of [new Uint8Array(0), new Uint8Array(40)]) {
    const packet = build({ protocol: UDP, payload: new Uint8Array(1400), ipOptions });
    const answer = new Bench().reply(1, packet, 1380)!;
    expect(answer.length).toBe(28 + 20 + ipOptions.length + 8);
    expect([answer[0], getU16(answer, 2), answer[8], answer[9]]).toEqual([0x45, answer.length, 64, ICMP]);
    expect(answer.slice(12, 20)).toEqual(Uint8Array.from([...packet.slice(16, 20), ...packet.slice(12, 16)]));
    expect(onesSum(answer.subarray(0, 20))).toBe(0xffff);
    expect(onesSum(answer.subarray(20))).toBe(0xffff);
    expect([answer[20], answer[21], getU16(answer, 24), getU16(answer, 26)]).toEqual([3, 4, 0, 1380]);
    expect(answer.slice(28)).toEqual(packet.slice(0, answer.length - 28));
  }
});

test("IPv6: packet too big, quoting as much as fits 1280 bytes", () => {
  for (const [bytes, quoted] of [
    [1400, 1232],
    [500, 548],
  ] as const) {
    const packet = build({ version: 6, protocol: UDP, payload: new Uint8Array(bytes).fill(3) });
    const answer = new Bench().reply(1, packet, 1380)!;
    const { source, destination } = layoutOf(packet);
    expect(answer.length).toBe(48 + quoted);
    expect([answer[0], getU16(answer, 4), answer[6], answer[7]]).toEqual([0x60, 8 + quoted, ICMP6, 64]);
    expect([answer.slice(8, 24), answer.slice(24, 40)]).toEqual([destination, source]);
    expect(onesSum(answer.subarray(40), pseudoSum(source, destination, ICMP6, answer.length - 40))).toBe(0xffff);
    expect([answer[40], answer[41], getU32(answer, 44)]).toEqual([2, 0, 1380]);
    expect(answer.slice(48)).toEqual(packet.slice(0, quoted));
  }
});

test("IPv6 is never told less than its least MTU", () => {
  expect(getU32(reply({ version: 6, payload: new Uint8Array(1400) }, 576)!, 44)).toBe(1280);
});

test("no error is told about an error, nor about a fragment that is not the first", () => {
  const icmp = (type: number) => Uint8Array.of(type, 0, ...new Uint8Array(1400));
  expect(reply({ protocol: ICMP, payload: icmp(8) })).not.toBeNull();
  expect(reply({ protocol: ICMP, payload: icmp(0) })).not.toBeNull();
  for (const type of [3, 4, 5, 11, 12]) expect(reply({ protocol: ICMP, payload: icmp(type) })).toBeNull();
  for (const type of [1, 2, 3, 4, 127]) {
    expect(reply({ version: 6, protocol: ICMP6, payload: icmp(type) })).toBeNull();
  }
  expect(reply({ version: 6, protocol: ICMP6, payload: icmp(128) })).not.toBeNull();
  expect(reply({ protocol: UDP, moreFragments: true, payload: icmp(8) })).not.toBeNull();
  expect(reply({ protocol: UDP, fragmentOffset: 100, payload: icmp(8) })).toBeNull();
});

test("100 a second are told and no more", () => {
  const bench = new Bench();
  const packet = build({ payload: new Uint8Array(1400) });
  const told = (now: number) =>
    Array.from({ length: 150 }, () => bench.reply(now, packet, 1380)).filter(Boolean).length;
  expect([told(1000), told(1999), told(2000)]).toEqual([100, 0, 100]);
});
