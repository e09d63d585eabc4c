/**
 * Cuts a super-packet from the kernel (or from a peer, for a TUN that takes none) into the packets it stands for.
 *
 * Nothing is copied but headers: each packet's header is written just before its payload, over the end of the payload
 * before it. So the caller must be done with a packet (sealed it elsewhere) before it asks for the next one.
 * Source: what Linux does in `tcp_gso_segment` and `__udp_gso_segment`; IPv4 identification counts up, sequence numbers
 * move on, FIN and PSH stay for the last packet, CWR for the first.
 */
import type { Arena } from "./arena.ts";
import { finishChecksum, fold, pseudoHeaderSum, swap16, writeIp4Checksum } from "./checksum.ts";
import { TCP, TCP_CHECKSUM, TCP_CWR, TCP_FIN, TCP_PSH, UDP, UDP_CHECKSUM } from "./packet.ts";
import { emptyVnet, GSO_ECN, GSO_TCP4, GSO_TCP6, GSO_UDP, readVnet, VNET_BYTES } from "./vnet-header.ts";

const MAX_HEADER_BYTES = 256; // IPv4 and TCP with all options take 120; the rest is for IPv6 extension headers

export class Segmenter {
  /** The offset of the packet that `next` made. */
  at = 0;
  /** Bytes of IP and upper header that every packet repeats. */
  headerBytes = 0;
  /** Payload bytes of every packet but the last. */
  gsoSize = 0;
  readonly #arena: Arena;
  readonly #template: number; // the super-packet's own header, kept while the original is overwritten
  readonly #vnet = emptyVnet();
  #version = 0;
  #protocol = 0;
  #payload = 0; // offset of the payload still to be handed out
  #end = 0;
  #index = 0;
  #pseudoSum = 0;
  #sequence = 0;
  #identification = 0;
  #finish = false;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#template = arena.reserve(MAX_HEADER_BYTES);
  }

  /**
   * Begins with the super-packet of `length` bytes at `at`, its vnet header included. With `finishChecksums` each packet gets
   * its whole checksum, otherwise the pseudo-header's sum, for the kernel at the far end to finish or to trust.
   * False when the headers do not agree with each other.
   */
  begin(at: number, length: number, finishChecksums: boolean): boolean {
    const { view, bytes } = this.#arena;
    const vnet = this.#vnet;
    readVnet(view, at, vnet);
    const packet = at + VNET_BYTES;
    const packetBytes = length - VNET_BYTES;
    const gsoType = vnet.gsoType & ~GSO_ECN;
    this.#version = view.getUint8(packet) >>> 4;
    this.#protocol = gsoType === GSO_UDP ? UDP : TCP;
    if (gsoType === GSO_TCP4 ? this.#version !== 4 : gsoType === GSO_TCP6 ? this.#version !== 6 : gsoType !== GSO_UDP)
      return false;
    if (vnet.start < (this.#version === 4 ? 20 : 40) || vnet.start + 20 > MAX_HEADER_BYTES) return false;
    if (packetBytes < vnet.start + (this.#protocol === UDP ? 8 : 20)) return false;
    // The kernel's hdr_len may count more than the headers, so they are measured here.
    const upperBytes = this.#protocol === UDP ? 8 : (view.getUint8(packet + vnet.start + 12) >>> 4) * 4;
    this.headerBytes = vnet.start + upperBytes;
    this.gsoSize = vnet.gsoSize;
    if (this.gsoSize === 0 || this.headerBytes > MAX_HEADER_BYTES || this.headerBytes > packetBytes) return false;
    if (this.#protocol === TCP && upperBytes < 20) return false;

    bytes.copyWithin(this.#template, packet, packet + this.headerBytes);
    this.#payload = packet + this.headerBytes;
    this.#end = packet + packetBytes;
    this.#index = 0;
    this.#finish = finishChecksums;
    this.#pseudoSum = pseudoHeaderSum(view, packet, this.#version, this.#protocol);
    this.#sequence = this.#protocol === TCP ? view.getUint32(packet + vnet.start + 4) : 0;
    this.#identification = this.#version === 4 ? view.getUint16(packet + 4) : 0;
    return true;
  }

  /** Makes the next packet at `this.at` and returns its length in bytes; 0 when all are made. */
  next(): number {
    const left = this.#end - this.#payload;
    if (left <= 0) return 0;
    const { bytes, view } = this.#arena;
    const payloadBytes = Math.min(left, this.gsoSize);
    const length = this.headerBytes + payloadBytes;
    const upper = this.#vnet.start;
    const at = this.#payload - this.headerBytes;
    bytes.copyWithin(at, this.#template, this.#template + this.headerBytes);
    this.at = at;

    if (this.#version === 4) {
      view.setUint16(at + 2, length);
      view.setUint16(at + 4, this.#identification + this.#index);
      writeIp4Checksum(view, at, (view.getUint8(at) & 15) * 4);
    } else view.setUint16(at + 4, length - 40);

    const isLast = payloadBytes === left;
    if (this.#protocol === TCP) {
      view.setUint32(at + upper + 4, this.#sequence + this.#index * this.gsoSize);
      let cleared = isLast ? 0 : TCP_FIN | TCP_PSH;
      if (this.#index > 0) cleared |= TCP_CWR;
      view.setUint8(at + upper + 13, view.getUint8(at + upper + 13) & ~cleared);
    } else view.setUint16(at + upper + 4, length - upper);

    const field = this.#protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
    view.setUint16(at + upper + field, fold(this.#pseudoSum + swap16(length - upper)), true);
    if (this.#finish) finishChecksum(view, at + upper, length - upper, field);

    this.#payload += payloadBytes;
    this.#index++;
    return length;
  }
}
