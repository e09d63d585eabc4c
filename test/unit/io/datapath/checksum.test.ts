import { expect, test } from "bun:test";
import {
  finishChecksum,
  fold,
  pseudoHeaderSum,
  sum,
  swap16,
  updateChecksum,
  writeIp4Checksum,
} from "../../../../src/io/datapath/checksum.ts";
import {
  build,
  checksumsHold,
  hex,
  layoutOf,
  onesSum,
  payloadOf,
  pseudoSum,
  setU16,
} from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The sum as big-endian words have it; 0 and 0xffff are one number. */
function bigEndian(total: number): number {
  return swap16(fold(total)) || 0xffff;
}

test("sums of every length and place agree with a naive sum", () => {
  const random = new SeededRandom(1);
  const bytes = payloadOf(random, 200);
  for (let at = 0; at < 5; at++) {
    for (let length = 0; length < 100; length++) {
      const expected = onesSum(bytes.subarray(at, at + length)) || 0xffff;
      expect(bigEndian(sum(viewOf(bytes), at, length))).toBe(expected);
    }
  }
});

test("the largest sums do not overflow", () => {
  const bytes = new Uint8Array(65_535).fill(0xff);
  expect(fold(3 * sum(viewOf(bytes), 0, bytes.length))).toBe(fold(3 * (32_767 * 0xffff + 0xff)));
  expect(fold(2 ** 32 - 1)).toBe(0xffff);
  expect(fold(0)).toBe(0);
});

test("the pseudo-header's sum counts addresses and protocol", () => {
  for (const version of [4, 6] as const) {
    const packet = build({ version, payload: new Uint8Array(9) });
    const { source, destination, protocol } = layoutOf(packet);
    expect(bigEndian(pseudoHeaderSum(viewOf(packet), 0, version, 6))).toBe(pseudoSum(source, destination, protocol, 0));
  }
});

test("a partial checksum is finished to the whole one", () => {
  const random = new SeededRandom(2);
  for (let round = 0; round < 200; round++) {
    const version = random.pick([4, 6] as const);
    const protocol = random.pick([6, 17]);
    const fields = { version, protocol, payload: payloadOf(random, random.below(100)) };
    const packet = build({ ...fields, checksum: "partial" });
    const { ipBytes, field } = layoutOf(packet);
    finishChecksum(viewOf(packet), ipBytes, packet.length - ipBytes, field - ipBytes);
    expect(packet).toEqual(build(fields));
  }
});

test("a checksum that comes to zero is written as 0xffff", () => {
  const bytes = Uint8Array.of(0xff, 0xff, 0, 0);
  finishChecksum(viewOf(bytes), 0, 4, 2);
  expect([...bytes]).toEqual([0xff, 0xff, 0xff, 0xff]);
});

test("an IPv4 header's checksum is written whatever stood there", () => {
  const packet = build();
  const spoilt = packet.slice();
  setU16(spoilt, 10, 0x1234);
  writeIp4Checksum(viewOf(spoilt), 0, 20);
  expect(hex([spoilt])).toEqual(hex([packet]));
});

test("a checksum mended for one changed word is right again", () => {
  const random = new SeededRandom(3);
  for (let round = 0; round < 300; round++) {
    const packet = build({ payload: payloadOf(random, 20) });
    const view = viewOf(packet);
    const at = 40 + 2 * random.below(10);
    const before = view.getUint16(at, true);
    setU16(packet, at, random.chance(0.2) ? 0xffff : random.below(65_536));
    updateChecksum(view, 36, before, view.getUint16(at, true));
    expect(checksumsHold(packet)).toBe(true);
  }
});
