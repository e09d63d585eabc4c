import { expect, test } from "bun:test";
import { clampMss } from "../../../../src/io/datapath/mss.ts";
import { PacketHeaders } from "../../../../src/io/datapath/packet.ts";
import { ACK, build, checksumsHold, type PacketFields, payloadOf, SYN } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

const MTU = 1420;
const MSS_1460 = [2, 4, 1460 >> 8, 1460 & 255];

function clamped(fields: Partial<PacketFields>, mtu = MTU): Uint8Array {
  const packet = build({ flags: SYN, ...fields });
  const headers = new PacketHeaders();
  const view = new DataView(packet.buffer);
  headers.parse(view, 0, packet.length);
  clampMss(view, 0, headers, mtu, fields.checksum === "partial");
  return packet;
}

test("a SYN's maximum segment size is lowered at any offset, and its checksum stays right", () => {
  for (const version of [4, 6] as const) {
    const limit = MTU - (version === 4 ? 40 : 60);
    for (let before = 0; before <= 8; before++) {
      for (const flags of [SYN, SYN | ACK]) {
        const tcpOptions = new Uint8Array(12).fill(1);
        tcpOptions.set(MSS_1460, before);
        const packet = clamped({ version, flags, tcpOptions });
        const at = (version === 4 ? 40 : 60) + before + 2;
        expect([before, packet[at]! * 256 + packet[at + 1]!]).toEqual([before, limit]);
        expect(checksumsHold(packet)).toBe(true);
      }
    }
  }
});

test("random segment sizes and limits leave the checksum right", () => {
  const random = new SeededRandom(6);
  for (let round = 0; round < 500; round++) {
    const odd = random.chance(0.5);
    const mss = [2, 4, random.below(256), random.below(256)];
    const tcpOptions = Uint8Array.from(odd ? [1, ...mss, 0, 0, 0] : mss);
    const packet = clamped({ tcpOptions, payload: payloadOf(random, random.below(4)) }, 576 + random.below(900));
    expect(checksumsHold(packet)).toBe(true);
  }
});

test("a partial checksum is not touched", () => {
  const tcpOptions = Uint8Array.from(MSS_1460);
  const lowered = Uint8Array.of(2, 4, 1380 >> 8, 1380 & 255);
  expect(clamped({ tcpOptions, checksum: "partial" })).toEqual(
    build({ flags: SYN, tcpOptions: lowered, checksum: "partial" }),
  );
});

test("everything else is left alone", () => {
  const tcpOptions = Uint8Array.from(MSS_1460);
  const untouched: Partial<PacketFields>[] = [
    { flags: ACK, tcpOptions },
    { tcpOptions: Uint8Array.of(2, 4, 4, 0) }, // already small enough
    { tcpOptions: Uint8Array.of(0, ...MSS_1460, 0, 0, 0) }, // behind the end of the options
    { tcpOptions: Uint8Array.of(2, 3, 255, 0) }, // of another length than it must have
    { tcpOptions: Uint8Array.of(8, 0, ...MSS_1460, 0, 0) }, // behind an option of no length
    { tcpOptions: Uint8Array.of(8, 40, ...MSS_1460, 0, 0) }, // inside an option that reaches past the end
    { tcpOptions: Uint8Array.of(1, 1, 1, 2) }, // cut off
    { protocol: 17, payload: tcpOptions },
    { moreFragments: true, payload: new Uint8Array(40).fill(2) },
  ];
  for (const fields of untouched) expect(clamped(fields)).toEqual(build({ flags: SYN, ...fields }));
});

test("random options never throw", () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 2000; round++) {
    const tcpOptions = payloadOf(random, 4 * random.below(11)).map((byte) => (random.chance(0.5) ? byte & 7 : byte));
    expect(checksumsHold(clamped({ tcpOptions }))).toBe(true);
  }
});
