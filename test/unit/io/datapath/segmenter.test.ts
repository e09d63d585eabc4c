import { expect, test } from "bun:test";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import { Segmenter } from "../../../../src/io/datapath/segmenter.ts";
import { randomSuper } from "../../../support/packet-streams.ts";
import { ACK, address6, build, checksumsHold, hex, TCP, UDP } from "../../../support/packets.ts";
import { split, superVnet, taken, withVnet } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

const AT = 64;

/** What the segmenter makes of a super-packet behind its vnet header; null when it refuses. */
function cut(written: Uint8Array, finishChecksums: boolean): Uint8Array[] | null {
  const arena = new Arena(70_000);
  const at = arena.reserve(66_000) + AT;
  const segmenter = new Segmenter(arena);
  arena.bytes.set(written, at);
  if (!segmenter.begin(at, written.length, finishChecksums)) return null;
  const parts: Uint8Array[] = [];
  for (let length = segmenter.next(); length > 0; length = segmenter.next()) {
    parts.push(arena.bytes.slice(segmenter.at, segmenter.at + length));
  }
  return parts;
}

test("random super-packets are cut as a kernel cuts them, with partial and with whole checksums", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 150; round++) {
    const { packet, gsoSize } = randomSuper(random, 20_000);
    const written = superVnet(packet, gsoSize);
    const whole = cut(written, true)!;
    expect([round, hex(cut(written, false)!)]).toEqual([round, hex(split(packet, gsoSize))]);
    expect([round, hex(whole)]).toEqual([round, hex(taken(written))]);
    expect(whole.every(checksumsHold)).toBe(true);
  }
});

test("the kernel's own header length and its ECN mark change nothing", () => {
  const packet = build({ payload: new Uint8Array(3000), checksum: "partial" });
  const plain = hex(cut(superVnet(packet, 1000), true)!);
  const odd = superVnet(packet, 1000);
  odd[1] = odd[1]! | 0x80;
  odd[2] = 200;
  expect(hex(cut(odd, true)!)).toEqual(plain);
});

test("IPv6 extension headers are repeated before every packet", () => {
  const ipOptions = Uint8Array.of(TCP, 0, 1, 4, 0, 0, 0, 0);
  const packet = build({ version: 6, ipOptions, payload: new Uint8Array(250).fill(7), checksum: "partial" });
  const parts = cut(withVnet(packet, { flags: 1, gsoType: 4, gsoSize: 100, start: 48, field: 16 }), true)!;
  const expected = [0, 100, 200].map((offset) =>
    build({ version: 6, ipOptions, sequence: 1 + offset, payload: new Uint8Array(offset < 200 ? 100 : 50).fill(7) }),
  );
  expect(hex(parts)).toEqual(hex(expected));
});

test("headers that do not agree are refused", () => {
  const tcp4 = build({ payload: new Uint8Array(100), checksum: "partial" });
  const tcp6 = build({ version: 6, payload: new Uint8Array(100), checksum: "partial", source: address6(1) });
  const good = { flags: 1, gsoType: 1, gsoSize: 50, start: 20, field: 16 };
  const refused = (packet: Uint8Array, vnet: Partial<typeof good>) => cut(withVnet(packet, { ...good, ...vnet }), true);
  expect(refused(tcp4, {})).toHaveLength(2);
  expect(refused(tcp6, {})).toBeNull();
  expect(refused(tcp4, { gsoType: 4 })).toBeNull();
  expect(refused(tcp4, { gsoType: 2 })).toBeNull();
  expect(refused(tcp4, { gsoSize: 0 })).toBeNull();
  expect(refused(tcp4, { start: 0 })).toBeNull();
  expect(refused(tcp4, { start: 250 })).toBeNull();
  expect(refused(tcp6, { gsoType: 4, start: 20 })).toBeNull();
  expect(refused(tcp4.subarray(0, 39), {})).toBeNull();
  const short = tcp4.slice();
  short[32] = 0x40; // a TCP header of 16 bytes
  expect(refused(short, {})).toBeNull();
  short[32] = 0xf0; // one of 60, which reaches past the end
  expect(refused(short.subarray(0, 70), {})).toBeNull();
});

test("flags: FIN and PSH are the last packet's, CWR the first's, ECE every one's", () => {
  const packet = build({ flags: ACK | 0xc9, payload: new Uint8Array(300), checksum: "partial" });
  const flags = cut(superVnet(packet, 100), true)!.map((part) => part[33]!.toString(16));
  expect(flags).toEqual(["d0", "50", "59"]);
});

test("UDP parts have their own lengths", () => {
  const packet = build({ protocol: UDP, payload: new Uint8Array(250), checksum: "partial" });
  expect(cut(superVnet(packet, 100), true)!.map((part) => part[24]! * 256 + part[25]!)).toEqual([108, 108, 58]);
});
