import { expect, test } from "bun:test";
import { ecnOf, PacketHeaders } from "../../../../src/io/datapath/packet.ts";
import { build, payloadOf, UDP } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

function parse(packet: Uint8Array, available = packet.length) {
  const bytes = Uint8Array.from([9, 9, 9, ...packet, ...new Uint8Array(64)]);
  const headers = new PacketHeaders();
  return headers.parse(new DataView(bytes.buffer), 3, available) ? headers : null;
}

test("headers are measured", () => {
  const tcpOptions = new Uint8Array(12);
  const ipOptions = new Uint8Array(8);
  const payload = new Uint8Array(5);
  expect(parse(build({ payload, tcpOptions }))).toMatchObject({ version: 4, length: 57, ipBytes: 20, headerBytes: 52 });
  expect(parse(build({ payload, ipOptions }))).toMatchObject({ length: 53, ipBytes: 28, headerBytes: 48, protocol: 6 });
  expect(parse(build({ payload, version: 6 }))).toMatchObject({ version: 6, length: 65, ipBytes: 40, headerBytes: 60 });
  expect(parse(build({ payload, protocol: UDP }))).toMatchObject({ length: 33, headerBytes: 28, protocol: 17 });
});

test("other protocols, fragments, extension headers and broken upper headers have no upper header", () => {
  const payload = new Uint8Array(40);
  for (const fields of [{ protocol: 1 }, { moreFragments: true }, { fragmentOffset: 1 }]) {
    expect(parse(build({ payload, ...fields }))?.headerBytes).toBe(0);
  }
  expect(parse(build({ version: 6, payload, ipOptions: new Uint8Array(8) }))?.headerBytes).toBe(0);
  const tcp = build();
  tcp[32] = 0x40; // 16 bytes
  expect(parse(tcp)?.headerBytes).toBe(0);
  tcp[32] = 0x60; // more than the packet has
  expect(parse(tcp)?.headerBytes).toBe(0);
  expect(
    parse(build({ protocol: UDP, fragmentOffset: 0, moreFragments: true, payload: new Uint8Array(7) }))?.headerBytes,
  ).toBe(0);
});

test("every truncation is refused, padding is not", () => {
  for (const packet of [build({ payload: new Uint8Array(30) }), build({ version: 6, protocol: UDP })]) {
    for (let end = 0; end < packet.length; end++) expect(parse(packet, end)).toBeNull();
    expect(parse(packet, packet.length + 20)?.length).toBe(packet.length);
  }
});

test("lengths that contradict each other are refused", () => {
  const broken = (change: (packet: Uint8Array) => void) => {
    const packet = build({ payload: new Uint8Array(30) });
    change(packet);
    return parse(packet);
  };
  expect(broken((packet) => (packet[0] = 0x44))).toBeNull(); // a header of 16 bytes
  expect(broken((packet) => (packet[0] = 0x55))).toBeNull();
  expect(broken((packet) => (packet[3] = 19))).toBeNull(); // a packet shorter than its header
  expect(broken((packet) => (packet[3] = 71))).toBeNull();
  expect(parse(new Uint8Array(64))).toBeNull();
});

test("random bytes never yield a packet longer than they are", () => {
  const random = new SeededRandom(4);
  for (let round = 0; round < 5000; round++) {
    const bytes = payloadOf(random, random.below(80));
    if (bytes.length > 0) bytes[0] = random.pick([0x45, 0x46, 0x60, bytes[0]!]);
    if (bytes.length > 4) bytes[random.pick([2, 4])] = 0;
    const headers = parse(bytes);
    if (!headers) continue;
    expect(headers.length).toBeLessThanOrEqual(bytes.length);
    expect(headers.headerBytes).toBeLessThanOrEqual(headers.length);
  }
});

test("the two ECN bits are found in both versions", () => {
  for (const version of [4, 6] as const) {
    for (const ecn of [0, 1, 2, 3]) {
      const packet = build({ version, tos: 0xb8 | ecn });
      expect(ecnOf(new DataView(packet.buffer), 0)).toBe(ecn);
    }
  }
});
