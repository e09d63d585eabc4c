import { expect, test } from "bun:test";
import {
  DATA,
  decodeUdxPacket,
  encodeId,
  encodeUdxPacket,
  HEARTBEAT,
  idOf,
  SACK,
  type UdxPacket,
} from "../../../src/wire/udx.ts";
import { SeededRandom } from "../../support/random.ts";
import { codec, described, expected, scenarios } from "../../support/udx-vectors.ts";

const ACK: UdxPacket = {
  type: 0,
  id: 7,
  rwnd: 1,
  seq: 2,
  ack: 3,
  paddingBytes: 0,
  sacks: [],
  payload: new Uint8Array(),
};

test("packets have the reference's bytes, and come back from them", () => {
  for (const { hex, decoded } of codec) {
    const bytes = Uint8Array.fromHex(hex);
    const packet = decodeUdxPacket(bytes);
    if (decoded.udx === false) {
      expect(packet).toBeNull();
      continue;
    }
    expect(described(packet!)).toEqual(expected(decoded));
    expect(encodeUdxPacket(packet!).toHex()).toBe(hex);
  }
});

test("every packet of every captured conversation is read as it was meant, and written again", () => {
  const packets = scenarios.flatMap(({ packets }) => packets).filter(({ hex }) => hex !== undefined);
  expect(packets.length).toBeGreaterThan(800);
  for (const { hex, decoded } of packets) {
    const packet = decodeUdxPacket(Uint8Array.fromHex(hex!));
    const isPacket = decoded.udx !== false && decoded.payloadLength >= 0;
    expect(packet !== null).toBe(isPacket);
    if (!packet) continue;
    expect(described(packet)).toEqual(expected(decoded));
    expect(encodeUdxPacket(packet).toHex()).toBe(hex!);
  }
});

test("heads of packets whose bodies were not kept say the same", () => {
  const heads = scenarios.flatMap(({ packets }) => packets).filter(({ headHex }) => headHex !== undefined);
  expect(heads.length).toBeGreaterThan(100);
  for (const { headHex, length, decoded } of heads) {
    const bytes = new Uint8Array(length);
    bytes.set(Uint8Array.fromHex(headHex!));
    expect(described(decodeUdxPacket(bytes)!)).toEqual(expected(decoded));
  }
});

test("short datagrams, another magic and another version are no packets", () => {
  const bytes = encodeUdxPacket(ACK);
  expect(decodeUdxPacket(bytes)).toEqual(ACK);
  for (let end = 0; end < bytes.length; end++) expect(decodeUdxPacket(bytes.subarray(0, end))).toBeNull();
  expect(decodeUdxPacket(bytes.with(0, 0xfe))).toBeNull();
  expect(decodeUdxPacket(bytes.with(1, 2))).toBeNull();
});

test("a payload that would begin behind the end is none, and one that begins at the end is empty", () => {
  const bytes = encodeUdxPacket({ ...ACK, type: DATA, paddingBytes: 4 });
  expect(decodeUdxPacket(bytes)!.payload).toHaveLength(0);
  expect(decodeUdxPacket(bytes.with(3, 5))).toBeNull();
});

test("blocks beside data are counted by the offset, and a rest that is no block is left", () => {
  const sacks = [[1, 2]] as const;
  const beside = encodeUdxPacket({ ...ACK, type: DATA | SACK, sacks, payload: Uint8Array.of(9, 9) });
  expect(decodeUdxPacket(beside)).toMatchObject({ sacks: [[1, 2]], payload: Uint8Array.of(9, 9) });
  const alone = encodeUdxPacket({ ...ACK, type: SACK, sacks });
  expect(decodeUdxPacket(Uint8Array.of(...alone, 1, 2, 3))!.sacks).toEqual([[1, 2]]);
});

test("a relay changes the id and nothing else", () => {
  const bytes = encodeUdxPacket({ ...ACK, type: HEARTBEAT });
  encodeId(bytes, 0, 0xffff_fffe);
  expect(idOf(bytes)).toBe(0xffff_fffe);
  expect(decodeUdxPacket(bytes)).toEqual({ ...ACK, type: HEARTBEAT, id: 0xffff_fffe });
});

test("no bytes make the decoder throw", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.below(100));
    bytes.set([255, 1, random.below(256), random.pick([0, 0, 1, 8, 255])].slice(0, bytes.length));
    decodeUdxPacket(bytes);
  }
});
