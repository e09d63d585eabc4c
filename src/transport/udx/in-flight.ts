/**
 * The packets from the oldest unacknowledged one (`first`, snd.una) up to the next number to use (`next`, snd.nxt), and what became
 * of each. A packet's facts are in arrays at its number's low bits, its slot: 100,000 packets a second would be as many objects.
 * Two lists run through them: those under way in the order they were sent, and those declared lost in the order of that.
 * Numbers here are not cut to 32 bits: they go on from the first one, so comparing them is plain.
 */
import { assert } from "../../base/assert.ts";

export const UNDER_WAY = 1;
export const SACKED = 2;
export const LOST = 3;

/** Flags: what a packet is, and what happened to it. */
export const IS_END = 1;
export const IS_PROBE = 2;
export const IS_RESENT = 4;
export const IS_APP_LIMITED = 8;

const NONE = -1;
const FIRST_CAPACITY = 16;
/** Numbers under way. Full: nothing new is sent; a receiver need keep no more (§5.1), and 4 MiB are 3,600. */
export const MAX_SPAN = 32_768;

export class InFlight {
  first: number;
  next: number;
  underWay = 0;
  sacked = 0;
  lost = 0;
  /** Heads of the two lists, -1 when empty. */
  oldestSent = NONE;
  firstLost = NONE;

  mask = FIRST_CAPACITY - 1;
  states = new Uint8Array(FIRST_CAPACITY);
  flags = new Uint8Array(FIRST_CAPACITY);
  /** Where the payload is in the stream. */
  starts = new Float64Array(FIRST_CAPACITY);
  lengths = new Uint16Array(FIRST_CAPACITY);
  /** The last time. */
  sentAt = new Float64Array(FIRST_CAPACITY);
  /** What the rate sampler knew then (`rate-sampler.ts`). */
  delivered = new Float64Array(FIRST_CAPACITY);
  deliveredAt = new Float64Array(FIRST_CAPACITY);
  firstSentAt = new Float64Array(FIRST_CAPACITY);

  #newestSent = NONE;
  #lastLost = NONE;
  #before = new Float64Array(FIRST_CAPACITY);
  #after = new Float64Array(FIRST_CAPACITY);
  /** Of a SACKed packet: where the next one that is not may be. */
  #beyond = new Float64Array(FIRST_CAPACITY);

  constructor(seq: number) {
    this.first = seq;
    this.next = seq;
  }

  /** How many numbers are not yet acknowledged in one run, SACKed ones too. */
  get span(): number {
    return this.next - this.first;
  }

  /** A number from the other end, as near to what is under way as its 32 bits allow. */
  unwrap(seq: number): number {
    return this.first + ((seq - this.first) | 0);
  }

  /** Takes the next number for a packet that leaves now, and returns its slot. */
  add(): number {
    if (this.span > this.mask) this.#grow();
    const slot = this.next & this.mask;
    this.states[slot] = UNDER_WAY;
    this.#appendSent(this.next++);
    return slot;
  }

  /** A packet leaves again. */
  resend(seq: number): void {
    this.#unlink(seq);
    this.states[seq & this.mask] = UNDER_WAY;
    this.flags[seq & this.mask]! |= IS_RESENT;
    this.#appendSent(seq);
  }

  lose(seq: number): void {
    this.#unlink(seq);
    this.states[seq & this.mask] = LOST;
    this.lost++;
    this.#before[seq & this.mask] = this.#lastLost;
    this.#after[seq & this.mask] = NONE;
    if (this.#lastLost === NONE) this.firstLost = seq;
    else this.#after[this.#lastLost & this.mask] = seq;
    this.#lastLost = seq;
  }

  sack(seq: number): void {
    this.#unlink(seq);
    this.states[seq & this.mask] = SACKED;
    this.sacked++;
    this.#beyond[seq & this.mask] = seq + 1;
  }

  /** The first packet is done with. Returns whether that is news: not when it was SACKed before. */
  acknowledgeFirst(): boolean {
    const slot = this.first & this.mask;
    const isNews = this.states[slot] !== SACKED;
    this.#unlink(this.first);
    this.states[slot] = 0;
    this.first++;
    return isNews;
  }

  /** The first number from `seq` on that is not SACKED; runs are jumped over, and the next time in fewer jumps. */
  nextUnsacked(seq: number): number {
    while (seq < this.next && this.states[seq & this.mask] === SACKED) {
      const to = this.#beyond[seq & this.mask]!;
      const further = to < this.next && this.states[to & this.mask] === SACKED ? this.#beyond[to & this.mask]! : to;
      this.#beyond[seq & this.mask] = further;
      seq = further;
    }
    return seq;
  }

  /** Who was sent after `seq`; -1 when nobody was. */
  sentAfter(seq: number): number {
    return this.#after[seq & this.mask]!;
  }

  #appendSent(seq: number): void {
    this.underWay++;
    this.#before[seq & this.mask] = this.#newestSent;
    this.#after[seq & this.mask] = NONE;
    if (this.#newestSent === NONE) this.oldestSent = seq;
    else this.#after[this.#newestSent & this.mask] = seq;
    this.#newestSent = seq;
  }

  /** Takes it off its list. */
  #unlink(seq: number): void {
    const slot = seq & this.mask;
    const state = this.states[slot]!;
    if (state === SACKED) {
      this.sacked--;
      return;
    }
    const before = this.#before[slot]!;
    const after = this.#after[slot]!;
    if (before !== NONE) this.#after[before & this.mask] = after;
    if (after !== NONE) this.#before[after & this.mask] = before;
    if (state === UNDER_WAY) {
      this.underWay--;
      if (before === NONE) this.oldestSent = after;
      if (after === NONE) this.#newestSent = before;
    } else {
      this.lost--;
      if (before === NONE) this.firstLost = after;
      if (after === NONE) this.#lastLost = before;
    }
  }

  #grow(): void {
    assert(this.span < MAX_SPAN, "no more numbers are under way than the bound");
    const capacity = 2 * (this.mask + 1);
    const wider = <Values extends Uint8Array | Uint16Array | Float64Array>(values: Values, into: Values): Values => {
      for (let seq = this.first; seq < this.next; seq++) into[seq & (capacity - 1)] = values[seq & this.mask]!;
      return into;
    };
    this.states = wider(this.states, new Uint8Array(capacity));
    this.flags = wider(this.flags, new Uint8Array(capacity));
    this.lengths = wider(this.lengths, new Uint16Array(capacity));
    this.starts = wider(this.starts, new Float64Array(capacity));
    this.sentAt = wider(this.sentAt, new Float64Array(capacity));
    this.delivered = wider(this.delivered, new Float64Array(capacity));
    this.deliveredAt = wider(this.deliveredAt, new Float64Array(capacity));
    this.firstSentAt = wider(this.firstSentAt, new Float64Array(capacity));
    this.#before = wider(this.#before, new Float64Array(capacity));
    this.#after = wider(this.#after, new Float64Array(capacity));
    this.#beyond = wider(this.#beyond, new Float64Array(capacity));
    this.mask = capacity - 1;
  }
}
