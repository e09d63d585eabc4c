/** Sending a run of datagrams without UDP_SEGMENT: sendmmsg(2) over its pieces, in one call for up to 64 of them. */
import { errno, libc, Memory, setAddress } from "./libc.ts";
import { type Destination, HEADER, IOVEC_BYTES, MMSGHDR_BYTES, MSG_DONTWAIT } from "./udp-destination.ts";

/** Datagrams of one call. It is also the kernel's limit for UDP_SEGMENT (UDP_MAX_SEGMENTS; 128 since Linux 6.9). */
export const MAX_SEGMENTS = 64;

export class UdpPieces {
  readonly #headers = new Memory(MAX_SEGMENTS * MMSGHDR_BYTES);
  readonly #headerWords = new Uint32Array(this.#headers.buffer);
  readonly #iovecs = new Memory(MAX_SEGMENTS * IOVEC_BYTES);
  readonly #iovecWords = new Uint32Array(this.#iovecs.buffer);
  readonly #sendmmsg = libc().sendmmsg;

  constructor(readonly fd: number) {
    for (let i = 0; i < MAX_SEGMENTS; i++) {
      setAddress(this.#headerWords, i * HEADER.words + HEADER.iovecs, this.#iovecs.address + i * IOVEC_BYTES);
      this.#headerWords[i * HEADER.words + HEADER.iovecCount] = 1;
    }
  }

  /** As `UdpSocket.send`. A call that stops half way is taken up again where it stopped, until the kernel refuses. */
  send(destination: Destination, address: number, length: number, segmentBytes: number, tos: number): number {
    destination.mark(0, tos);
    let sent = 0;
    while (sent < length) {
      const count = this.#layOut(destination, address + sent, length - sent, segmentBytes);
      const done = this.#sendmmsg(this.fd, this.#headers.address, count, MSG_DONTWAIT);
      if (done >= 0) {
        sent = Math.min(length, sent + done * segmentBytes);
        continue;
      }
      const number = errno();
      if (!destination.forgetSource(number)) return sent > 0 ? sent : -number;
    }
    return sent;
  }

  #layOut(destination: Destination, address: number, length: number, segmentBytes: number): number {
    const count = Math.min(MAX_SEGMENTS, Math.ceil(length / segmentBytes));
    for (let i = 0; i < count; i++) {
      const header = i * HEADER.words;
      setAddress(this.#headerWords, header + HEADER.name, destination.nameAddress);
      this.#headerWords[header + HEADER.nameBytes] = destination.nameBytes;
      setAddress(this.#headerWords, header + HEADER.control, destination.controlAddress);
      this.#headerWords[header + HEADER.controlBytes] = destination.controlBytes;
      setAddress(this.#iovecWords, i * 4, address + i * segmentBytes);
      this.#iovecWords[i * 4 + 2] = Math.min(segmentBytes, length - i * segmentBytes);
    }
    return count;
  }
}
