/**
 * What has arrived of a stream, what of it its owner has not used yet, and what the other end must be told of that. It delivers
 * nothing itself: `take` and `takeKept` say what is next. Source: udx-wire.md §5, §6, §11.
 */
import { DATA, END } from "../../wire/udx.ts";
import { type Kept, type ReorderBudget, ReorderBuffer } from "./reorder-buffer.ts";

/** What the reference advertises, always. */
export const DEFAULT_WINDOW_BYTES = 4_194_304;
/** A window below this is told as none: one packet at a time would cost more than to wait. */
const LEAST_WINDOW_BYTES = 1_500;
/**
 * Senders do not count what was SACKed (§7.2), so for every round trip that a packet is missing another window may come. Lost twice,
 * as one in 10,000 is at 1 % loss, it is missing for three; what is kept beyond that narrows the window. Measured at 1 % loss and
 * 50 ms: narrowing from one window on takes a quarter of the goodput. An honest sender stays below the bound and the few packets that
 * it may send into any window. Full: a packet is dropped and not acknowledged, as if it had been lost.
 */
const KEPT_FREELY_WINDOWS = 3;
const MOST_WINDOWS = KEPT_FREELY_WINDOWS + 1;
const UNASKED_BYTES = 6_000;
/** What the packets kept may take in memory, in windows; many small ones take more than their payloads. */
const KEPT_WINDOWS = 6;
const LEAST_KEPT_BYTES = 65_536;
/**
 * Packets in order that one acknowledgement may answer, when they came in one turn of the shell; one that came alone is answered at
 * once. Measured against udx-native: see test/bench/udx.ts.
 */
const MAX_UNANSWERED = 32;

export type Taken = "deliver" | "keep" | "known" | "refuse";

export class Receiver {
  /** The number that is waited for: rcv.nxt, not cut to 32 bits. */
  next = 0;
  /** The other end's END was reached. */
  hasEnded = false;
  #unread = 0;
  #advertised: number;
  #unanswered = 0;
  #isAckDue = false;
  readonly #windowBytes: number;
  readonly #reorder: ReorderBuffer;

  constructor(windowBytes: number, budget: ReorderBudget) {
    this.#windowBytes = windowBytes;
    this.#advertised = windowBytes;
    this.#reorder = new ReorderBuffer(Math.max(LEAST_KEPT_BYTES, KEPT_WINDOWS * windowBytes), budget);
  }

  get isAckDue(): boolean {
    return this.#isAckDue;
  }

  /** So many packets wait for an answer that it should leave now. */
  get isAckPressing(): boolean {
    return this.#unanswered >= MAX_UNANSWERED;
  }

  /** What came beyond `next`: starts and ends in turn. */
  get runs(): readonly number[] {
    return this.#reorder.runs;
  }

  get keptBytes(): number {
    return this.#reorder.payloadBytes;
  }

  /** A number of a packet, as near to `next` as its 32 bits allow. */
  unwrap(seq: number): number {
    return this.next + ((seq - this.next) | 0);
  }

  /** What becomes of a packet with DATA or END: `deliver` when it is the next, which it then was. */
  take(seq: number, type: number, payload: Uint8Array): Taken {
    if (seq < this.next || this.hasEnded || this.#reorder.has(seq)) return "known";
    const isNext = seq === this.next;
    const waiting = this.#unread + (isNext ? 0 : this.#reorder.payloadBytes); // what is missing makes room for what is kept
    if (waiting + payload.length > MOST_WINDOWS * this.#windowBytes + UNASKED_BYTES) return "refuse";
    if (isNext) {
      this.#passed(type, payload.length);
      return "deliver";
    }
    return this.#reorder.put(seq, this.next, type, payload) ? "keep" : "refuse";
  }

  /** The packet that is next, if it came before its turn. */
  takeKept(): Kept | null {
    if (this.#reorder.isEmpty) return null;
    const kept = this.#reorder.take(this.next);
    if (kept) this.#passed(kept.type, kept.payload.length);
    return kept;
  }

  oweAck(): void {
    this.#isAckDue = true;
    this.#unanswered++;
  }

  acked(): void {
    this.#isAckDue = false;
    this.#unanswered = 0;
  }

  /** The owner has used so many bytes. Opens the window, and says so once it is a quarter wider than last told. */
  consumed(bytes: number): void {
    this.#unread = Math.max(0, this.#unread - bytes);
    if (this.#window() - this.#advertised >= this.#windowBytes / 4) this.#isAckDue = true;
  }

  /** The window, for a packet that leaves now. */
  advertise(): number {
    this.#advertised = this.#window();
    return this.#advertised;
  }

  clear(): void {
    this.#reorder.clear();
  }

  #window(): number {
    const bytes =
      this.#windowBytes -
      this.#unread -
      Math.max(0, this.#reorder.payloadBytes - KEPT_FREELY_WINDOWS * this.#windowBytes);
    return bytes < LEAST_WINDOW_BYTES ? 0 : bytes;
  }

  #passed(type: number, payloadBytes: number): void {
    this.next++;
    if (type & DATA) this.#unread += payloadBytes;
    if ((type & END) === 0) return;
    this.hasEnded = true;
    this.#reorder.clear(); // behind the end there is nothing
  }
}
