import { formatAddress } from "../../../src/base/address.ts";
import type { Fate, Flight } from "./flight.ts";

/** A running hash over every datagram's end: when, what became of it, from where, to where, and its bytes. */
export class TraceHash {
  #state = 0;

  /** Give it to an internet: `internet.carrier.observer = hash.observe`. */
  readonly observe = (now: number, fate: Fate, { from, to, datagram }: Flight): void => {
    const line = `${now} ${fate} ${formatAddress(from)} ${formatAddress(to)} ${datagram.length}`;
    this.#state = Bun.hash.xxHash32(datagram, Bun.hash.xxHash32(line, this.#state));
  };

  get digest(): string {
    return this.#state.toString(16).padStart(8, "0");
  }
}
