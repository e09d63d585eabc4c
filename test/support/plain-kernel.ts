/**
 * What a kernel makes of the packets that pass through its TUN, each behind a virtio network header: a plain reference for the
 * datapath's splitting and joining. Written from virtio_net.h and RFC 9293 alone; it copies, allocates and takes its time.
 */
import { getU16, getU32, joined, layoutOf, mendIp4, pseudoSum, setU16, setU32, TCP, wholeChecksum } from "./packets.ts";

const VNET_BYTES = 10;
const FIN_AND_PSH = 0x09;
const CWR = 0x80;

export interface Vnet {
  flags: number;
  gsoType: number;
  headerBytes: number;
  gsoSize: number;
  start: number;
  field: number;
}

export function withVnet(packet: Uint8Array, vnet: Partial<Vnet> = {}): Uint8Array {
  const { flags = 0, gsoType = 0, headerBytes = 0, gsoSize = 0, start = 0, field = 0 } = vnet;
  const words = [headerBytes, gsoSize, start, field].flatMap((word) => [word & 0xff, word >> 8]);
  return joined([flags, gsoType, ...words], packet);
}

/** The vnet header of a super-packet as a kernel would hand it over. */
export function superVnet(packet: Uint8Array, gsoSize: number): Uint8Array {
  const { version, protocol, ipBytes, headerBytes, field } = layoutOf(packet);
  const gsoType = protocol === TCP ? (version === 4 ? 1 : 4) : 5;
  return withVnet(packet, { flags: 1, gsoType, headerBytes, gsoSize, start: ipBytes, field: field - ipBytes });
}

/** The vnet header of one packet whose checksum is still the pseudo-header's sum. */
export function partialVnet(packet: Uint8Array): Uint8Array {
  const { ipBytes, field } = layoutOf(packet);
  return withVnet(packet, { flags: 1, start: ipBytes, field: field - ipBytes });
}

/** The packets on the wire behind a kernel that was handed this: cut, and with whole checksums. */
export function taken(written: Uint8Array): Uint8Array[] {
  const word = (at: number) => written[at]! | (written[at + 1]! << 8);
  const packet = written.slice(VNET_BYTES);
  const wantsChecksum = (written[0]! & 1) !== 0;
  if (written[1] === 0) return [wantsChecksum ? finished(packet, word(6), word(8)) : packet];
  if (!wantsChecksum) throw new Error("a super-packet always wants its checksum finished");
  return split(packet, word(4)).map((part) => finished(part, word(6), word(8)));
}

/** Cuts a super-packet; each part has the pseudo-header's sum in its checksum field. */
export function split(packet: Uint8Array, gsoSize: number): Uint8Array[] {
  const { version, protocol, ipBytes, headerBytes, source, destination, field } = layoutOf(packet);
  const payload = packet.subarray(headerBytes);
  const count = Math.ceil(payload.length / gsoSize);
  return Array.from({ length: count }, (_, i) => {
    const part = joined(packet.subarray(0, headerBytes), payload.subarray(i * gsoSize, (i + 1) * gsoSize));
    if (version === 4) {
      setU16(part, 2, part.length);
      setU16(part, 4, getU16(packet, 4) + i);
      mendIp4(part);
    } else setU16(part, 4, part.length - 40);
    if (protocol === TCP) {
      setU32(part, ipBytes + 4, (getU32(packet, ipBytes + 4) + i * gsoSize) % 2 ** 32);
      if (i < count - 1) part[ipBytes + 13]! &= ~FIN_AND_PSH;
      if (i > 0) part[ipBytes + 13]! &= ~CWR;
    } else setU16(part, ipBytes + 4, part.length - ipBytes);
    setU16(part, field, pseudoSum(source, destination, protocol, part.length - ipBytes));
    return part;
  });
}

function finished(packet: Uint8Array, start: number, field: number): Uint8Array {
  const copy = packet.slice();
  const upper = copy.slice(start);
  const partial = getU16(upper, field);
  setU16(upper, field, 0);
  setU16(copy, start + field, wholeChecksum(partial, upper));
  return copy;
}
