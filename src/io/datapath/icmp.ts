/**
 * Tells the sender of a packet that is too large for the path what would fit: "fragmentation needed" (RFC 792, RFC 1191
 * §4) or "packet too big" (RFC 4443 §3.2). The message seems to come from the packet's destination, which needs no address of ours.
 */
import type { Arena } from "./arena.ts";
import { fold, pseudoHeaderSum, sum, swap16, writeIp4Checksum } from "./checksum.ts";
import { ICMP, ICMP6, type PacketHeaders } from "./packet.ts";

const FRAGMENT_OFFSET = 0x1fff;
const IP4_QUOTE_BYTES = 28; // the IPv4 header and 8 bytes (RFC 792)
const IP6_MIN_MTU = 1280; // a packet-too-big message says no less, and is itself no longer (RFC 4443 §2.4 c)
const MAX_PER_SECOND = 100;

export class TooBigReplies {
  /** The reply's offset; it has 64 bytes of free room before it. */
  readonly at: number;
  readonly #arena: Arena;
  #second = 0;
  #sent = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.at = arena.reserve(64 + IP6_MIN_MTU) + 64;
  }

  /** Writes the reply to the packet at `packet` and returns its length; 0 when there were too many of them this second. */
  write(now: number, packet: number, headers: PacketHeaders, mtu: number): number {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) this.#sent = 0;
    this.#second = second;
    if (this.#sent >= MAX_PER_SECOND || !this.#mayAnswer(packet, headers)) return 0;
    this.#sent++;
    return headers.version === 4 ? this.#write4(packet, headers, mtu) : this.#write6(packet, headers, mtu);
  }

  /** An error is never about an error, nor about a fragment but the first (RFC 1122 §3.2.2, RFC 4443 §2.4 e). */
  #mayAnswer(packet: number, headers: PacketHeaders): boolean {
    const { view } = this.#arena;
    const type = headers.length > headers.ipBytes ? view.getUint8(packet + headers.ipBytes) : 0;
    if (headers.version === 6) return headers.protocol !== ICMP6 || type >= 128;
    if ((view.getUint16(packet + 6) & FRAGMENT_OFFSET) !== 0) return false;
    return headers.protocol !== ICMP || type === 0 || type === 8;
  }

  #write4(packet: number, headers: PacketHeaders, mtu: number): number {
    const { bytes, view } = this.#arena;
    const at = this.at;
    const quote = Math.min(headers.length, Math.max(IP4_QUOTE_BYTES, headers.ipBytes + 8));
    const length = 28 + quote;
    bytes.fill(0, at, at + 28);
    view.setUint16(at, 0x4500);
    view.setUint16(at + 2, length);
    view.setUint16(at + 8, (64 << 8) | ICMP);
    bytes.copyWithin(at + 12, packet + 16, packet + 20);
    bytes.copyWithin(at + 16, packet + 12, packet + 16);
    writeIp4Checksum(view, at, 20);
    view.setUint16(at + 20, 0x0304); // destination unreachable, fragmentation needed and DF set
    view.setUint16(at + 26, mtu);
    bytes.copyWithin(at + 28, packet, packet + quote);
    view.setUint16(at + 22, ~fold(sum(view, at + 20, length - 20)), true);
    return length;
  }

  #write6(packet: number, headers: PacketHeaders, mtu: number): number {
    const { bytes, view } = this.#arena;
    const at = this.at;
    const quote = Math.min(headers.length, IP6_MIN_MTU - 48);
    const length = 48 + quote;
    bytes.fill(0, at, at + 48);
    view.setUint8(at, 0x60);
    view.setUint16(at + 4, length - 40);
    view.setUint16(at + 6, (ICMP6 << 8) | 64);
    bytes.copyWithin(at + 8, packet + 24, packet + 40);
    bytes.copyWithin(at + 24, packet + 8, packet + 24);
    view.setUint8(at + 40, 2); // packet too big
    view.setUint32(at + 44, Math.max(mtu, IP6_MIN_MTU));
    bytes.copyWithin(at + 48, packet, packet + quote);
    const pseudo = pseudoHeaderSum(view, at, 6, ICMP6) + swap16(length - 40);
    view.setUint16(at + 42, ~fold(pseudo + sum(view, at + 40, length - 40)), true);
    return length;
  }
}
