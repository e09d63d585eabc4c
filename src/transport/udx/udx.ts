/**
 * A UDX instance: streams by their local ids, over any number of sockets, which it knows by name alone. Feed it each datagram, and
 * call `advance` after every input and at its deadline: packets leave then. Source: udx-wire.md §1, §4.
 */
import type { Address } from "../../base/address.ts";
import { assert } from "../../base/assert.ts";
import { Deadlines } from "../../base/deadlines.ts";
import type { Machine } from "../../base/machine.ts";
import { type Random, randomUint32 } from "../../base/random.ts";
import { idOf, isUdxPacket } from "../../wire/udx.ts";
import { type EndedStream, LingeringStreams } from "./lingering.ts";
import { MOST_MTU_BYTES } from "./mtu-search.ts";
import { Outbox, type UdxSend } from "./outbox.ts";
import { type StreamHost, UdxStream } from "./stream.ts";
import type { StreamOptions } from "./stream-owner.ts";

/** What the reorder buffers of all streams may hold. Full: what comes out of order is dropped, and must be sent again. */
const REORDER_BYTES = 268_435_456;

export interface UdxOptions {
  /** The largest IP packet to try; 1,200 where sockets cannot forbid fragments. Left out, 1,500. */
  readonly mtuLimitBytes?: number;
  readonly reorderBytes?: number;
}

export class Udx implements Machine<UdxSend> {
  readonly #outbox = new Outbox();
  readonly #streams = new Map<number, UdxStream>();
  readonly #lingering = new LingeringStreams(this.#outbox);
  readonly #deadlines = new Deadlines<UdxStream>();
  /** Streams that have something to send in this turn. */
  #awake: UdxStream[] = [];
  readonly #mtuLimitBytes: number;
  readonly #host: StreamHost;

  constructor({ mtuLimitBytes = MOST_MTU_BYTES, reorderBytes = REORDER_BYTES }: UdxOptions = {}) {
    this.#mtuLimitBytes = mtuLimitBytes;
    this.#host = {
      outbox: this.#outbox,
      reorderBudget: { bytesLeft: reorderBytes },
      wake: (stream) => this.#wake(stream),
      forget: (now, stream, ended) => this.#forget(now, stream, ended),
    };
  }

  /** Open streams. */
  get size(): number {
    return this.#streams.size;
  }

  get lingering(): number {
    return this.#lingering.size;
  }

  /** Packets for its id reach it from now on, past its firewall. */
  createStream(options: Omit<StreamOptions, "mtuLimitBytes">): UdxStream {
    const { id } = options;
    assert(Number.isInteger(id) && id >= 0 && id <= 0xffff_ffff, "a stream's id is a uint32");
    assert(!this.#streams.has(id), "a stream's id is its own");
    this.#lingering.delete(id);
    const stream = new UdxStream(this.#host, { ...options, mtuLimitBytes: this.#mtuLimitBytes });
    this.#streams.set(id, stream);
    return stream;
  }

  /** An id that no stream has, nor had a short while ago. */
  freeId(random: Random): number {
    let id = randomUint32(random);
    while (this.#streams.has(id) || this.#lingering.has(id)) id = randomUint32(random);
    return id;
  }

  /** Returns whether the datagram was ours; the others are the application's (§1). It is lent until this returns. */
  receive(now: number, socket: string, from: Address, datagram: Uint8Array): boolean {
    if (!isUdxPacket(datagram)) return false;
    const id = idOf(datagram);
    const stream = this.#streams.get(id);
    if (!stream) return this.#lingering.receive(now, id, datagram);
    stream.receive(now, socket, from, datagram);
    return true;
  }

  advance(now: number): void {
    this.#lingering.advance(now);
    this.#runTimers(now);
    // What an owner does while another stream is flushed wakes that one too.
    while (this.#awake.length > 0) {
      const awake = this.#awake;
      this.#awake = [];
      for (const stream of awake) this.#flush(now, stream);
    }
    this.#runTimers(now);
  }

  deadline(): number {
    if (this.#awake.length > 0) return -Infinity;
    return Math.min(this.#deadlines.first?.dueAt ?? Infinity, this.#lingering.deadline());
  }

  drain(): UdxSend[] {
    return this.#outbox.drain();
  }

  #runTimers(now: number): void {
    const due: UdxStream[] = [];
    for (let first = this.#deadlines.first; first && first.dueAt <= now; first = this.#deadlines.first) {
      due.push(first);
      this.#deadlines.set(first, Infinity);
    }
    for (const stream of due) {
      if (!stream.isClosed) stream.advance(now);
      this.#flush(now, stream);
    }
  }

  #flush(now: number, stream: UdxStream): void {
    stream.isAwake = false;
    stream.flush(now);
    this.#deadlines.set(stream, stream.isClosed ? Infinity : stream.deadline());
  }

  #wake(stream: UdxStream): void {
    if (stream.isAwake || stream.isClosed) return;
    stream.isAwake = true;
    this.#awake.push(stream);
  }

  #forget(now: number, stream: UdxStream, ended: EndedStream | null): void {
    this.#streams.delete(stream.id);
    this.#deadlines.set(stream, Infinity);
    if (ended) this.#lingering.add(now, ended);
  }
}
