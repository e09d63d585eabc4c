/**
 * The Port Control Protocol, as far as one mapping of an IPv4 UDP port needs it: a router is asked, at port 5351, to let strangers in.
 * Numbers are big-endian, IPv4 addresses are IPv4-mapped IPv6.
 *
 *   MAP request, 60 bytes                  MAP response, 60 bytes
 *    0  version 2, opcode 1                 0  version 2, 0x80 + opcode
 *    2  zeros 2                             2  zero, result u8: 0 is success
 *    4  lifetime u32, seconds; 0 deletes    4  lifetime u32, seconds: granted, or how long an error will last
 *    8  our address 16                      8  epoch u32: seconds since the router lost its mappings
 *                                          12  zeros 12
 *   24  nonce 12: who has it may renew     24  nonce 12
 *   36  protocol u8, zeros 3               36  protocol u8, zeros 3
 *   40  our port u16                       40  our port u16
 *   42  suggested outside port u16         42  assigned outside port u16
 *   44  suggested outside address 16       44  assigned outside address 16
 *
 * An announcement is the first 24 bytes of a response with opcode 0: the router has restarted. Source: RFC 6887 §7, §11.1, §14.1.
 */
import type { Address } from "../base/address.ts";
import { assert } from "../base/assert.ts";
import { formatIp, parseIp } from "../base/ip.ts";

/** Where routers listen for this and for NAT-PMP. */
export const PCP_PORT = 5351;
/** Where they announce, at 224.0.0.1, that they have restarted. */
export const PCP_CLIENT_PORT = 5350;
export const PCP_NONCE_BYTES = 12;

const VERSION = 2;
const ANNOUNCE = 0;
const MAP = 1;
const RESPONSE = 0x80;
const HEADER_BYTES = 24;
const MAP_BYTES = 60;
const UDP = 17;
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

export interface PcpMapRequest {
  /** Ours, where the router sees this come from. */
  readonly internal: Address;
  readonly nonce: Uint8Array;
  /** 0 takes the mapping away. */
  readonly lifetimeS: number;
  /** What we would like, or have; 0.0.0.0 and 0 for anything. */
  readonly external: Address;
}

export type PcpResponse =
  | { readonly type: "announcement"; readonly epochS: number }
  | {
      readonly type: "map";
      /** 0 is success. */
      readonly result: number;
      readonly lifetimeS: number;
      readonly epochS: number;
      readonly nonce: Uint8Array;
      readonly internalPort: number;
      /** Null when its host is no IPv4 address. */
      readonly external: Address | null;
    };

export function encodePcpMap({ internal, nonce, lifetimeS, external }: PcpMapRequest): Uint8Array {
  const bytes = new Uint8Array(MAP_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([VERSION, MAP]);
  view.setUint32(4, lifetimeS);
  bytes.set(mapped(internal.host), 8);
  bytes.set(nonce, 24);
  bytes[36] = UDP;
  view.setUint16(40, internal.port);
  view.setUint16(42, external.port);
  bytes.set(mapped(external.host), 44);
  return bytes;
}

/** Returns null for anything but a whole answer about a UDP port, or an announcement. The nonce is a view. */
export function decodePcpResponse(bytes: Uint8Array): PcpResponse | null {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const epochS = view.getUint32(8);
  if (bytes[1] === RESPONSE + ANNOUNCE) return { type: "announcement", epochS };
  if (bytes[1] !== RESPONSE + MAP || bytes.length < MAP_BYTES || bytes[36] !== UDP) return null;
  const isIp4 = MAPPED_PREFIX.every((byte, i) => bytes[44 + i] === byte);
  return {
    type: "map",
    result: bytes[3]!,
    lifetimeS: view.getUint32(4),
    epochS,
    nonce: bytes.subarray(24, 24 + PCP_NONCE_BYTES),
    internalPort: view.getUint16(40),
    external: isIp4 ? { host: formatIp(bytes.subarray(56, 60)), port: view.getUint16(42) } : null,
  };
}

function mapped(host: string): Uint8Array {
  const ip = parseIp(host);
  assert(ip?.length === 4, "a port mapping is of an IPv4 address");
  return Uint8Array.of(...MAPPED_PREFIX, ...ip);
}
