/**
 * The WireGuard protocol's handshake messages; those that carry data are in `src/io/datapath/frames.ts`. The first byte
 * tells the kind and, by its highest bit, the suite: 1–3 in suite W, 0x81–0x83 in suite D (`src/tunnel/suite.ts`). Three
 * zero bytes follow; all numbers are little-endian.
 *
 *   initiation, 148 bytes        response, 92 bytes          cookie reply, 64 bytes
 *    0  kind, 3 zero bytes        0  kind, 3 zero bytes       0  kind, 3 zero bytes
 *    4  sender index u32          4  sender index u32         4  receiver index u32
 *    8  ephemeral key 32          8  receiver index u32       8  nonce 24
 *   40  sealed static key 48     12  ephemeral key 32        32  sealed cookie 32
 *   88  sealed timestamp 28      44  sealed nothing 16
 *  116  mac1 16, mac2 16         60  mac1 16, mac2 16
 *
 * Source: WireGuard paper §5.4. What decoders return are views into the datagram.
 */
export const INITIATION = 1;
export const RESPONSE = 2;
export const COOKIE_REPLY = 3;
/** Set in the first byte of suite D's messages. */
export const SUITE_D_BIT = 0x80;

export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
export const COOKIE_REPLY_BYTES = 64;

const MAC_BYTES = 16;

/** In each message `suiteBit` is 0 or SUITE_D_BIT. */
export interface Initiation {
  readonly suiteBit: number;
  readonly sender: number;
  readonly ephemeral: Uint8Array;
  readonly sealedStatic: Uint8Array;
  readonly sealedTimestamp: Uint8Array;
}

export interface Response {
  readonly suiteBit: number;
  readonly sender: number;
  readonly receiver: number;
  readonly ephemeral: Uint8Array;
  readonly sealedNothing: Uint8Array;
}

export interface CookieReply {
  readonly suiteBit: number;
  readonly receiver: number;
  readonly nonce: Uint8Array;
  readonly sealedCookie: Uint8Array;
}

/** Both macs are left zero: `macsOf` finds them. */
export function encodeInitiation(message: Initiation): Uint8Array {
  const bytes = start(INITIATION_BYTES, INITIATION | message.suiteBit);
  writeUint32(bytes, 4, message.sender);
  bytes.set(message.ephemeral, 8);
  bytes.set(message.sealedStatic, 40);
  bytes.set(message.sealedTimestamp, 88);
  return bytes;
}

/** Returns null for anything but a whole initiation. */
export function decodeInitiation(bytes: Uint8Array): Initiation | null {
  if (!isWhole(bytes, INITIATION, INITIATION_BYTES)) return null;
  return {
    suiteBit: suiteBit(bytes),
    sender: readUint32(bytes, 4),
    ephemeral: bytes.subarray(8, 40),
    sealedStatic: bytes.subarray(40, 88),
    sealedTimestamp: bytes.subarray(88, 116),
  };
}

/** Both macs are left zero: `macsOf` finds them. */
export function encodeResponse(message: Response): Uint8Array {
  const bytes = start(RESPONSE_BYTES, RESPONSE | message.suiteBit);
  writeUint32(bytes, 4, message.sender);
  writeUint32(bytes, 8, message.receiver);
  bytes.set(message.ephemeral, 12);
  bytes.set(message.sealedNothing, 44);
  return bytes;
}

/** Returns null for anything but a whole response. */
export function decodeResponse(bytes: Uint8Array): Response | null {
  if (!isWhole(bytes, RESPONSE, RESPONSE_BYTES)) return null;
  return {
    suiteBit: suiteBit(bytes),
    sender: readUint32(bytes, 4),
    receiver: readUint32(bytes, 8),
    ephemeral: bytes.subarray(12, 44),
    sealedNothing: bytes.subarray(44, 60),
  };
}

export function encodeCookieReply(message: CookieReply): Uint8Array {
  const bytes = start(COOKIE_REPLY_BYTES, COOKIE_REPLY | message.suiteBit);
  writeUint32(bytes, 4, message.receiver);
  bytes.set(message.nonce, 8);
  bytes.set(message.sealedCookie, 32);
  return bytes;
}

/** Returns null for anything but a whole cookie reply. */
export function decodeCookieReply(bytes: Uint8Array): CookieReply | null {
  if (!isWhole(bytes, COOKIE_REPLY, COOKIE_REPLY_BYTES)) return null;
  return {
    suiteBit: suiteBit(bytes),
    receiver: readUint32(bytes, 4),
    nonce: bytes.subarray(8, 32),
    sealedCookie: bytes.subarray(32, 64),
  };
}

/** Where an initiation or a response has its macs, as views, and what each of the two covers. */
export function macsOf(datagram: Uint8Array) {
  const mac2At = datagram.length - MAC_BYTES;
  const mac1At = mac2At - MAC_BYTES;
  return {
    coveredByMac1: datagram.subarray(0, mac1At),
    mac1: datagram.subarray(mac1At, mac2At),
    coveredByMac2: datagram.subarray(0, mac2At),
    mac2: datagram.subarray(mac2At),
  };
}

function start(length: number, kind: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = kind;
  return bytes;
}

function isWhole(bytes: Uint8Array, kind: number, length: number): boolean {
  const reserved = bytes[1]! | bytes[2]! | bytes[3]!;
  return bytes.length === length && (bytes[0]! & ~SUITE_D_BIT) === kind && reserved === 0;
}

function suiteBit(bytes: Uint8Array): number {
  return bytes[0]! & SUITE_D_BIT;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Writes the lowest 32 bits of `value`. */
function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
