/**
 * Packets on their way out. Consecutive ones of one stream to one address, as long as the first and a last one that may be shorter,
 * lie behind one another in one buffer: the shell sends them in one system call (UDP_SEGMENT), or cuts them apart.
 */
import type { Address } from "../../base/address.ts";

export interface UdxSend {
  readonly type: "send";
  readonly socket: string;
  readonly to: Address;
  /** Not written to again: the receiver's to keep. */
  readonly datagram: Uint8Array;
  /** When not 0, the buffer is several datagrams of that many bytes each, the last of them perhaps shorter. */
  readonly segmentBytes: number;
}

/** What UDP_SEGMENT takes at most (UDP_MAX_SEGMENTS, and one IP packet). */
const MAX_SEGMENTS = 64;
const MAX_RUN_BYTES = 65_000;
/** Buffers are cut from one of these; measured, a fresh one for each run of segments costs 4 µs for its zeros and its collection. */
const SLAB_BYTES = 524_288;

export class Outbox {
  /** Where the packets are written. */
  bytes = new Uint8Array(0);
  #outputs: UdxSend[] = [];
  #start = 0;
  #end = 0;
  #segments = 0;
  #segmentBytes = 0;
  #lastBytes = 0;
  #socket = "";
  #to: Address | null = null;

  /** Room for a datagram of that length: where in `bytes` it begins, which the call may have replaced. */
  add(socket: string, to: Address, length: number): number {
    if (!this.#joins(socket, to, length)) this.#begin(socket, to, length);
    const at = this.#end;
    this.#end += length;
    this.#lastBytes = length;
    this.#segments++;
    return at;
  }

  /** Room for a datagram that goes nowhere: the next one takes its place. */
  addNowhere(length: number): number {
    if (this.bytes.length - this.#end < length) {
      this.#close();
      this.bytes = new Uint8Array(SLAB_BYTES);
      this.#end = 0;
    }
    return this.#end;
  }

  drain(): UdxSend[] {
    this.#close();
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  #joins(socket: string, to: Address, length: number): boolean {
    return (
      this.#segments > 0 &&
      this.#segments < MAX_SEGMENTS &&
      length <= this.#segmentBytes &&
      this.#lastBytes === this.#segmentBytes &&
      this.#end - this.#start + length <= MAX_RUN_BYTES &&
      to === this.#to &&
      socket === this.#socket
    );
  }

  #begin(socket: string, to: Address, length: number): void {
    this.#close();
    if (this.bytes.length - this.#end < Math.max(length, MAX_RUN_BYTES)) {
      this.bytes = new Uint8Array(Math.max(SLAB_BYTES, length));
      this.#end = 0;
    }
    this.#start = this.#end;
    this.#segmentBytes = length;
    this.#socket = socket;
    this.#to = to;
  }

  #close(): void {
    if (this.#segments === 0) return;
    const datagram = this.bytes.subarray(this.#start, this.#end);
    const segmentBytes = this.#segments > 1 ? this.#segmentBytes : 0;
    this.#outputs.push({ type: "send", socket: this.#socket, to: this.#to!, datagram, segmentBytes });
    this.#segments = 0;
  }
}
