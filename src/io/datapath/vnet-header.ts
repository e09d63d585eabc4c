/**
 * The virtio network header that stands before each packet of a TUN opened with IFF_VNET_HDR: 10 bytes, little-endian here.
 *   flags        u8   bit 0: the checksum field holds the pseudo-header's sum and wants finishing (NEEDS_CSUM)
 *   gsoType      u8   0 one packet, 1 TCP over IPv4, 4 TCP over IPv6, 5 UDP; bit 7: TCP with ECN
 *   headerBytes  u16  bytes before the payload
 *   gsoSize      u16  payload bytes of each packet that it is to be cut into
 *   start        u16  where the checksum's cover begins: the TCP or UDP header's offset
 *   field        u16  the checksum's offset from there
 * Source: linux/virtio_net.h `struct virtio_net_hdr`.
 */
export const VNET_BYTES = 10;
export const NEEDS_CHECKSUM = 1;
export const GSO_NONE = 0;
export const GSO_TCP4 = 1;
export const GSO_TCP6 = 4;
export const GSO_UDP = 5;
export const GSO_ECN = 0x80;

export interface VnetHeader {
  flags: number;
  gsoType: number;
  headerBytes: number;
  gsoSize: number;
  start: number;
  field: number;
}

/** Writes the header of a packet that is to be taken as it is. */
export function writePlainVnet(view: DataView, at: number): void {
  view.setUint32(at, 0);
  view.setUint32(at + 4, 0);
  view.setUint16(at + 8, 0);
}

export function writeVnet(view: DataView, at: number, header: VnetHeader): void {
  view.setUint8(at, header.flags);
  view.setUint8(at + 1, header.gsoType);
  view.setUint16(at + 2, header.headerBytes, true);
  view.setUint16(at + 4, header.gsoSize, true);
  view.setUint16(at + 6, header.start, true);
  view.setUint16(at + 8, header.field, true);
}

/** Reads the header into `into`, which is reused. */
export function readVnet(view: DataView, at: number, into: VnetHeader): void {
  into.flags = view.getUint8(at);
  into.gsoType = view.getUint8(at + 1);
  into.headerBytes = view.getUint16(at + 2, true);
  into.gsoSize = view.getUint16(at + 4, true);
  into.start = view.getUint16(at + 6, true);
  into.field = view.getUint16(at + 8, true);
}

export function emptyVnet(): VnetHeader {
  return { flags: 0, gsoType: GSO_NONE, headerBytes: 0, gsoSize: 0, start: 0, field: 0 };
}
