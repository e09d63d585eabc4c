/** Waiting for several descriptors at once. Source: poll(2); constants from asm-generic/poll.h. */
import { EINTR, errno, libc, Memory, SyscallError } from "./libc.ts";

export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;
export const POLLNVAL = 0x020;

const POLLFD_BYTES = 8; // struct pollfd: fd i32, events i16, revents i16

/** A fixed table of descriptors; a slot is one's index in it. */
export class Poller {
  readonly #memory: Memory;
  readonly #words: Int32Array; // a slot's descriptor is at 2 × slot
  readonly #events: Int16Array; // its events are at 4 × slot + 2, and what is ready after them
  readonly #poll = libc().poll;
  #used = 0;

  constructor(readonly capacity: number) {
    this.#memory = new Memory(capacity * POLLFD_BYTES);
    this.#words = new Int32Array(this.#memory.buffer);
    this.#events = new Int16Array(this.#memory.buffer);
    for (let slot = 0; slot < capacity; slot++) this.remove(slot);
  }

  /** Takes a free slot for `fd`, to be woken by `events` (and always by POLLERR, POLLHUP and POLLNVAL). */
  add(fd: number, events: number): number {
    let slot = 0;
    while (slot < this.#used && this.#words[2 * slot] !== -1) slot++;
    if (slot === this.capacity) throw new RangeError(`this poller holds ${this.capacity} descriptors`);
    this.#used = Math.max(this.#used, slot + 1);
    this.#words[2 * slot] = fd;
    this.setEvents(slot, events);
    return slot;
  }

  remove(slot: number): void {
    this.#words[2 * slot] = -1; // poll skips a negative descriptor
    this.setEvents(slot, 0);
  }

  setEvents(slot: number, events: number): void {
    this.#events[4 * slot + 2] = events;
    this.#events[4 * slot + 3] = 0;
  }

  /**
   * Blocks until a descriptor is ready or `timeoutMs` is over (rounded up to whole milliseconds; Infinity waits for
   * ever, 0 or less looks once). Returns how many are ready: 0 also when a signal came first.
   */
  wait(timeoutMs: number): number {
    const ms = timeoutMs === Infinity ? -1 : Math.min(Math.max(0, Math.ceil(timeoutMs)), 0x7fffffff);
    const count = this.#poll(this.#memory.address, this.#used, ms);
    if (count >= 0) return count;
    const number = errno();
    if (number !== EINTR) throw new SyscallError("poll", number);
    for (let slot = 0; slot < this.#used; slot++) this.#events[4 * slot + 3] = 0;
    return 0;
  }

  /** What the last `wait` found for the slot: POLLIN and the like, or 0. */
  ready(slot: number): number {
    return this.#events[4 * slot + 3]!;
  }
}
