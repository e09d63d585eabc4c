/** Reads one acknowledgement: which packets it shows to have arrived, and what follows for times and order (§5 steps 10 and 11). */
import { HEADER_BYTES, SACK_BLOCK_BYTES, sackBlocksOf, u32 } from "../../wire/udx.ts";
import { type InFlight, IS_PROBE, IS_RESENT } from "./in-flight.ts";
import type { MtuSearch } from "./mtu-search.ts";
import type { Rack } from "./rack.ts";
import type { RoundTrip } from "./round-trip.ts";

const NONE = -1;

export class Arrivals {
  /** How many the last acknowledgement brought. */
  count = 0;
  /** The most recently sent of them, and when it was sent. */
  newest = NONE;
  newestSentAt = -Infinity;
  /** The most recently sent of those sent once: it measures a round trip. -Infinity when there is none (Karn's rule). */
  measuredSentAt = -Infinity;
  /** All of them arrived sooner after they were sent again than a round trip takes: what came was a first copy. */
  wereHasty = false;

  readonly #flight: InFlight;
  readonly #roundTrip: RoundTrip;
  readonly #rack: Rack;
  readonly #mtu: MtuSearch;
  /** One beyond the highest number that arrived so far. */
  #highest = 0;

  constructor(flight: InFlight, roundTrip: RoundTrip, rack: Rack, mtu: MtuSearch) {
    this.#flight = flight;
    this.#roundTrip = roundTrip;
    this.#rack = rack;
    this.#mtu = mtu;
  }

  /** `ack` is at most the next number. */
  read(now: number, ack: number, packet: Uint8Array): void {
    const flight = this.#flight;
    this.count = 0;
    this.newest = NONE;
    this.newestSentAt = this.measuredSentAt = -Infinity;
    this.wereHasty = false;
    while (flight.first < ack) {
      const seq = flight.first;
      if (flight.acknowledgeFirst()) this.#note(now, seq);
    }
    const blocks = sackBlocksOf(packet);
    for (let i = 0; i < blocks; i++) this.#readBlock(now, packet, HEADER_BYTES + i * SACK_BLOCK_BYTES);
  }

  /** A block that nothing we sent could have caused is skipped; the others still count. */
  #readBlock(now: number, packet: Uint8Array, at: number): void {
    const flight = this.#flight;
    const start = flight.unwrap(u32(packet, at));
    const end = flight.unwrap(u32(packet, at + 4));
    if (start >= end || end > flight.next || start < flight.first) return;
    for (let seq = flight.nextUnsacked(start); seq < end; seq = flight.nextUnsacked(seq + 1)) {
      this.#note(now, seq);
      flight.sack(seq);
    }
  }

  #note(now: number, seq: number): void {
    const flight = this.#flight;
    const slot = seq & flight.mask;
    const sentAt = flight.sentAt[slot]!;
    const flags = flight.flags[slot]!;
    const isHasty = (flags & IS_RESENT) !== 0 && now - sentAt < this.#roundTrip.minMs;
    this.count++;
    if (flags & IS_PROBE) this.#mtu.probeArrived();
    if (isHasty) {
      this.#rack.wasHasty();
    } else if ((flags & IS_RESENT) === 0) {
      if (seq < this.#highest) this.#rack.reordered();
      if (sentAt > this.measuredSentAt) this.measuredSentAt = sentAt;
    }
    if (seq >= this.#highest) this.#highest = seq + 1;
    const isNewer = sentAt > this.newestSentAt || (sentAt === this.newestSentAt && seq > this.newest);
    if (this.newest !== NONE && isHasty === this.wereHasty ? !isNewer : isHasty && this.newest !== NONE) return;
    this.newest = seq;
    this.newestSentAt = sentAt;
    this.wereHasty = isHasty;
  }
}
