/**
 * UDP sockets that move many datagrams in a call. Sources: udp(7), ip(7), ipv6(7), socket(7); constants from
 * linux/in.h, linux/in6.h, linux/udp.h and asm-generic/socket.h, the same on x64 and arm64.
 */
import { check, EINVAL, EIO, errno, libc, Memory, SyscallError } from "./libc.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR6_BYTES } from "./sockaddr.ts";
import {
  type Destination,
  IP_PKTINFO,
  MSG_DONTWAIT,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
  UDP_SEGMENT,
} from "./udp-destination.ts";
import { UDP_GRO, UdpInbox } from "./udp-inbox.ts";
import { MAX_SEGMENTS, UdpPieces } from "./udp-pieces.ts";

const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IP_TTL = 2;
const IP_MTU_DISCOVER = 10;
const IP_RECVERR = 11;
const IP_RECVTOS = 13;
const IP_UNICAST_IF = 50;
const IPV6_UNICAST_HOPS = 16;
const IPV6_MTU_DISCOVER = 23;
const IPV6_RECVERR = 25;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_DONTFRAG = 62;
const IPV6_RECVTCLASS = 66;
const IPV6_UNICAST_IF = 76;
const PMTUDISC_DONT = 0;
const PMTUDISC_DO = 2; // the DF bit always, and EMSGSIZE for what does not fit
const PMTUDISC_PROBE = 3; // the DF bit always, whatever the kernel knows of the path

const DEFAULT_SLOTS = 64;

export interface UdpOptions {
  readonly family: 4 | 6;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** The local address, 4 or 16 bytes; all of them if left out. */
  readonly host?: Uint8Array;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** Use UDP_SEGMENT and UDP_GRO where the kernel has them. */
  readonly segmentation: boolean;
  /** Others receive by the descriptor, who know neither UDP_GRO nor control messages. */
  readonly isReceivedElsewhere?: boolean;
  /** For who looks for the path's MTU by itself: what the kernel knows of it does not count. */
  readonly probesMtu?: boolean;
  /** How many messages `receive` takes at most. */
  readonly slots?: number;
}

/** What the kernel granted; `gso` may be withdrawn later. Buffers are as asked for, without the kernel's doubling. */
export interface UdpFeatures {
  gso: boolean;
  readonly gro: boolean;
  readonly pktinfo: boolean;
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
}

export class UdpSocket extends UdpInbox {
  readonly #sendmsg = libc().sendmsg;
  readonly #pieces: UdpPieces;

  private constructor(
    fd: number,
    family: 4 | 6,
    slots: number,
    readonly port: number,
    readonly features: UdpFeatures,
  ) {
    super(fd, family, slots);
    this.#pieces = new UdpPieces(fd);
  }

  /** Opens a non-blocking socket of one family, never fragmenting. Throws SyscallError: EADDRINUSE, EAFNOSUPPORT... */
  static open(options: UdpOptions): UdpSocket {
    const { family, slots = DEFAULT_SLOTS } = options;
    const fd = check("socket", libc().socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0));
    try {
      const features = configure(fd, options);
      return new UdpSocket(fd, family, slots, bind(fd, options), features);
    } catch (error) {
      libc().close(fd);
      throw error;
    }
  }

  /** A socket that another thread of this process opened, with receive slots of its own. Only one of them closes it. */
  static adopt(fd: number, of: { family: 4 | 6; port: number; features: UdpFeatures; slots: number }): UdpSocket {
    return new UdpSocket(fd, of.family, of.slots, of.port, { ...of.features });
  }

  /**
   * Sends the `length` bytes at `address` as datagrams of `segmentBytes` each and a shorter last one; as one datagram
   * when `segmentBytes` is 0 or not less than `length`. Returns how many bytes went out, fewer than `length` when the
   * kernel stopped between two datagrams, or a negative errno. Never throws. A source that is gone is forgotten.
   */
  send(destination: Destination, address: number, length: number, segmentBytes: number, tos: number): number {
    const isOne = segmentBytes === 0 || segmentBytes >= length;
    if (isOne || (this.features.gso && length <= segmentBytes * MAX_SEGMENTS)) {
      destination.point(address, length);
      const sent = this.#transmit(destination, isOne ? 0 : segmentBytes, tos);
      if (isOne || !isGsoRefusal(sent)) return sent;
      return this.#withoutGso(this.#pieces.send(destination, address, length, segmentBytes, tos));
    }
    return this.#pieces.send(destination, address, length, segmentBytes, tos);
  }

  /** `send` for datagrams that do not fit the path: for this once IP may fragment them. */
  sendFragmented(destination: Destination, address: number, length: number, segmentBytes: number, tos: number): number {
    this.#discoverMtu(PMTUDISC_DONT);
    const sent = this.#pieces.send(destination, address, length, Math.min(segmentBytes || length, length), tos);
    this.#discoverMtu(PMTUDISC_DO);
    return sent;
  }

  /** Sends leave by that interface whatever the routes say, so never through the tunnel they carry. 0 takes it back. */
  bindToInterface(ifindex: number): void {
    const bigEndian = Memory.of(Uint8Array.of(ifindex >>> 24, ifindex >>> 16, ifindex >>> 8, ifindex));
    const [level, option] = this.family === 4 ? [SOL_IP, IP_UNICAST_IF] : [SOL_IPV6, IPV6_UNICAST_IF];
    check("setsockopt UNICAST_IF", libc().setsockopt(this.fd, level, option, bigEndian.address, 4));
  }

  /** How many routers a datagram may pass, from now on; -1 for the system's own number. */
  setHops(hops: number): void {
    const value = new Memory(4);
    value.view.setInt32(0, hops, true);
    const [level, option] = this.family === 4 ? [SOL_IP, IP_TTL] : [SOL_IPV6, IPV6_UNICAST_HOPS];
    check("setsockopt hops", libc().setsockopt(this.fd, level, option, value.address, 4));
  }

  /** Nobody else may bind its port, even if whoever took the descriptor has allowed it. */
  holdPort(): void {
    check("setsockopt SO_REUSEADDR", libc().setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, new Memory(4).address, 4));
  }

  close(): void {
    check("close udp", libc().close(this.fd));
  }

  #discoverMtu(how: number): void {
    const value = Memory.of(Uint8Array.of(how, 0, 0, 0));
    const dontFragment = Memory.of(Uint8Array.of(how === PMTUDISC_DO ? 1 : 0, 0, 0, 0));
    const { setsockopt } = libc();
    if (this.family === 4) return void setsockopt(this.fd, SOL_IP, IP_MTU_DISCOVER, value.address, 4);
    setsockopt(this.fd, SOL_IPV6, IPV6_MTU_DISCOVER, value.address, 4);
    setsockopt(this.fd, SOL_IPV6, IPV6_DONTFRAG, dontFragment.address, 4);
  }

  #transmit(destination: Destination, segmentBytes: number, tos: number): number {
    destination.mark(segmentBytes, tos);
    for (;;) {
      const sent = this.#sendmsg(this.fd, destination.headerAddress, MSG_DONTWAIT);
      if (sent >= 0) return sent;
      const number = errno();
      if (!destination.forgetSource(number)) return -number;
    }
  }

  /** What GSO refused went out in pieces: it is the interface that cannot do it, not these bytes that do not fit. */
  #withoutGso(sent: number): number {
    if (sent > 0) this.features.gso = false;
    return sent;
  }
}

/** EIO: no transmit checksum offload. EINVAL: that too, or a segment too long for the path (EMSGSIZE since 6.13). */
function isGsoRefusal(sent: number): boolean {
  return sent === -EIO || sent === -EINVAL;
}

function configure(fd: number, options: UdpOptions): UdpFeatures {
  const value = new Memory(4);
  const accepts = (level: number, option: number, number: number): boolean => {
    value.view.setInt32(0, number, true);
    return libc().setsockopt(fd, level, option, value.address, 4) === 0;
  };
  const grow = (forced: number, plain: number, bytes: number): number => {
    // The first needs CAP_NET_ADMIN; the second is cut down to net.core.rmem_max or wmem_max.
    if (!accepts(SOL_SOCKET, forced, bytes)) accepts(SOL_SOCKET, plain, bytes);
    return getInt(fd, SOL_SOCKET, plain) / 2; // the kernel doubles it, to have room for its own bookkeeping
  };
  const is4 = options.family === 4;
  if (!is4 && !accepts(SOL_IPV6, IPV6_V6ONLY, 1)) throw new SyscallError("setsockopt IPV6_V6ONLY", errno());
  const discovery = options.probesMtu ? PMTUDISC_PROBE : PMTUDISC_DO;
  const receivesHere = options.isReceivedElsewhere !== true;
  if (is4) {
    accepts(SOL_IP, IP_MTU_DISCOVER, discovery);
    accepts(SOL_IP, IP_RECVERR, 0);
  } else {
    accepts(SOL_IPV6, IPV6_MTU_DISCOVER, discovery);
    accepts(SOL_IPV6, IPV6_DONTFRAG, 1);
    accepts(SOL_IPV6, IPV6_RECVERR, 0);
  }
  if (receivesHere) is4 ? accepts(SOL_IP, IP_RECVTOS, 1) : accepts(SOL_IPV6, IPV6_RECVTCLASS, 1);
  return {
    gso: options.segmentation && accepts(SOL_UDP, UDP_SEGMENT, 0), // 0: only the calls that ask for it
    gro: options.segmentation && receivesHere && accepts(SOL_UDP, UDP_GRO, 1),
    pktinfo: receivesHere && (is4 ? accepts(SOL_IP, IP_PKTINFO, 1) : accepts(SOL_IPV6, IPV6_RECVPKTINFO, 1)),
    receiveBufferBytes: grow(SO_RCVBUFFORCE, SO_RCVBUF, options.receiveBufferBytes),
    sendBufferBytes: grow(SO_SNDBUFFORCE, SO_SNDBUF, options.sendBufferBytes),
  };
}

function getInt(fd: number, level: number, option: number): number {
  const value = new Memory(4);
  const length = Memory.of(Uint8Array.of(4, 0, 0, 0));
  check("getsockopt", libc().getsockopt(fd, level, option, value.address, length.address));
  return value.view.getInt32(0, true);
}

/** Binds and returns the port. */
function bind(fd: number, { family, port, host }: UdpOptions): number {
  const name = new Memory(SOCKADDR6_BYTES);
  const any = new Uint8Array(family === 4 ? 4 : 16);
  const length = encodeSockaddr({ host: host ?? any, port }, name.bytes);
  check("bind", libc().bind(fd, name.address, length));
  const capacity = Memory.of(Uint8Array.of(SOCKADDR6_BYTES, 0, 0, 0));
  check("getsockname", libc().getsockname(fd, name.address, capacity.address));
  return name.view.getUint16(2, false);
}
