/**
 * Packets that came before one that is still missing, and the runs of numbers they make: what a SACK tells. Numbers are not cut to 32
 * bits. Differs: the reference keeps whatever comes; here what is too far ahead, or too much, is refused as if it had been lost.
 */

/** Numbers ahead of the missing one. Full: refused; no sender of ours has as many under way. */
const MAX_AHEAD = 65_536;
/** What a packet costs beside its payload: a typed array, an object and an entry of the map. */
const PACKET_BYTES = 256;

export interface Kept {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** What the reorder buffers of all streams hold together. */
export interface ReorderBudget {
  bytesLeft: number;
}

export class ReorderBuffer {
  #packets = new Map<number, Kept>();
  /** Ascending, neither overlapping nor adjacent: starts and ends in turn. */
  #runs: number[] = [];
  #bytes = 0;
  readonly #maxBytes: number;
  readonly #budget: ReorderBudget;

  constructor(maxBytes: number, budget: ReorderBudget) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#packets.size === 0;
  }

  get payloadBytes(): number {
    return this.#bytes - this.#packets.size * PACKET_BYTES;
  }

  /** Starts and ends of runs in turn, lowest first. */
  get runs(): readonly number[] {
    return this.#runs;
  }

  has(seq: number): boolean {
    return this.#packets.has(seq);
  }

  /** Keeps a copy. Returns whether it did; `missing` is the number that is waited for. */
  put(seq: number, missing: number, type: number, payload: Uint8Array): boolean {
    const bytes = payload.length + PACKET_BYTES;
    if (seq - missing >= MAX_AHEAD || this.#bytes + bytes > this.#maxBytes || bytes > this.#budget.bytesLeft)
      return false;
    this.#packets.set(seq, { type, payload: payload.slice() });
    this.#bytes += bytes;
    this.#budget.bytesLeft -= bytes;
    this.#join(seq);
    return true;
  }

  /** Takes the packet of that number, the lowest; null when it is not here. */
  take(seq: number): Kept | null {
    const kept = this.#packets.get(seq);
    if (!kept) return null;
    this.#packets.delete(seq);
    this.#free(kept.payload.length + PACKET_BYTES);
    this.#runs[0] = seq + 1;
    if (this.#runs[0] === this.#runs[1]) this.#runs.splice(0, 2);
    return kept;
  }

  clear(): void {
    this.#free(this.#bytes);
    this.#packets.clear();
    this.#runs = [];
  }

  #free(bytes: number): void {
    this.#bytes -= bytes;
    this.#budget.bytesLeft += bytes;
  }

  #join(seq: number): void {
    const runs = this.#runs;
    let at = runs.length; // where a run that begins at `seq` belongs; most often at the end
    if (at > 0 && runs[at - 2]! > seq) at = this.#firstAfter(seq);
    const joinsBefore = at > 0 && runs[at - 1] === seq;
    const joinsAfter = at < runs.length && runs[at] === seq + 1;
    if (joinsBefore && joinsAfter) runs.splice(at - 1, 2);
    else if (joinsBefore) runs[at - 1] = seq + 1;
    else if (joinsAfter) runs[at] = seq;
    else runs.splice(at, 0, seq, seq + 1);
  }

  /** Where the first run is that begins after `seq`. */
  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#runs.length / 2;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[2 * middle]! > seq) high = middle;
      else low = middle + 1;
    }
    return 2 * low;
  }
}
