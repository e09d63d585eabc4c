/**
 * Hands packets to the TUN, and consecutive ones of one flow as the one super-packet they were cut from (or might have
 * been): a write costs the same for 60 kB as for 1 kB. Only neighbours join, so no order changes and nothing waits longer than the
 * batch that was received together. The rules for joining are those of Linux's GRO (`tcp_gro_receive`, `udp_gro_receive`): what the kernel
 * makes of the super-packet when it cuts it again must be the packets that came.
 *
 * A payload is copied once into the run that it joins (27 ns for 1,420 bytes). Opening it in place behind the run's end would save
 * that copy and cost two: the header it overwrites must be saved and put back.
 */
import type { Arena } from "./arena.ts";
import { finishChecksum, fold, pseudoHeaderSum, sum, swap16, writeIp4Checksum } from "./checksum.ts";
import { type PacketHeaders, TCP, TCP_CHECKSUM, TCP_FIN, TCP_PSH, UDP, UDP_CHECKSUM } from "./packet.ts";
import { COLUMN, type Stats } from "./stats.ts";
import {
  emptyVnet,
  GSO_NONE,
  GSO_TCP4,
  GSO_TCP6,
  GSO_UDP,
  NEEDS_CHECKSUM,
  VNET_BYTES,
  writePlainVnet,
  writeVnet,
} from "./vnet-header.ts";

/** A TUN device, or what stands for one. Packets lie in the arena behind their 10-byte vnet header. */
export interface TunPort {
  /** Whether super-packets of TCP and of UDP may be written; without either, packets must have whole checksums. */
  readonly takes: { readonly checksum: boolean; readonly tcp: boolean; readonly udp: boolean };
  /** Reads one packet with its vnet header to `at` and returns their length in bytes; 0 when none waits. */
  read(at: number, capacity: number): number;
  /** Writes one; false when the device refused it. */
  write(at: number, length: number): boolean;
}

const MAX_PACKET_BYTES = 65_535;
const MAX_RUN_PACKETS = 64; // the least that any kernel lets UDP_SEGMENT make
const ACK = 0x10;
const DONT_FRAGMENT = 0x4000;
/** In the TCP header's fourth word: all but FIN and PSH, which the last of a run may have. */
const WORD3_MASK = ~((TCP_FIN | TCP_PSH) << 16);

export class Coalescer {
  readonly #arena: Arena;
  readonly #tun: TunPort;
  readonly #stats: Stats;
  readonly #vnet = emptyVnet();
  readonly #run: number; // offset of the run's packet; its vnet header stands before it

  // The run; none is open while #packets is 0.
  #packets = 0;
  #length = 0;
  #peer = 0;
  #version = 0;
  #protocol = 0;
  #ipBytes = 0;
  #headerBytes = 0;
  #gsoSize = 0;
  #nextSequence = 0;
  #partial = false;
  #verified = false; // that the first packet's checksums are right; tried when a second one wants to join

  constructor(arena: Arena, tun: TunPort, stats: Stats) {
    this.#arena = arena;
    this.#tun = tun;
    this.#stats = stats;
    this.#run = arena.reserve(64 + MAX_PACKET_BYTES) + 64;
  }

  /**
   * Takes the packet at `at`, whose `headers` are parsed; `partial` says that its checksum is the pseudo-header's sum.
   * The 10 bytes before `at` may be overwritten, and the packet itself before this returns.
   */
  deliver(peer: number, at: number, headers: PacketHeaders, partial: boolean): void {
    if (this.#packets > 0) {
      if (peer === this.#peer && this.#joins(at, headers, partial)) return this.#append(at, headers);
      this.flush();
    }
    if (this.#begins(at, headers)) this.#begin(peer, at, headers, partial);
    else this.#writeAlone(peer, at, headers, partial);
  }

  /** Writes the open run, if there is one. */
  flush(): void {
    if (this.#packets === 0) return;
    const run = this.#run;
    if (this.#packets > 1) this.#writeRunHeaders();
    else if (this.#partial) this.#writePartialVnet(run, this.#ipBytes, this.#protocol);
    else writePlainVnet(this.#arena.view, run - VNET_BYTES);
    this.#packets = 0;
    this.#write(this.#peer, run - VNET_BYTES, this.#length + VNET_BYTES);
  }

  /** Writes a super-packet with its vnet header, which the caller has checked. */
  writeSuper(peer: number, at: number, length: number): void {
    this.flush();
    this.#write(peer, at, length);
  }

  #begins(at: number, headers: PacketHeaders): boolean {
    const { view } = this.#arena;
    const { headerBytes, ipBytes, protocol } = headers;
    if (headerBytes === 0 || headers.length === headerBytes || (headers.version === 4 && ipBytes !== 20)) return false;
    if (protocol === UDP) return this.#tun.takes.udp && view.getUint16(at + ipBytes + 4) === headers.length - ipBytes;
    return this.#tun.takes.tcp && view.getUint8(at + ipBytes + 13) === ACK;
  }

  #begin(peer: number, at: number, headers: PacketHeaders, partial: boolean): void {
    const { bytes, view } = this.#arena;
    bytes.copyWithin(this.#run, at, at + headers.length);
    this.#packets = 1;
    this.#peer = peer;
    this.#length = headers.length;
    this.#version = headers.version;
    this.#protocol = headers.protocol;
    this.#ipBytes = headers.ipBytes;
    this.#headerBytes = headers.headerBytes;
    this.#gsoSize = headers.length - headers.headerBytes;
    this.#partial = partial;
    this.#verified = false;
    if (headers.protocol === TCP) this.#nextSequence = (view.getUint32(at + headers.ipBytes + 4) + this.#gsoSize) >>> 0;
  }

  #joins(at: number, headers: PacketHeaders, partial: boolean): boolean {
    const { view } = this.#arena;
    const run = this.#run;
    const ip = this.#ipBytes;
    const payload = headers.length - headers.headerBytes;
    if (headers.headerBytes !== this.#headerBytes || headers.version !== this.#version) return false;
    if (headers.protocol !== this.#protocol || headers.ipBytes !== ip || partial !== this.#partial) return false;
    if (payload === 0 || payload > this.#gsoSize || this.#packets === MAX_RUN_PACKETS) return false;
    if (this.#length + payload > MAX_PACKET_BYTES || !this.#sameIp(at)) return false;
    if (view.getUint32(at + ip) !== view.getUint32(run + ip)) return false; // ports
    if (this.#protocol === TCP && !this.#sameTcp(at)) return false;
    if (this.#protocol === UDP && view.getUint16(at + ip + 4) !== headers.length - ip) return false;
    this.#verified ||= this.#checksumsHold(run, this.#length);
    return this.#verified && this.#checksumsHold(at, headers.length);
  }

  #sameIp(at: number): boolean {
    const { view } = this.#arena;
    const run = this.#run;
    if (this.#version === 4) {
      // Version, header length and TOS; fragment bits, TTL and protocol; the two addresses.
      if (view.getUint16(at) !== view.getUint16(run) || view.getUint32(at + 6) !== view.getUint32(run + 6))
        return false;
      // Cutting numbers the packets from the first, which is no matter where nobody may fragment them (RFC 6864 §4.1).
      const isAtomic = (view.getUint16(run + 6) & DONT_FRAGMENT) !== 0;
      if (!isAtomic && view.getUint16(at + 4) !== ((view.getUint16(run + 4) + this.#packets) & 0xffff)) return false;
      return (
        view.getUint32(at + 12) === view.getUint32(run + 12) && view.getUint32(at + 16) === view.getUint32(run + 16)
      );
    }
    // Version, traffic class and flow label; next header and hop limit; the two addresses.
    if (view.getUint32(at) !== view.getUint32(run) || view.getUint16(at + 6) !== view.getUint16(run + 6)) return false;
    for (let i = 8; i < 40; i += 4) if (view.getUint32(at + i) !== view.getUint32(run + i)) return false;
    return true;
  }

  #sameTcp(at: number): boolean {
    const { view } = this.#arena;
    const a = at + this.#ipBytes;
    const b = this.#run + this.#ipBytes;
    if (view.getUint32(a + 4) !== this.#nextSequence || view.getUint32(a + 8) !== view.getUint32(b + 8)) return false;
    // Header length, flags and window in one word.
    if (((view.getUint32(a + 12) ^ view.getUint32(b + 12)) & WORD3_MASK) !== 0) return false;
    if (view.getUint16(a + 18) !== view.getUint16(b + 18)) return false; // the urgent pointer
    const end = this.#headerBytes - this.#ipBytes;
    for (let i = 20; i < end; i += 4) if (view.getUint32(a + i) !== view.getUint32(b + i)) return false;
    return true;
  }

  #append(at: number, headers: PacketHeaders): void {
    const { bytes, view } = this.#arena;
    const payload = headers.length - headers.headerBytes;
    bytes.copyWithin(this.#run + this.#length, at + headers.headerBytes, at + headers.length);
    this.#length += payload;
    this.#packets++;
    let last = payload < this.#gsoSize;
    if (this.#protocol === TCP) {
      this.#nextSequence = (this.#nextSequence + payload) >>> 0;
      const flags = view.getUint8(at + this.#ipBytes + 13) & (TCP_FIN | TCP_PSH);
      if (flags !== 0) {
        const field = this.#run + this.#ipBytes + 13;
        view.setUint8(field, view.getUint8(field) | flags);
        last = true;
      }
    }
    if (last) this.flush();
  }

  /** Makes the run's first headers those of the whole, as the kernel writes them for a super-packet of its own. */
  #writeRunHeaders(): void {
    const { view } = this.#arena;
    const run = this.#run;
    const ip = this.#ipBytes;
    const upperBytes = this.#length - ip;
    if (this.#version === 4) {
      view.setUint16(run + 2, this.#length);
      writeIp4Checksum(view, run, ip);
    } else view.setUint16(run + 4, upperBytes);
    if (this.#protocol === UDP) view.setUint16(run + ip + 4, upperBytes);
    const field = this.#protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
    const pseudo = pseudoHeaderSum(view, run, this.#version, this.#protocol) + swap16(upperBytes);
    view.setUint16(run + ip + field, fold(pseudo), true);

    const vnet = this.#vnet;
    vnet.flags = NEEDS_CHECKSUM;
    vnet.gsoType = this.#protocol === UDP ? GSO_UDP : this.#version === 4 ? GSO_TCP4 : GSO_TCP6;
    vnet.headerBytes = this.#headerBytes;
    vnet.gsoSize = this.#gsoSize;
    vnet.start = ip;
    vnet.field = field;
    writeVnet(view, run - VNET_BYTES, vnet);
  }

  #writeAlone(peer: number, at: number, headers: PacketHeaders, partial: boolean): void {
    if (partial) this.#writePartialVnet(at, headers.ipBytes, headers.protocol, headers.length);
    else writePlainVnet(this.#arena.view, at - VNET_BYTES);
    this.#write(peer, at - VNET_BYTES, headers.length + VNET_BYTES);
  }

  /** The vnet header of one packet whose checksum is a partial sum; or the whole sum, for a TUN that wants it whole. */
  #writePartialVnet(packet: number, ipBytes: number, protocol: number, length = this.#length): void {
    const { view } = this.#arena;
    const field = protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
    if (!this.#tun.takes.checksum) {
      finishChecksum(view, packet + ipBytes, length - ipBytes, field);
      return writePlainVnet(view, packet - VNET_BYTES);
    }
    const vnet = this.#vnet;
    vnet.flags = NEEDS_CHECKSUM;
    vnet.gsoType = GSO_NONE;
    vnet.headerBytes = 0;
    vnet.gsoSize = 0;
    vnet.start = ipBytes;
    vnet.field = field;
    writeVnet(view, packet - VNET_BYTES, vnet);
  }

  /** Cutting makes checksums anew, so what came with a wrong one must not join. */
  #checksumsHold(at: number, length: number): boolean {
    const { view } = this.#arena;
    const ip = this.#ipBytes;
    if (this.#version === 4 && fold(sum(view, at, ip)) !== 0xffff) return false;
    if (this.#partial) return true;
    if (this.#protocol === UDP && view.getUint16(at + ip + UDP_CHECKSUM) === 0) return false; // sent without one
    const pseudo = pseudoHeaderSum(view, at, this.#version, this.#protocol) + swap16(length - ip);
    return fold(pseudo + sum(view, at + ip, length - ip)) === 0xffff;
  }

  #write(peer: number, at: number, length: number): void {
    if (!this.#tun.write(at, length)) this.#stats.add(peer, COLUMN.tunRefused, 1);
  }
}
