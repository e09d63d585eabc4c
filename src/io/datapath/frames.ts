/**
 * The datagrams that carry sealed data; the handshake's are in `src/wire/tunnel.ts`. All begin with the same 16 bytes:
 *   type      u8      4 in suite W; 0x84 packet, 0x85 bundle, 0x86 super-packet piece, 0x87 report in suite D
 *   flags     u8      bit 0, packet only: the inner checksum field holds the pseudo-header's sum (suite D)
 *   index     u8      super-packet piece: which one, from 0; otherwise 0
 *   count     u8      super-packet piece: how many; otherwise 0
 *   receiver  u32 LE  the receiver's index of the session
 *   counter   u64 LE  the message's number in the session
 * and go on with ciphertext and its 16-byte tag. What is sealed, and under which nonce prefix (`cipher.ts`):
 *   packet        one IP packet, zero-padded to a multiple of 16 but never past the MTU; nothing at all is a keepalive.
 *                 Prefix 0 (flags 0) or 0x0100 (flags 1)
 *   bundle        packets one after the other, each behind a u16 LE: its length, bit 15: its checksum is a partial sum. Prefix 1
 *   super-packet  a vnet header and a packet as the kernel gave them, cut into pieces after sealing. Prefix 2
 *   report        u32 LE four times: the greatest counter received, the reporter's index of the session that it speaks of,
 *                 how many counters below the greatest have not come, 0. Prefix 3
 */
import type { Arena } from "./arena.ts";

export const FRAME_HEADER_BYTES = 16;
export const TYPE_W_DATA = 4;
export const TYPE_D_PACKET = 0x84;
export const TYPE_D_BUNDLE = 0x85;
export const TYPE_D_SUPER = 0x86;
export const TYPE_D_REPORT = 0x87;
export const FLAG_PARTIAL_CHECKSUM = 1;

export const PREFIX_PACKET = 0;
export const PREFIX_PACKET_PARTIAL = 0x0100;
export const PREFIX_BUNDLE = 1;
export const PREFIX_SUPER = 2;
export const PREFIX_REPORT = 3;

export const BUNDLE_ENTRY_BYTES = 2;
export const BUNDLE_PARTIAL = 0x8000;
export const REPORT_BYTES = 16;

/** Writes a frame's header; `word` is type, flags, index and count as one little-endian number. */
export function writeFrameHeader(arena: Arena, at: number, word: number, receiver: number, counter: number): void {
  const { view } = arena;
  view.setUint32(at, word, true);
  view.setUint32(at + 4, receiver, true);
  view.setUint32(at + 8, counter, true);
  view.setUint32(at + 12, Math.floor(counter / 0x1_0000_0000), true);
}

/** The frame's counter; Infinity when it is beyond what a session may ever use. */
export function readCounter(view: DataView, at: number): number {
  const high = view.getUint32(at + 12, true);
  return high === 0 ? view.getUint32(at + 8, true) : Number.POSITIVE_INFINITY;
}
