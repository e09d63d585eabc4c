/**
 * The NAT Port Mapping Protocol, PCP's predecessor on the same port, for UDP. Numbers are big-endian.
 *
 *   address request, 2 bytes    map request, 12 bytes          address response, 12    map response, 16
 *    0  version 0, opcode 0      0  version 0, opcode 1         0  version 0, 128       0  version 0, 129
 *                                2  zeros 2                     2  result u16           2  result u16
 *                                4  our port u16                4  epoch u32            4  epoch u32
 *                                6  suggested port u16          8  IPv4 address         8  our port u16
 *                                8  lifetime u32; 0 deletes                            10  outside port u16
 *                                                                                      12  lifetime u32
 * Lifetimes and the epoch, the time since the router lost its mappings, are in seconds. An answer with a result other than 0 may end
 * after its eighth byte. The address response is also what a router that has restarted announces. Source: RFC 6886 §3.
 */
import { formatIp } from "../base/ip.ts";

const VERSION = 0;
const ADDRESS = 0;
const MAP = 1;
const RESPONSE = 0x80;
const HEADER_BYTES = 8;
const ADDRESS_BYTES = 12;
const MAP_REQUEST_BYTES = 12;
const MAP_RESPONSE_BYTES = 16;

export interface NatPmpMapRequest {
  readonly internalPort: number;
  /** What we would like, or have; 0 for any. */
  readonly externalPort: number;
  /** 0 takes the mapping away. */
  readonly lifetimeS: number;
}

export type NatPmpResponse =
  /** A router that knows PCP alone, or not the one or the other, says so with any opcode. */
  | { readonly type: "refusal"; readonly result: number; readonly epochS: number }
  | { readonly type: "address"; readonly epochS: number; readonly host: string }
  | {
      readonly type: "map";
      readonly epochS: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeS: number;
    };

/** Asks for the router's outside address. */
export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, ADDRESS);
}

export function encodeNatPmpMap({ internalPort, externalPort, lifetimeS }: NatPmpMapRequest): Uint8Array {
  const bytes = new Uint8Array(MAP_REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([VERSION, MAP]);
  view.setUint16(4, internalPort);
  view.setUint16(6, externalPort);
  view.setUint32(8, lifetimeS);
  return bytes;
}

/** Returns null for anything but a whole answer to one of the two, or a refusal. */
export function decodeNatPmpResponse(bytes: Uint8Array): NatPmpResponse | null {
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || bytes[1]! < RESPONSE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const result = view.getUint16(2);
  const epochS = view.getUint32(4);
  if (result !== 0) return { type: "refusal", result, epochS };
  if (bytes[1] === RESPONSE + ADDRESS && bytes.length >= ADDRESS_BYTES) {
    return { type: "address", epochS, host: formatIp(bytes.subarray(8, 12)) };
  }
  if (bytes[1] !== RESPONSE + MAP || bytes.length < MAP_RESPONSE_BYTES) return null;
  const [internalPort, externalPort] = [view.getUint16(8), view.getUint16(10)];
  return { type: "map", epochS, internalPort, externalPort, lifetimeS: view.getUint32(12) };
}
