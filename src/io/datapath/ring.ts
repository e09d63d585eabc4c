/**
 * Datagrams from one thread to one other, in shared memory: bounded, in order, without a lock. A record is
 *   bytes    u32      of the record behind this word; 0xffffffff: the rest of the ring is unused, go on at its start
 *   port     u16
 *   host     u8       bytes of the address, 4 or 16
 *   address  4 or 16 bytes
 *   datagram the rest
 * at a multiple of 4. Full: `push` refuses, and its caller counts.
 */
import type { Address } from "../../base/address.ts";
import { formatIp, parseIp } from "../../base/ip.ts";

const HEAD = 0; // where the next record is read
const TAIL = 1; // where the next record is written
const SIGNALLED = 2; // 1 from the producer's wake-up until the consumer begins to read
const CONTROL_BYTES = 12;
const WRAP = 0xffff_ffff;
const RECORD_HEADER_BYTES = 4 + 2 + 1 + 16;

export class Ring {
  readonly shared: SharedArrayBuffer;
  readonly #marks: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  /** Over `shared` when the other thread made it; otherwise a new ring of `capacity` bytes, a multiple of 4. */
  constructor(source: { capacity: number } | { shared: SharedArrayBuffer }) {
    this.shared = "shared" in source ? source.shared : new SharedArrayBuffer(CONTROL_BYTES + source.capacity);
    this.#marks = new Int32Array(this.shared, 0, 3);
    this.#bytes = new Uint8Array(this.shared, CONTROL_BYTES);
    this.#view = new DataView(this.shared, CONTROL_BYTES);
  }

  /** Whether a datagram of any length up to `bytes` fits now. */
  hasRoom(bytes: number): boolean {
    return this.#place(align(RECORD_HEADER_BYTES + bytes)) >= 0;
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#marks, HEAD) === Atomics.load(this.#marks, TAIL);
  }

  /** Copies the datagram in; false when there is no room. */
  push(address: Address, datagram: Uint8Array): boolean {
    const host = parseIp(address.host);
    if (!host) return false;
    const recordBytes = 3 + host.length + datagram.length;
    const taken = align(4 + recordBytes);
    const at = this.#place(taken);
    if (at < 0) return false;
    const tail = Atomics.load(this.#marks, TAIL);
    if (at !== tail && tail < this.#bytes.length) this.#view.setUint32(tail, WRAP);
    this.#view.setUint32(at, recordBytes);
    this.#view.setUint16(at + 4, address.port);
    this.#bytes[at + 6] = host.length;
    this.#bytes.set(host, at + 7);
    this.#bytes.set(datagram, at + 7 + host.length);
    Atomics.store(this.#marks, TAIL, at + taken === this.#bytes.length ? 0 : at + taken);
    return true;
  }

  /** After a push: whether the consumer needs waking. Until it has begun to read, once is enough. */
  needsWake(): boolean {
    return Atomics.exchange(this.#marks, SIGNALLED, 1) === 0;
  }

  /** The consumer is awake and about to read. */
  awake(): void {
    Atomics.store(this.#marks, SIGNALLED, 0);
  }

  /** Takes the oldest datagram out, in bytes of its own; null when there is none. */
  shift(): { address: Address; datagram: Uint8Array } | null {
    if (this.isEmpty) return null;
    let at = Atomics.load(this.#marks, HEAD);
    if (this.#view.getUint32(at) === WRAP) at = 0;
    const recordBytes = this.#view.getUint32(at);
    const port = this.#view.getUint16(at + 4);
    const datagramAt = at + 7 + this.#bytes[at + 6]!;
    const host = formatIp(this.#bytes.slice(at + 7, datagramAt));
    const datagram = this.#bytes.slice(datagramAt, at + 4 + recordBytes);
    const end = at + align(4 + recordBytes);
    Atomics.store(this.#marks, HEAD, end === this.#bytes.length ? 0 : end);
    return { address: { host, port }, datagram };
  }

  /** Where a record that takes `bytes` goes; -1 when there is no room. The tail never catches up with the head. */
  #place(bytes: number): number {
    const head = Atomics.load(this.#marks, HEAD);
    const tail = Atomics.load(this.#marks, TAIL);
    if (tail < head) return tail + bytes < head ? tail : -1;
    const end = tail + bytes;
    if (end < this.#bytes.length || (end === this.#bytes.length && head > 0)) return tail;
    return bytes < head ? 0 : -1;
  }
}

function align(bytes: number): number {
  return (bytes + 3) & ~3;
}
