/** How much the other end would still take, from the newest packet that said so. Source: udx-wire.md §11, §7.2. */
import { DEFAULT_WINDOW_BYTES } from "./receiver.ts";

export class PeerWindow {
  bytes = DEFAULT_WINDOW_BYTES; // until it says something
  /** Of the packet that said it: its number, and what it acknowledged. */
  #seq = 0;
  #ack: number;

  /** `ack` is our first number. */
  constructor(ack: number) {
    this.#ack = ack;
  }

  get isClosed(): boolean {
    return this.bytes === 0;
  }

  /** The other end's first number is known. */
  begin(seq: number): void {
    this.#seq = seq;
  }

  /** Unless a newer packet has said something; packets overtake each other. */
  update(seq: number, ack: number, bytes: number): void {
    if (seq < this.#seq || (seq === this.#seq && ack < this.#ack)) return;
    this.#seq = seq;
    this.#ack = ack;
    this.bytes = bytes;
  }

  /** Counted in packets, and one at least into a window that is open at all. */
  packets(payloadBytes: number): number {
    return this.bytes === 0 ? 0 : Math.max(1, Math.floor(this.bytes / payloadBytes));
  }
}
