/**
 * Everything that sendmsg(2) needs to know about one remote address, laid out once so that sending writes a few words.
 *   offset  bytes  what
 *        0     56  struct msghdr: name u64, name length u32, iovecs u64, their count u64, control u64, its length u64,
 *                  flags u32
 *       56     16  struct iovec: address u64, length u64
 *       72     28  sockaddr_in or sockaddr_in6
 *      104   ≤ 40  control message with the source (PKTINFO), ending at 144; left out while there is none
 *      144   ≤ 48  control messages of this call: UDP_SEGMENT, then TOS
 * musl declares the counts and lengths of msghdr and cmsghdr as 32 bits and padding. Written as 64 bits, little-endian
 * and zero-extended, they are the same bytes. Sources: linux/socket.h, linux/udp.h, ip(7), ipv6(7), udp(7).
 */
import { EADDRNOTAVAIL, EINVAL, ENETUNREACH, ENODEV, Memory, setAddress } from "./libc.ts";
import { encodeSockaddr, type SocketAddress } from "./sockaddr.ts";

export const SOL_IP = 0;
export const SOL_UDP = 17;
export const SOL_IPV6 = 41;
export const IP_TOS = 1;
export const IP_PKTINFO = 8;
export const IPV6_PKTINFO = 50;
export const IPV6_TCLASS = 67;
export const UDP_SEGMENT = 103;

export const MSG_DONTWAIT = 0x40;

/**
 * struct mmsghdr, 64 bytes: a struct msghdr of 56, then the message's length u32 and padding. `HEADER` is where its
 * fields are, in 32-bit words; addresses, counts and lengths take two.
 */
export const MMSGHDR_BYTES = 64;
export const HEADER = {
  name: 0,
  nameBytes: 2,
  iovecs: 4,
  iovecCount: 6,
  control: 8,
  controlBytes: 10,
  flags: 12,
  messageBytes: 14,
  words: 16,
} as const;
export const IOVEC_BYTES = 16;
const IOVEC = 56;
const NAME = 72;
const CONTROL = 144;
const TOTAL_BYTES = 192;
const CMSG_HEADER_BYTES = 16; // struct cmsghdr: length u64 (header and data), level i32, type i32

export class Destination {
  readonly family: 4 | 6;
  /** Address and length of the sockaddr. */
  readonly nameAddress: number;
  readonly nameBytes: number;
  readonly #memory = new Memory(TOTAL_BYTES);
  readonly #words = new Uint32Array(this.#memory.buffer);
  readonly #is4: boolean;
  #sourceBytes = 0; // of its control message; 0 without a source
  #controlBytes = 0; // of the source's message and this call's
  #segmentBytes = 0; // what the control messages of the last call said
  #tos = 0;

  constructor(remote: SocketAddress) {
    this.#is4 = remote.host.length === 4;
    this.family = this.#is4 ? 4 : 6;
    this.nameBytes = encodeSockaddr(remote, this.#memory.bytes, NAME);
    this.nameAddress = this.#memory.address + NAME;
    setAddress(this.#words, HEADER.name, this.nameAddress);
    this.#words[HEADER.nameBytes] = this.nameBytes;
    setAddress(this.#words, HEADER.iovecs, this.#memory.address + IOVEC);
    this.#words[HEADER.iovecCount] = 1;
  }

  /** Address of the struct msghdr, and of what it points to. */
  get headerAddress(): number {
    return this.#memory.address;
  }

  get controlAddress(): number {
    return this.#memory.address + CONTROL - this.#sourceBytes;
  }

  get controlBytes(): number {
    return this.#controlBytes;
  }

  get hasSource(): boolean {
    return this.#sourceBytes > 0;
  }

  /** From now on sends to that address, of the same family. */
  redirect(remote: SocketAddress): void {
    encodeSockaddr(remote, this.#memory.bytes, NAME);
  }

  /**
   * From now on sends from the local address of 4 or 16 bytes at `offset`, over the interface `ifindex` (0: as the
   * routes say), so that answers leave from where they were asked. Sockets refuse it once the address is gone.
   */
  setSource(from: Uint8Array, offset: number, ifindex: number): void {
    // in_pktinfo: interface i32, source 4, destination 4. in6_pktinfo: source 16, interface u32.
    const dataBytes = this.#is4 ? 12 : 20;
    const hostBytes = this.#is4 ? 4 : 16;
    this.#sourceBytes = cmsgSpace(dataBytes);
    const at = CONTROL - this.#sourceBytes;
    this.#message(at, dataBytes, this.#is4 ? SOL_IP : SOL_IPV6, this.#is4 ? IP_PKTINFO : IPV6_PKTINFO);
    const data = at + CMSG_HEADER_BYTES;
    const host = data + (this.#is4 ? 4 : 0);
    for (let i = 0; i < hostBytes; i++) this.#memory.bytes[host + i] = from[offset + i]!;
    this.#words[(data + (this.#is4 ? 0 : 16)) >> 2] = ifindex;
    this.#layOut();
  }

  clearSource(): void {
    this.#sourceBytes = 0;
    this.#layOut();
  }

  /** Drops the source if `errno` is what a send gets whose local address or interface is gone; says whether it did. */
  forgetSource(errno: number): boolean {
    const isGone = errno === EINVAL || errno === EADDRNOTAVAIL || errno === ENODEV || errno === ENETUNREACH;
    if (!isGone || !this.hasSource) return false;
    this.clearSource();
    return true;
  }

  /** Whether the sockaddr at `offset` of `names` is this address: family, port, host and scope. */
  isNamed(names: Uint32Array, offset: number): boolean {
    const words = this.#words;
    const ours = NAME >> 2;
    const theirs = offset >> 2;
    if (names[theirs] !== words[ours]) return false; // family and port
    if (this.#is4) return names[theirs + 1] === words[ours + 1];
    for (let i = 2; i < 7; i++) if (names[theirs + i] !== words[ours + i]) return false; // not the flow label
    return true;
  }

  /** The next message is the `length` bytes at `address`. */
  point(address: number, length: number): void {
    setAddress(this.#words, IOVEC >> 2, address);
    this.#words[(IOVEC >> 2) + 2] = length;
  }

  /** The next message goes out in datagrams of `segmentBytes` (0: as one) with that TOS or traffic class. */
  mark(segmentBytes: number, tos: number): void {
    if (segmentBytes === this.#segmentBytes && tos === this.#tos) return;
    this.#segmentBytes = segmentBytes;
    this.#tos = tos;
    this.#layOut();
  }

  #layOut(): void {
    let end = CONTROL;
    if (this.#segmentBytes > 0) {
      end = this.#message(end, 2, SOL_UDP, UDP_SEGMENT, this.#segmentBytes);
    }
    if (this.#tos > 0) {
      end = this.#message(end, 4, this.#is4 ? SOL_IP : SOL_IPV6, this.#is4 ? IP_TOS : IPV6_TCLASS, this.#tos);
    }
    this.#controlBytes = end - CONTROL + this.#sourceBytes;
    setAddress(this.#words, HEADER.control, this.controlAddress);
    this.#words[HEADER.controlBytes] = this.#controlBytes;
  }

  /** Writes a control message at `at` with `value` as its first word; returns where the next begins. */
  #message(at: number, dataBytes: number, level: number, type: number, value = 0): number {
    const word = at >> 2;
    this.#words[word] = CMSG_HEADER_BYTES + dataBytes;
    this.#words[word + 1] = 0;
    this.#words[word + 2] = level;
    this.#words[word + 3] = type;
    this.#words[word + 4] = value;
    return at + cmsgSpace(dataBytes);
  }
}

/** Bytes that a control message takes, its padding included. */
export function cmsgSpace(dataBytes: number): number {
  return CMSG_HEADER_BYTES + ((dataBytes + 7) & ~7);
}
