/**
 * UDX packets. All numbers are little-endian; sequence numbers count packets, modulo 2^32.
 *   magic    u8    255
 *   version  u8    1
 *   type     u8    bits: DATA, END, SACK, MESSAGE, DESTROY, HEARTBEAT; none of them is an acknowledgement
 *   offset   u8    bytes of the body before the payload: padding, or SACK blocks beside data
 *   id       u32   the receiver's stream
 *   rwnd     u32   bytes that the sender of this packet would still take
 *   seq      u32   this packet's number; of a packet without one, the sender's next
 *   ack      u32   the number expected next from the receiver
 *   body           padding and payload; in a SACK, blocks of u32 start and u32 end: start <= number < end has arrived
 * Source: udx-wire.md §2; libudx src/udx.c. Strangers' bytes never throw.
 */

export const HEADER_BYTES = 20;
export const SACK_BLOCK_BYTES = 8;
/** More are never sent: a datagram of 420 bytes. */
export const MAX_SACK_BLOCKS = 50;
/** The offset is one byte. */
export const MAX_PADDING_BYTES = 255;

export const DATA = 0x01;
export const END = 0x02;
export const SACK = 0x04;
export const MESSAGE = 0x08;
export const DESTROY = 0x10;
export const HEARTBEAT = 0x20;

const MAGIC = 255;
const VERSION = 1;
const EMPTY = new Uint8Array(0);

export interface UdxHeader {
  type: number;
  offset: number;
  id: number;
  rwnd: number;
  seq: number;
  ack: number;
}

/** Numbers of packets that have arrived: from `start` up to, but not, `end`. */
export type SackBlock = readonly [start: number, end: number];

export interface UdxPacket extends Omit<UdxHeader, "offset"> {
  readonly paddingBytes: number;
  readonly sacks: readonly SackBlock[];
  readonly payload: Uint8Array;
}

export function encodeUdxPacket(packet: UdxPacket): Uint8Array {
  const { sacks, paddingBytes, payload } = packet;
  const sackBytes = sacks.length * SACK_BLOCK_BYTES;
  const bytes = new Uint8Array(HEADER_BYTES + sackBytes + paddingBytes + payload.length);
  const isBeside = sacks.length > 0 && payload.length > 0;
  encodeHeader(bytes, 0, { ...packet, offset: isBeside ? sackBytes : paddingBytes });
  for (const [i, [start, end]] of sacks.entries()) {
    encodeSackBlock(bytes, HEADER_BYTES + i * SACK_BLOCK_BYTES, start, end);
  }
  bytes.set(payload, HEADER_BYTES + sackBytes + paddingBytes);
  return bytes;
}

/** Returns null for what is no UDX packet, and for one whose payload would begin behind its end. */
export function decodeUdxPacket(bytes: Uint8Array): UdxPacket | null {
  if (!isUdxPacket(bytes)) return null;
  const [type, offset] = [typeOf(bytes), offsetOf(bytes)];
  const header = { type, id: idOf(bytes), rwnd: rwndOf(bytes), seq: seqOf(bytes), ack: ackOf(bytes) };
  if (HEADER_BYTES + offset > bytes.length) return null;
  const sacks = Array.from({ length: sackBlocksOf(bytes) }, (_, i): SackBlock => {
    const at = HEADER_BYTES + i * SACK_BLOCK_BYTES;
    return [u32(bytes, at), u32(bytes, at + 4)];
  });
  const isAllBlocks = (type & (SACK | DATA | END | MESSAGE)) === SACK && offset === 0;
  const payload = isAllBlocks ? EMPTY : bytes.subarray(HEADER_BYTES + offset);
  return { ...header, paddingBytes: type & SACK ? 0 : offset, sacks, payload };
}

/** Whether the bytes are a packet of this protocol and version, for whichever stream. */
export function isUdxPacket(bytes: Uint8Array): boolean {
  return bytes.length >= HEADER_BYTES && bytes[0] === MAGIC && bytes[1] === VERSION;
}

// What follows reads and writes packets in place: a stream pays for it with every packet, so nothing is allocated.

export function encodeHeader(into: Uint8Array, at: number, header: UdxHeader): void {
  into[at] = MAGIC;
  into[at + 1] = VERSION;
  into[at + 2] = header.type;
  into[at + 3] = header.offset;
  writeU32(into, at + 4, header.id);
  writeU32(into, at + 8, header.rwnd);
  writeU32(into, at + 12, header.seq);
  writeU32(into, at + 16, header.ack);
}

/** Numbers beyond 2^32 are cut to their low 32 bits. */
export function encodeSackBlock(into: Uint8Array, at: number, start: number, end: number): void {
  writeU32(into, at, start);
  writeU32(into, at + 4, end);
}

/** For a relay: the same packet, for another stream. */
export function encodeId(into: Uint8Array, at: number, id: number): void {
  writeU32(into, at + 4, id);
}

export function typeOf(packet: Uint8Array): number {
  return packet[2]!;
}

export function offsetOf(packet: Uint8Array): number {
  return packet[3]!;
}

export function idOf(packet: Uint8Array): number {
  return u32(packet, 4);
}

export function rwndOf(packet: Uint8Array): number {
  return u32(packet, 8);
}

export function seqOf(packet: Uint8Array): number {
  return u32(packet, 12);
}

export function ackOf(packet: Uint8Array): number {
  return u32(packet, 16);
}

/** How many blocks a packet has: they fill the bytes before the payload where there are both, else the whole body. */
export function sackBlocksOf(packet: Uint8Array): number {
  if ((packet[2]! & SACK) === 0) return 0;
  const bodyBytes = packet.length - HEADER_BYTES;
  const offset = packet[3]!;
  return Math.floor((offset > 0 && offset < bodyBytes ? offset : bodyBytes) / SACK_BLOCK_BYTES);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function writeU32(into: Uint8Array, at: number, value: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}
