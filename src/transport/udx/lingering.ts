/**
 * Streams that ended in good order, for a while: the last acknowledgement may be lost, and then the other end asks again. Such a
 * question is answered as the stream would have. Differs: the reference forgets at once, and the other end then waits 13 s in vain
 * (udx-wire.md §13.1).
 */
import { DATA, END, encodeHeader, HEADER_BYTES, HEARTBEAT, typeOf } from "../../wire/udx.ts";
import { AnswerLimit } from "./answer-limit.ts";
import type { Outbox } from "./outbox.ts";
import type { Route } from "./packet-writer.ts";

/** Until the other end would give up: it asks again after 1, 3, 5, 7, 9 and 11 seconds. At 10 % loss, 8 s lost one stream in 1,500. */
const LINGER_MS = 14_000;
const MAX_LINGERING = 4_096; // full: the one that ended first is forgotten

export interface EndedStream {
  readonly id: number;
  readonly route: Route;
  readonly seq: number;
  readonly ack: number;
  readonly rwnd: number;
}

interface Lingering extends EndedStream {
  readonly until: number;
  readonly limit: AnswerLimit;
}

export class LingeringStreams {
  readonly #outbox: Outbox;
  /** By local id; whoever ended first is first. */
  readonly #streams = new Map<number, Lingering>();

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(now: number, stream: EndedStream): void {
    this.#streams.delete(stream.id);
    if (this.#streams.size >= MAX_LINGERING) this.#streams.delete(this.#streams.keys().next().value!);
    this.#streams.set(stream.id, { ...stream, until: now + LINGER_MS, limit: new AnswerLimit() });
  }

  has(id: number): boolean {
    return this.#streams.has(id);
  }

  /** The id is somebody else's now. */
  delete(id: number): void {
    this.#streams.delete(id);
  }

  /** Returns whether the packet was for one of them. */
  receive(now: number, id: number, packet: Uint8Array): boolean {
    const stream = this.#streams.get(id);
    if (!stream) return false;
    if ((typeOf(packet) & (DATA | END | HEARTBEAT)) === 0 || !stream.limit.take(now)) return true;
    const { route, seq, ack, rwnd } = stream;
    const at = this.#outbox.add(route.socket, route.to, HEADER_BYTES);
    encodeHeader(this.#outbox.bytes, at, { type: 0, offset: 0, id: route.remoteId, rwnd, seq, ack });
    return true;
  }

  advance(now: number): void {
    for (const { id, until } of this.#streams.values()) {
      if (until > now) return;
      this.#streams.delete(id);
    }
  }

  deadline(): number {
    return this.#streams.size === 0 ? Infinity : this.#streams.values().next().value!.until;
  }
}
