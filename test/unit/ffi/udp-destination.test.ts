import { type Pointer, toArrayBuffer } from "bun:ffi";
import { expect, test } from "bun:test";
import { Memory } from "../../../ffi/libc.ts";
import { decodeSockaddr, encodeSockaddr } from "../../../ffi/sockaddr.ts";
import { cmsgSpace, Destination } from "../../../ffi/udp-destination.ts";

/** What the kernel would read at an address. */
function peek(address: number, length: number): string {
  return Buffer.from(toArrayBuffer(address as Pointer, 0, length)).toString("hex");
}

/** An address as msghdr holds it: 8 bytes, little-endian. */
function pointer(address: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(address));
  return bytes.toString("hex");
}

test("sockaddrs have the kernel's bytes", () => {
  const bytes = new Uint8Array(30).fill(0xff);
  expect(encodeSockaddr({ host: Uint8Array.of(192, 0, 2, 1), port: 0x1234 }, bytes, 1)).toBe(16);
  expect(Buffer.from(bytes.subarray(0, 18)).toString("hex")).toBe("ff02001234c00002010000000000000000ff");
  expect(decodeSockaddr(bytes, 1)).toEqual({ host: Uint8Array.of(192, 0, 2, 1), port: 0x1234 });
  const linkLocal = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
  expect(encodeSockaddr({ host: linkLocal, port: 0x1234, scope: 7 }, bytes, 2)).toBe(28);
  expect(Buffer.from(bytes.subarray(2)).toString("hex")).toBe(
    "0a00123400000000fe80000000000000000000000000000907000000",
  );
  expect(decodeSockaddr(bytes, 2)).toEqual({ host: linkLocal, port: 0x1234, scope: 7 });
});

test("another family, or fewer bytes than its sockaddr has, is no address", () => {
  const bytes = new Uint8Array(28);
  expect(decodeSockaddr(bytes)).toBeNull();
  encodeSockaddr({ host: new Uint8Array(16), port: 1 }, bytes);
  for (let length = 0; length < 28; length++) expect(decodeSockaddr(bytes.subarray(0, length))).toBeNull();
  encodeSockaddr({ host: new Uint8Array(4), port: 1 }, bytes);
  for (let length = 0; length < 16; length++) expect(decodeSockaddr(bytes.subarray(0, length))).toBeNull();
});

test("a destination is a msghdr with its name, one iovec and the control messages asked for", () => {
  const destination = new Destination({ host: Uint8Array.of(192, 0, 2, 1), port: 0x1234 });
  const data = new Memory(8);
  const segment = "1200000000000000" + "11000000" + "67000000" + "b004000000000000"; // SOL_UDP, UDP_SEGMENT 1200
  const tos = "1400000000000000" + "00000000" + "01000000" + "0300000000000000"; // SOL_IP, IP_TOS 3
  const pktinfo = "1c00000000000000" + "00000000" + "08000000" + "05000000" + "0a000001" + "0000000000000000";

  destination.point(data.address, 8);
  destination.mark(1_200, 3);
  const iovec = destination.headerAddress + 56;
  const header = () => peek(destination.headerAddress, 56);
  const expected = (control: string) =>
    pointer(destination.nameAddress) +
    "1000000000000000" +
    pointer(iovec) +
    "0100000000000000" +
    pointer(destination.controlAddress) +
    pointer(control.length / 2) +
    "0000000000000000";
  const control = () => peek(destination.controlAddress, destination.controlBytes);

  expect(peek(iovec, 16)).toBe(`${pointer(data.address)}0800000000000000`);
  expect([control(), header()]).toEqual([segment + tos, expected(segment + tos)]);
  destination.setSource(Uint8Array.of(10, 0, 0, 1), 0, 5);
  expect([control(), header()]).toEqual([pktinfo + segment + tos, expected(pktinfo + segment + tos)]);
  destination.mark(0, 3);
  expect([control(), header()]).toEqual([pktinfo + tos, expected(pktinfo + tos)]);
  destination.clearSource();
  expect([control(), header()]).toEqual([tos, expected(tos)]);
  destination.mark(0, 0);
  expect([destination.controlBytes, header()]).toEqual([0, expected("")]);
});

test("IPv6 has its own packet info and traffic class", () => {
  const host = Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Array(11).fill(0), 1);
  const destination = new Destination({ host, port: 1 });
  destination.setSource(host, 0, 5);
  destination.mark(0, 0xb9);
  expect(peek(destination.controlAddress, destination.controlBytes)).toBe(
    "2400000000000000" +
      "29000000" +
      "32000000" +
      "20010db8000000000000000000000001" +
      "0500000000000000" + // in6_pktinfo
      "1400000000000000" +
      "29000000" +
      "43000000" +
      "b900000000000000",
  );
});

test("only errors of a vanished source or interface take the source away, and only once", () => {
  const destination = new Destination({ host: Uint8Array.of(192, 0, 2, 1), port: 1 });
  expect(destination.forgetSource(22)).toBe(false);
  destination.setSource(Uint8Array.of(10, 0, 0, 1), 0, 0);
  expect([11, 90, 1].map((number) => destination.forgetSource(number))).toEqual([false, false, false]);
  expect([destination.forgetSource(99), destination.hasSource, destination.forgetSource(99)]).toEqual([
    true,
    false,
    false,
  ]);
});

test("control messages take whole words of eight bytes", () => {
  expect([2, 4, 8, 12, 20].map(cmsgSpace)).toEqual([24, 24, 24, 32, 40]);
});
