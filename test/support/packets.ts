/** IP packets for tests, built and read byte by byte: slow, plain, and sharing no code with what they test. */
import type { SeededRandom } from "./random.ts";

export const ACK = 0x10;
export const FIN = 0x01;
export const SYN = 0x02;
export const PSH = 0x08;
export const ECE = 0x40;
export const CWR = 0x80;

export const TCP = 6;
export const UDP = 17;

/** A packet's fields; `build` gives those left out the values of `DEFAULTS`. */
export interface PacketFields {
  version: 4 | 6;
  protocol: number;
  /** 4 or 16 bytes. */
  source: Uint8Array;
  destination: Uint8Array;
  tos: number;
  ttl: number;
  identification: number;
  dontFragment: boolean;
  /** In units of 8 bytes, with `moreFragments`: then no upper header is built, and the payload follows the IP header. */
  fragmentOffset: number;
  moreFragments: boolean;
  /** IPv4 options, or IPv6 extension headers whose last names `protocol`; a multiple of 4 or 8 bytes. */
  ipOptions: Uint8Array;
  /** What IPv6's own next-header field says when there are extension headers. */
  firstExtension: number;
  sourcePort: number;
  destinationPort: number;
  sequence: number;
  acknowledgement: number;
  flags: number;
  window: number;
  urgent: number;
  /** A multiple of 4 bytes. */
  tcpOptions: Uint8Array;
  payload: Uint8Array;
  /** How the TCP or UDP checksum stands: whole, the pseudo-header's sum alone, wrong, or zero. */
  checksum: "whole" | "partial" | "wrong" | "none";
}

const DEFAULTS: PacketFields = {
  version: 4,
  protocol: TCP,
  source: Uint8Array.of(10, 0, 0, 1),
  destination: Uint8Array.of(10, 0, 0, 2),
  tos: 0,
  ttl: 64,
  identification: 1,
  dontFragment: true,
  fragmentOffset: 0,
  moreFragments: false,
  ipOptions: new Uint8Array(0),
  firstExtension: 0,
  sourcePort: 1000,
  destinationPort: 2000,
  sequence: 1,
  acknowledgement: 1,
  flags: ACK,
  window: 500,
  urgent: 0,
  tcpOptions: new Uint8Array(0),
  payload: new Uint8Array(0),
  checksum: "whole",
};

/** fd00::`last`. */
export function address6(last: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xfd : i === 15 ? last : 0));
}

export function address4(last: number): Uint8Array {
  return Uint8Array.of(10, 0, 0, last);
}

export function build(given: Partial<PacketFields> = {}): Uint8Array {
  const version = given.version ?? DEFAULTS.version;
  const addresses = version === 6 ? { source: address6(1), destination: address6(2) } : {};
  const fields = { ...DEFAULTS, ...addresses, ...given };
  const isFragment = fields.fragmentOffset > 0 || fields.moreFragments;
  const upper = isFragment ? fields.payload : upperBytes(fields);
  return joined(ipHeader(fields, upper.length), upper);
}

function ipHeader(fields: PacketFields, upperLength: number): number[] {
  const { version, tos, ttl, protocol, source, destination, ipOptions, identification } = fields;
  if (version === 6) {
    const next = ipOptions.length > 0 ? fields.firstExtension : protocol;
    const first = [0x60 | (tos >> 4), (tos & 15) << 4, 0, 0, ...u16(ipOptions.length + upperLength), next, ttl];
    return [...first, ...source, ...destination, ...ipOptions];
  }
  const bits = (fields.dontFragment ? 0x4000 : 0) | (fields.moreFragments ? 0x2000 : 0) | fields.fragmentOffset;
  const headerBytes = 20 + ipOptions.length;
  const header = [
    ...[0x40 | (headerBytes / 4), tos, ...u16(headerBytes + upperLength), ...u16(identification), ...u16(bits)],
    ...[ttl, protocol, 0, 0, ...source, ...destination, ...ipOptions],
  ];
  header.splice(10, 2, ...u16(~onesSum(header) & 0xffff));
  return header;
}

function upperBytes(fields: PacketFields): Uint8Array {
  const { protocol, payload, checksum, sourcePort, destinationPort, tcpOptions } = fields;
  const ports = [...u16(sourcePort), ...u16(destinationPort)];
  let header: number[] = [];
  let field = 0;
  if (protocol === TCP) {
    const { sequence, acknowledgement, flags, window, urgent } = fields;
    header = [...ports, ...u32(sequence), ...u32(acknowledgement), ((20 + tcpOptions.length) / 4) << 4, flags];
    header.push(...u16(window), 0, 0, ...u16(urgent), ...tcpOptions);
    field = 16;
  } else if (protocol === UDP) {
    header = [...ports, ...u16(8 + payload.length), 0, 0];
    field = 6;
  } else return payload;
  const bytes = joined(header, payload);
  const partial = pseudoSum(fields.source, fields.destination, protocol, bytes.length);
  if (checksum === "none") return bytes;
  if (checksum === "partial") bytes.set(u16(partial), field);
  else {
    bytes.set(u16(wholeChecksum(partial, bytes)), field);
    if (checksum === "wrong") bytes[field + 1]! ^= 0x55;
  }
  return bytes;
}

/** The ones' complement sum of big-endian words, folded. */
export function onesSum(bytes: ArrayLike<number>, start = 0): number {
  let sum = start;
  const even = bytes.length & ~1;
  for (let i = 0; i < even; i += 2) sum += bytes[i]! * 256 + bytes[i + 1]!;
  if (even < bytes.length) sum += bytes[even]! * 256;
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return sum;
}

export function pseudoSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return onesSum([...source, ...destination, 0, protocol, ...u16(length)]);
}

/** Zero is written as 0xffff, which means the same, as Linux does for TCP too. */
export function wholeChecksum(pseudo: number, upper: Uint8Array): number {
  return ~onesSum(upper, pseudo) & 0xffff || 0xffff;
}

/** Where things are in a TCP or UDP packet without extension headers or fragments. */
export function layoutOf(packet: Uint8Array) {
  const version = packet[0]! >> 4;
  const ipBytes = version === 4 ? (packet[0]! & 15) * 4 : 40;
  const protocol = version === 4 ? packet[9]! : packet[6]!;
  const source = version === 4 ? packet.slice(12, 16) : packet.slice(8, 24);
  const destination = version === 4 ? packet.slice(16, 20) : packet.slice(24, 40);
  const upperHeaderBytes = protocol === TCP ? (packet[ipBytes + 12]! >> 4) * 4 : 8;
  const field = ipBytes + (protocol === TCP ? 16 : 6);
  return { version, ipBytes, protocol, source, destination, headerBytes: ipBytes + upperHeaderBytes, field };
}

/** Whether every checksum of a TCP or UDP packet is right. */
export function checksumsHold(packet: Uint8Array): boolean {
  const { version, ipBytes, protocol, source, destination } = layoutOf(packet);
  if (version === 4 && onesSum(packet.subarray(0, ipBytes)) !== 0xffff) return false;
  const pseudo = pseudoSum(source, destination, protocol, packet.length - ipBytes);
  return onesSum(packet.subarray(ipBytes), pseudo) === 0xffff;
}

export function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes.set(u16(value), at);
}

export function getU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

export function getU32(bytes: Uint8Array, at: number): number {
  return getU16(bytes, at) * 65536 + getU16(bytes, at + 2);
}

export function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes.set(u32(value), at);
}

/** Makes an IPv4 header's checksum right again. */
export function mendIp4(packet: Uint8Array): void {
  setU16(packet, 10, 0);
  setU16(packet, 10, ~onesSum(packet.subarray(0, (packet[0]! & 15) * 4)) & 0xffff);
}

/** In hexadecimal, so that a list of packets compares and prints well. */
export function hex(packets: readonly Uint8Array[]): string[] {
  return packets.map((packet) => Buffer.from(packet).toString("hex"));
}

/**
 * The same, but for the identification of packets that are never fragmented, which means nothing (RFC 6864 §4.1): a
 * super-packet's packets are numbered from its first.
 */
export function hexButAtomicIds(packets: readonly Uint8Array[]): string[] {
  return hex(
    packets.map((packet) => {
      const isAtomic = packet[0]! >> 4 === 4 && (getU16(packet, 6) & 0x7fff) === 0x4000;
      if (!isAtomic) return packet;
      const copy = packet.slice();
      const isRight = onesSum(packet.subarray(0, (packet[0]! & 15) * 4)) === 0xffff;
      setU16(copy, 4, 0);
      if (isRight) setU16(copy, 10, 0); // a wrong checksum still shows
      return copy;
    }),
  );
}

/** The first packet in which two lists differ, with its place; null when they are the same but for atomic identifications. */
export function firstDifference(got: readonly Uint8Array[], expected: readonly Uint8Array[]): string | null {
  const [one, two] = [hexButAtomicIds(got), hexButAtomicIds(expected)];
  for (let i = 0; i < Math.max(one.length, two.length); i++) {
    if (one[i] !== two[i]) return `packet ${i} of ${one.length}, expected ${two.length}: ${one[i]} for ${two[i]}`;
  }
  return null;
}

/** Two runs of bytes, one behind the other. */
export function joined(first: ArrayLike<number>, second: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}

/** Bytes that are cheap to make and seldom alike. */
export function payloadOf(random: SeededRandom, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let word = random.uint32() | 1;
  for (let i = 0; i < length; i++) {
    word = Math.imul(word, 0x9e3779b1) + 0x7f4a7c15;
    bytes[i] = word >>> 24;
  }
  return bytes;
}

function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

function u32(value: number): number[] {
  return [...u16(Math.floor(value / 65536)), ...u16(value)];
}
