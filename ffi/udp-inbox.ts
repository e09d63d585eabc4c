/**
 * Receiving datagrams many at a time. One recvmmsg(2) fills preallocated arrays; the accessors then read them in place,
 * and nothing is allocated. Sources: recvmmsg(2), cmsg(3), ip(7), ipv6(7), udp(7); layouts as in `udp-destination.ts`.
 */
import { EBADF, EFAULT, EINVAL, ENOTSOCK, errno, libc, Memory, SyscallError, setAddress } from "./libc.ts";
import { SOCKADDR4_BYTES, SOCKADDR6_BYTES } from "./sockaddr.ts";
import {
  cmsgSpace,
  type Destination,
  HEADER,
  IOVEC_BYTES,
  IP_PKTINFO,
  IP_TOS,
  IPV6_PKTINFO,
  IPV6_TCLASS,
  MMSGHDR_BYTES,
  MSG_DONTWAIT,
  SOL_IP,
  SOL_IPV6,
  SOL_UDP,
} from "./udp-destination.ts";

export const UDP_GRO = 104;

const MSG_TRUNC_CTRUNC = 0x20 | 0x08;

const NAME_STRIDE = 32;
const CONTROL_STRIDE = cmsgSpace(20) + 2 * cmsgSpace(4); // the larger packet info, TOS, segment size: 88 bytes
const NONE = -1;

export class UdpInbox {
  /** The sockaddrs of the messages; message i's begins at `nameOffset(i)` and has `nameBytes` bytes. */
  readonly names: Uint8Array;
  readonly nameBytes: number;
  /** The control messages; `localOf(i)` is an offset in it. */
  readonly controls: Uint8Array;

  readonly #headers: Memory;
  readonly #headerWords: Uint32Array;
  readonly #iovecs: Memory;
  readonly #iovecWords: Uint32Array;
  readonly #names: Memory;
  readonly #nameWords: Uint32Array;
  readonly #controls: Memory;
  readonly #controlWords: Uint32Array;
  readonly #lengths: Int32Array;
  readonly #segments: Int32Array;
  readonly #tos: Int32Array;
  readonly #locals: Int32Array;
  #base = 0;
  #slotBytes = 0;
  #filled = 0; // messages of the last call
  readonly #recvmmsg = libc().recvmmsg;

  /** `slots` is how many messages one call takes at most. */
  constructor(
    readonly fd: number,
    readonly family: 4 | 6,
    readonly slots: number,
  ) {
    this.nameBytes = family === 4 ? SOCKADDR4_BYTES : SOCKADDR6_BYTES;
    this.#headers = new Memory(slots * MMSGHDR_BYTES);
    this.#headerWords = new Uint32Array(this.#headers.buffer);
    this.#iovecs = new Memory(slots * IOVEC_BYTES);
    this.#iovecWords = new Uint32Array(this.#iovecs.buffer);
    this.#names = new Memory(slots * NAME_STRIDE);
    this.#nameWords = new Uint32Array(this.#names.buffer);
    this.names = this.#names.bytes;
    this.#controls = new Memory(slots * CONTROL_STRIDE);
    this.#controlWords = new Uint32Array(this.#controls.buffer);
    this.controls = this.#controls.bytes;
    this.#lengths = new Int32Array(slots);
    this.#segments = new Int32Array(slots);
    this.#tos = new Int32Array(slots);
    this.#locals = new Int32Array(slots);
    for (let i = 0; i < slots; i++) {
      const header = i * HEADER.words;
      setAddress(this.#headerWords, header + HEADER.name, this.#names.address + i * NAME_STRIDE);
      setAddress(this.#headerWords, header + HEADER.iovecs, this.#iovecs.address + i * IOVEC_BYTES);
      this.#headerWords[header + HEADER.iovecCount] = 1;
      setAddress(this.#headerWords, header + HEADER.control, this.#controls.address + i * CONTROL_STRIDE);
      this.#offer(i);
    }
  }

  /**
   * Takes what is waiting: message i goes to `base + i * slotBytes`. A slot of 65,535 bytes holds whatever UDP_GRO
   * joins; a message too long for its slot has length 0. Returns how many came: 0 when none was waiting, or when the
   * socket reported an earlier datagram's failure instead. Throws SyscallError only when the call itself was wrong.
   */
  receive(base: number, slotBytes: number): number {
    if (base !== this.#base || slotBytes !== this.#slotBytes) this.#point(base, slotBytes);
    for (let i = 0; i < this.#filled; i++) this.#offer(i); // what the last call filled in
    this.#filled = 0;
    const count = this.#recvmmsg(this.fd, this.#headers.address, this.slots, MSG_DONTWAIT, 0);
    if (count < 0) return this.#nothing(errno());
    this.#filled = count;
    for (let i = 0; i < count; i++) this.#parse(i);
    return count;
  }

  lengthOf(i: number): number {
    return this.#lengths[i]!;
  }

  /** The length of each datagram that UDP_GRO joined in message i, but the last; the message's own if it did not. */
  segmentOf(i: number): number {
    return this.#segments[i]!;
  }

  /** The TOS byte or traffic class: DSCP in the upper six bits, ECN in the lower two. */
  tosOf(i: number): number {
    return this.#tos[i]!;
  }

  /** Where in `controls` the 4 or 16 bytes of the local address are that message i was sent to; -1 when unknown. */
  localOf(i: number): number {
    return this.#locals[i]!;
  }

  nameOffset(i: number): number {
    return i * NAME_STRIDE;
  }

  /** The address, for libc, of message i's sockaddr. */
  nameAddress(i: number): number {
    return this.#names.address + i * NAME_STRIDE;
  }

  /** Whether message i came from where `destination` sends to. */
  isFrom(destination: Destination, i: number): boolean {
    return destination.isNamed(this.#nameWords, i * NAME_STRIDE);
  }

  #point(base: number, slotBytes: number): void {
    for (let i = 0; i < this.slots; i++) {
      setAddress(this.#iovecWords, i * 4, base + i * slotBytes);
      this.#iovecWords[i * 4 + 2] = slotBytes;
    }
    this.#base = base;
    this.#slotBytes = slotBytes;
  }

  /** Says how much room message i has for its name and control messages; the kernel overwrites both. */
  #offer(i: number): void {
    this.#headerWords[i * HEADER.words + HEADER.nameBytes] = this.nameBytes;
    this.#headerWords[i * HEADER.words + HEADER.controlBytes] = CONTROL_STRIDE;
  }

  #nothing(number: number): number {
    if (number === EBADF || number === ENOTSOCK || number === EFAULT || number === EINVAL) {
      throw new SyscallError("recvmmsg", number);
    }
    return 0; // EAGAIN, EINTR, memory short for a moment, or what ICMP said of a datagram of ours (ECONNREFUSED...)
  }

  #parse(i: number): void {
    const header = i * HEADER.words;
    const isWhole = (this.#headerWords[header + HEADER.flags]! & MSG_TRUNC_CTRUNC) === 0;
    this.#lengths[i] = isWhole ? this.#headerWords[header + HEADER.messageBytes]! : 0;
    this.#segments[i] = this.#lengths[i]!;
    this.#tos[i] = 0;
    this.#locals[i] = NONE;

    const words = this.#controlWords;
    let at = (i * CONTROL_STRIDE) >> 2;
    const end = at + (this.#headerWords[header + HEADER.controlBytes]! >> 2);
    while (at + 4 < end) {
      const messageBytes = words[at]!;
      if (messageBytes < 16) return;
      this.#take(i, words[at + 2]!, words[at + 3]!, at + 4);
      at += ((messageBytes + 7) & ~7) >> 2;
    }
  }

  /** Keeps one control message of message i; its data begin at word `data`. */
  #take(i: number, level: number, type: number, data: number): void {
    const words = this.#controlWords;
    if (level === SOL_UDP && type === UDP_GRO) {
      if (words[data]! > 0 && words[data]! < this.#lengths[i]!) this.#segments[i] = words[data]!;
    } else if (level === SOL_IP && type === IP_TOS) {
      this.#tos[i] = words[data]! & 0xff; // one byte on receive
    } else if (level === SOL_IPV6 && type === IPV6_TCLASS) {
      this.#tos[i] = words[data]! & 0xff;
    } else if (level === SOL_IP && type === IP_PKTINFO) {
      this.#locals[i] = (data + 1) * 4; // spec_dst: the address to answer from
    } else if (level === SOL_IPV6 && type === IPV6_PKTINFO) {
      this.#locals[i] = data * 4;
    }
  }
}
