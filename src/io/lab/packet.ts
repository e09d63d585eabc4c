/** An IPv4 packet as routers and NATs see it (RFC 791, 768, 9293, 792): read from bytes, and changed in place. */
import type { Address } from "../../base/address.ts";
import { updateChecksum } from "../datapath/checksum.ts";
import { ICMP, PacketHeaders, TCP, TCP_CHECKSUM, UDP, UDP_CHECKSUM } from "../datapath/packet.ts";

export type Translatable = typeof UDP | typeof TCP | typeof ICMP;

const TTL = 8;
const IP_CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
const ICMP_CHECKSUM = 2;
const ICMP_ID = 4; // of an echo: type u8, code u8, checksum u16, id u16, sequence u16
const ICMP_ECHO_BYTES = 8;
const ECHO_REPLY = 0;
const ECHO_REQUEST = 8;

const headers = new PacketHeaders(); // read, and done with, in one go

export class Packet {
  readonly bytes: Uint8Array;
  /** What a NAT can translate it as; null for fragments, ICMP errors and all other protocols. */
  readonly protocol: Translatable | null;
  readonly #view: DataView;
  readonly #upper: number;

  /** Takes the bytes over. Null when they are not one whole IPv4 packet; what follows it is cut off. */
  static parse(bytes: Uint8Array): Packet | null {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!headers.parse(view, 0, bytes.length) || headers.version !== 4) return null;
    return new Packet(bytes.subarray(0, headers.length), view);
  }

  private constructor(bytes: Uint8Array, view: DataView) {
    this.bytes = bytes;
    this.#view = view;
    this.#upper = headers.ipBytes;
    this.protocol = translatable(view);
  }

  get source(): string {
    return this.#host(SOURCE);
  }

  get destination(): string {
    return this.#host(DESTINATION);
  }

  get ttl(): number {
    return this.bytes[TTL]!;
  }

  /** It passes so many routers; false when it dies at one of them. */
  pass(routers: number): boolean {
    if (this.ttl <= routers) return false;
    this.#change(TTL, [IP_CHECKSUM], (view) => view.setUint8(TTL, this.ttl - routers));
    return true;
  }

  /** From whom to whom, seen from the sender's side: an echo has its id for the sender's port, and 0 for the other's. */
  leaving(): { inside: Address; remote: Address } {
    const remotePort = this.protocol === ICMP ? 0 : this.#view.getUint16(this.#upper + 2);
    return {
      inside: { host: this.source, port: this.#view.getUint16(this.#portAt("source")) },
      remote: { host: this.destination, port: remotePort },
    };
  }

  /** The same, seen from the receiver's side. */
  arriving(): { outside: Address; remote: Address } {
    const remotePort = this.protocol === ICMP ? 0 : this.#view.getUint16(this.#upper);
    return {
      outside: { host: this.destination, port: this.#view.getUint16(this.#portAt("destination")) },
      remote: { host: this.source, port: remotePort },
    };
  }

  setSource(address: Address): void {
    this.#setEnd(SOURCE, this.#portAt("source"), address);
  }

  setDestination(address: Address): void {
    this.#setEnd(DESTINATION, this.#portAt("destination"), address);
  }

  #host(at: number): string {
    const { bytes } = this;
    return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  }

  #portAt(end: "source" | "destination"): number {
    if (this.protocol === ICMP) return this.#upper + ICMP_ID;
    return this.#upper + (end === "source" ? 0 : 2);
  }

  #setEnd(hostAt: number, portAt: number, { host, port }: Address): void {
    const octets = host.split(".");
    const upper = this.#upperChecksum();
    // An echo's checksum does not cover the addresses (RFC 792), those of TCP and UDP do.
    const overHost = upper === null || this.protocol === ICMP ? [IP_CHECKSUM] : [IP_CHECKSUM, upper];
    for (const i of [0, 2]) {
      const word = Number(octets[i]) * 256 + Number(octets[i + 1]);
      this.#change(hostAt + i, overHost, (view) => view.setUint16(hostAt + i, word));
    }
    this.#change(portAt, upper === null ? [] : [upper], (view) => view.setUint16(portAt, port));
    const isUdp = this.protocol === UDP && upper !== null;
    if (isUdp && this.#view.getUint16(upper) === 0) this.#view.setUint16(upper, 0xffff); // 0 would mean "none"
  }

  /** Where the upper header's checksum stands; null when the sender made none, as UDP allows. */
  #upperChecksum(): number | null {
    if (this.protocol === ICMP) return this.#upper + ICMP_CHECKSUM;
    if (this.protocol === TCP) return this.#upper + TCP_CHECKSUM;
    const at = this.#upper + UDP_CHECKSUM;
    return this.#view.getUint16(at) === 0 ? null : at;
  }

  /** Changes the 16-bit word at `at`, and mends the checksums over it. */
  #change(at: number, checksums: readonly number[], act: (view: DataView) => void): void {
    const before = this.#view.getUint16(at, true);
    act(this.#view);
    const after = this.#view.getUint16(at, true);
    for (const field of checksums) updateChecksum(this.#view, field, before, after);
  }
}

/** Of the packet whose headers were read last. */
function translatable(view: DataView): Translatable | null {
  const { protocol, headerBytes, ipBytes, length } = headers;
  if (protocol === UDP || protocol === TCP) return headerBytes > 0 ? protocol : null;
  const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
  if (protocol !== ICMP || isFragment || length < ipBytes + ICMP_ECHO_BYTES) return null;
  const type = view.getUint8(ipBytes);
  return type === ECHO_REQUEST || type === ECHO_REPLY ? ICMP : null;
}
