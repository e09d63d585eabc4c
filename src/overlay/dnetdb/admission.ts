/**
 * How much a replica keeps for others. Signatures cost nothing to make, so nothing but these bounds keeps strangers from
 * filling a disk. Full: what is here goes on to be kept up to date within its own bound, and what is new is refused; it is
 * asked for again when it next changes.
 */
import { BoundedMap } from "../../base/bounded-map.ts";
import type { Lock } from "./lock.ts";
import type { Store } from "./store.ts";

export interface Limits {
  readonly records: number;
  /** That came by one peer, since this machine started. */
  readonly recordsPerPeer: number;
  /** That one lock has begun. Whoever makes more keys meets the bound of the peer that passes them on. */
  readonly recordsPerLock: number;
  /** Of transactions, bodies and statements. */
  readonly recordBytes: number;
  readonly totalBytes: number;
}

/** A dnet of 1,000 members with 10 changes each takes about 5 MiB. */
export const DEFAULT_LIMITS: Limits = {
  records: 100_000,
  recordsPerPeer: 20_000,
  recordsPerLock: 256,
  recordBytes: 64 << 20,
  totalBytes: 8 * 2 ** 30,
};
/** Peers whose records are counted. Full: whoever brought none for the longest time is counted anew. */
const MAX_PEERS = 4_096;
/** Full: that of the longest ago waits until its record changes. */
const MAX_BODILESS = 1_024;

export class Admission {
  readonly limits: Limits;
  /** Records that lack a body which says what is so now: whoever has it is asked. */
  readonly bodiless = new BoundedMap<string, Uint8Array>(MAX_BODILESS);
  readonly #store: Store;
  readonly #admits: (record: Uint8Array) => boolean;
  readonly #brought = new BoundedMap<string, number>(MAX_PEERS);
  #records: number;
  #bytes: number;

  /** `admits`: which records this machine is here for. */
  constructor(store: Store, limits: Partial<Limits> = {}, admits: (record: Uint8Array) => boolean = () => true) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#store = store;
    this.#admits = admits;
    ({ records: this.#records, bytes: this.#bytes } = store.usage());
  }

  admits(record: Uint8Array): boolean {
    return this.#admits(record);
  }

  /** Whether a record of that lock may begin here; `peer` names who brings it. */
  mayBegin(peer: string, lock: Lock): boolean {
    const { records, recordsPerPeer, recordsPerLock } = this.limits;
    const isRoom = this.#records < records && (this.#brought.get(peer) ?? 0) < recordsPerPeer;
    return isRoom && this.#store.recordsBegunBy(lock) < recordsPerLock;
  }

  /** Whether a record of so many bytes may take so many more. */
  mayGrow(bytes: number, more: number): boolean {
    const { recordBytes, totalBytes } = this.limits;
    return bytes + more <= recordBytes && this.#bytes + more <= totalBytes;
  }

  noteBegin(peer: string): void {
    this.#records++;
    this.#brought.set(peer, (this.#brought.get(peer) ?? 0) + 1);
  }

  noteGrowth(bytes: number): void {
    this.#bytes += bytes;
  }
}
