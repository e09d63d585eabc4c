import { expect, test } from "bun:test";
import { ICMP, TCP, UDP } from "../../../../src/io/datapath/packet.ts";
import { Packet } from "../../../../src/io/lab/packet.ts";
import { build, checksumsHold, getU16, onesSum } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";

const echo = (type: number, id: number) => {
  const payload = Uint8Array.of(type, 0, 0, 0, id >> 8, id & 0xff, 0, 1, 9, 9);
  const sum = ~onesSum(payload) & 0xffff;
  payload.set([sum >> 8, sum & 0xff], 2);
  return build({ protocol: ICMP, payload });
};

test("the ends of UDP, TCP and echoes are read, an echo's id standing for the asker's port", () => {
  for (const protocol of [UDP, TCP]) {
    const packet = Packet.parse(build({ protocol, sourcePort: 1000, destinationPort: 2000 }))!;
    const [inside, remote] = [
      { host: "10.0.0.1", port: 1000 },
      { host: "10.0.0.2", port: 2000 },
    ] as const;
    expect(packet.leaving()).toEqual({ inside, remote });
    expect(packet.arriving()).toEqual({ outside: remote, remote: inside });
  }
  const ping = Packet.parse(echo(8, 77))!;
  expect(ping.leaving()).toEqual({ inside: { host: "10.0.0.1", port: 77 }, remote: { host: "10.0.0.2", port: 0 } });
  expect(ping.arriving()).toEqual({ outside: { host: "10.0.0.2", port: 77 }, remote: { host: "10.0.0.1", port: 0 } });
});

test("whatever is changed, every checksum stays right", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 500; round++) {
    const protocol = random.pick([UDP, TCP]);
    const payload = random.bytes(random.below(50));
    const ipOptions = new Uint8Array(4 * random.below(3)).fill(1);
    const packet = Packet.parse(build({ protocol, payload, ipOptions, ttl: 200 }))!;
    const address = () => ({ host: `${1 + random.below(200)}.0.${random.below(256)}.9`, port: random.below(65_536) });
    const [from, to] = [address(), address()];
    packet.setSource(from);
    packet.setDestination(to);
    expect(packet.pass(1 + random.below(100))).toBe(true);
    expect(packet.leaving()).toEqual({ inside: from, remote: to });
    expect(checksumsHold(packet.bytes)).toBe(true);
  }
});

test("an echo's own checksum stays right too", () => {
  const packet = Packet.parse(echo(0, 77))!;
  packet.setDestination({ host: "172.16.9.9", port: 40_000 });
  packet.pass(1);
  expect(getU16(packet.bytes, 24)).toBe(40_000);
  expect(onesSum(packet.bytes.subarray(0, 20))).toBe(0xffff);
  expect(onesSum(packet.bytes.subarray(20))).toBe(0xffff);
});

test("a UDP checksum that was left out stays out, and none becomes zero", () => {
  const bare = Packet.parse(build({ protocol: UDP, checksum: "none" }))!;
  bare.setSource({ host: "1.2.3.4", port: 5 });
  expect(getU16(bare.bytes, 26)).toBe(0);
  for (let port = 0; port < 65_536; port++) {
    const packet = Packet.parse(build({ protocol: UDP }))!;
    packet.setSource({ host: "10.0.0.1", port });
    if (getU16(packet.bytes, 26) === 0) throw new Error(`port ${port} made the checksum zero`);
  }
});

test("a packet dies where its ttl becomes 0", () => {
  const packet = Packet.parse(build({ protocol: UDP, ttl: 3 }))!;
  expect([packet.pass(2), packet.ttl, packet.pass(1), packet.ttl]).toEqual([true, 1, false, 1]);
});

test("fragments, other protocols and ICMP errors are packets, but nothing to translate", () => {
  const payload = new Uint8Array(40);
  expect(Packet.parse(build({ protocol: UDP, moreFragments: true, payload }))?.protocol).toBeNull();
  expect(Packet.parse(build({ protocol: UDP, fragmentOffset: 5, payload }))?.protocol).toBeNull();
  expect(Packet.parse(build({ protocol: 47, payload }))?.protocol).toBeNull();
  expect(Packet.parse(build({ protocol: ICMP, payload: payload.fill(3) }))?.protocol).toBeNull();
});

test("what is no whole IPv4 packet is none, and no bytes make it throw", () => {
  const whole = build({ protocol: UDP });
  for (let length = 0; length < whole.length; length++) expect(Packet.parse(whole.slice(0, length))).toBeNull();
  expect(Packet.parse(build({ version: 6, protocol: UDP }))).toBeNull();
  const random = new SeededRandom(2);
  for (let round = 0; round < 20_000; round++) {
    const bytes = random.bytes(random.below(64));
    if (bytes.length > 3) bytes.set([0x45, 0, 0, bytes.length]);
    const packet = Packet.parse(bytes);
    packet?.pass(1);
    if (packet?.protocol) packet.setSource(packet.arriving().remote);
  }
});
