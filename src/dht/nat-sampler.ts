/**
 * What others see of our address, by majority: the public host and port, the host alone when each peer sees another port, or
 * nothing. Source: nat-sampler 1 index.js; specification §4.3.
 */
import { type Address, sameAddress } from "../base/address.ts";

const RING = 16;
/** How far back a sample looks for one that is equal. */
const LOOK_BACK = 4;

interface Tally {
  readonly address: Address;
  hits: number;
}

interface Sample {
  readonly full: Tally;
  readonly host: Tally;
}

export class NatSampler {
  /** Null until enough samples agree. */
  host: string | null = null;
  /** 0 while the port is unknown, or differs from peer to peer. */
  port = 0;
  #samples: Sample[] = [];
  #next = 0; // the oldest sample, once the ring is full
  #bestFull: Tally | null = null;
  #bestHost: Tally | null = null;

  get size(): number {
    return this.#samples.length;
  }

  /** One more peer says that it sees us at `address`. Returns whether host or port changed. */
  add(address: Address): boolean {
    const full = this.#tally(
      (sample) => sample.full,
      (known) => sameAddress(known, address),
      address,
    );
    const host = this.#tally(
      (sample) => sample.host,
      (known) => known.host === address.host,
      address,
    );
    this.#keep({ full, host });
    if (!this.#bestFull || full.hits > this.#bestFull.hits) this.#bestFull = full;
    if (!this.#bestHost || host.hits > this.#bestHost.hits) this.#bestHost = host;

    const before = { host: this.host, port: this.port };
    const needed = threshold(this.#samples.length);
    this.host = this.#bestHost.hits >= needed ? this.#bestHost.address.host : null;
    this.port = 0;
    if (this.#bestFull.hits >= needed) ({ host: this.host, port: this.port } = this.#bestFull.address);
    return this.host !== before.host || this.port !== before.port;
  }

  /** Counts a hit for the tally that a recent sample has for the same thing, or a new one. */
  #tally(of: (sample: Sample) => Tally, isSame: (known: Address) => boolean, address: Address): Tally {
    const length = this.#samples.length;
    const newest = length < RING ? length : this.#next;
    for (let back = 1; back <= Math.min(LOOK_BACK, length); back++) {
      const tally = of(this.#samples[(newest - back + length) % length]!);
      if (!isSame(tally.address)) continue;
      tally.hits++;
      return tally;
    }
    return { address, hits: 1 };
  }

  #keep(sample: Sample): void {
    if (this.#samples.length < RING) {
      this.#samples.push(sample);
      return;
    }
    const oldest = this.#samples[this.#next]!;
    oldest.full.hits--;
    oldest.host.hits--;
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % RING;
  }
}

/** How many of `samples` must agree: all of up to 3, and then ever more may not. */
function threshold(samples: number): number {
  return samples - (samples < 4 ? 0 : samples < 8 ? 1 : samples < 12 ? 2 : 3);
}
