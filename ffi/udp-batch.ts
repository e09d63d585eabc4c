/** Datagrams to many addresses in one sendmmsg(2); layouts as in `udp-destination.ts` and `sockaddr.ts`. */
import { EAGAIN, ENOBUFS, errno, libc, Memory, setAddress } from "./libc.ts";
import { encodeSockaddr, type SocketAddress } from "./sockaddr.ts";
import { HEADER, IOVEC_BYTES, MMSGHDR_BYTES, MSG_DONTWAIT } from "./udp-destination.ts";

const NAME_STRIDE = 32;

export class UdpBatch {
  #count = 0;
  readonly #headers: Memory;
  readonly #headerWords: Uint32Array;
  readonly #iovecs: Memory;
  readonly #iovecWords: Uint32Array;
  readonly #names: Memory;
  readonly #sendmmsg = libc().sendmmsg;

  constructor(readonly capacity: number) {
    this.#headers = new Memory(capacity * MMSGHDR_BYTES);
    this.#headerWords = new Uint32Array(this.#headers.buffer);
    this.#iovecs = new Memory(capacity * IOVEC_BYTES);
    this.#iovecWords = new Uint32Array(this.#iovecs.buffer);
    this.#names = new Memory(capacity * NAME_STRIDE);
    for (let i = 0; i < capacity; i++) {
      setAddress(this.#headerWords, i * HEADER.words + HEADER.name, this.#names.address + i * NAME_STRIDE);
      setAddress(this.#headerWords, i * HEADER.words + HEADER.iovecs, this.#iovecs.address + i * IOVEC_BYTES);
      this.#headerWords[i * HEADER.words + HEADER.iovecCount] = 1;
    }
  }

  get isFull(): boolean {
    return this.#count === this.capacity;
  }

  /** The next datagram: the `length` bytes at `address`. */
  add(to: SocketAddress, address: number, length: number): void {
    const i = this.#count++;
    const nameBytes = encodeSockaddr(to, this.#names.bytes, i * NAME_STRIDE);
    this.#headerWords[i * HEADER.words + HEADER.nameBytes] = nameBytes;
    setAddress(this.#iovecWords, i * 4, address);
    this.#iovecWords[i * 4 + 2] = length;
  }

  /** Sends them from `fd`, in order, and is empty again. What the kernel refuses is lost, and with it the rest when there is no room. */
  send(fd: number): void {
    for (let at = 0; at < this.#count; ) {
      const sent = this.#sendmmsg(fd, this.#headers.address + at * MMSGHDR_BYTES, this.#count - at, MSG_DONTWAIT);
      if (sent < 0 && (errno() === EAGAIN || errno() === ENOBUFS)) break;
      at += Math.max(1, sent);
    }
    this.#count = 0;
  }
}
