/** What the datapath reads of an inner packet's headers (RFC 791, RFC 8200, RFC 9293, RFC 768). */

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMP6 = 58;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_PSH = 0x08;
export const TCP_CWR = 0x80;

/** Offsets of the checksum in the TCP and UDP headers. */
export const TCP_CHECKSUM = 16;
export const UDP_CHECKSUM = 6;

const IP4_HEADER_BYTES = 20;
const IP6_HEADER_BYTES = 40;

/** One packet's headers; an instance is reused for packet after packet. Offsets count from the packet's first byte. */
export class PacketHeaders {
  version = 0;
  /** Bytes of the whole packet as its header says; what follows them is padding. */
  length = 0;
  /** The protocol after the IP header; for IPv6 that of the first extension header, if there is one. */
  protocol = 0;
  /** Bytes of the IP header without IPv6's extension headers. */
  ipBytes = 0;
  /** Bytes of the IP and the TCP or UDP header together; 0 when it is neither, or a fragment. */
  headerBytes = 0;

  /** Reads the packet at `at`, of which `available` bytes are there; false when it is not a whole IP packet. */
  parse(view: DataView, at: number, available: number): boolean {
    if (available < IP4_HEADER_BYTES) return false;
    this.version = view.getUint8(at) >>> 4;
    let fragment = false;
    if (this.version === 4) {
      this.ipBytes = (view.getUint8(at) & 15) * 4;
      this.length = view.getUint16(at + 2);
      this.protocol = view.getUint8(at + 9);
      fragment = (view.getUint16(at + 6) & 0x3fff) !== 0; // more fragments, or an offset
    } else if (this.version === 6 && available >= IP6_HEADER_BYTES) {
      this.ipBytes = IP6_HEADER_BYTES;
      this.length = view.getUint16(at + 4) + IP6_HEADER_BYTES;
      this.protocol = view.getUint8(at + 6);
    } else return false;
    if (this.ipBytes < IP4_HEADER_BYTES || this.length < this.ipBytes || this.length > available) return false;
    this.headerBytes = fragment ? 0 : this.#upperHeader(view, at);
    return true;
  }

  #upperHeader(view: DataView, at: number): number {
    const room = this.length - this.ipBytes;
    if (this.protocol === UDP) return room >= 8 ? this.ipBytes + 8 : 0;
    if (this.protocol !== TCP || room < 20) return 0;
    const tcpBytes = (view.getUint8(at + this.ipBytes + 12) >>> 4) * 4;
    return tcpBytes >= 20 && tcpBytes <= room ? this.ipBytes + tcpBytes : 0;
  }
}

/** Both of the two bits of explicit congestion notification. */
export const CONGESTION_EXPERIENCED = 3;

/** The two bits of explicit congestion notification in the packet's header (RFC 3168 §5). */
export function ecnOf(view: DataView, at: number): number {
  const first = view.getUint16(at);
  return first >>> 12 === 4 ? first & 3 : (first >>> 4) & 3;
}
