/**
 * Steps for which there was no room beside what stands, and those that follow them: in memory, until a cloud speaks for one. Without
 * them whoever has a record's key could fill that room first, and keep from a replica what the clouds have witnessed.
 */
import { BoundedMap } from "../../base/bounded-map.ts";
import type { KnownOutput } from "./rules.ts";
import type { OutputReference, Transaction } from "./transaction.ts";

/** Of at most 4,096 bytes each, in all records. Full: that of the longest ago goes; whoever has it is asked for it again. */
const MAX_WAITING = 4_096;

export interface WaitingStep {
  readonly transaction: Transaction;
  readonly bytes: Uint8Array;
}

export class Waiting {
  readonly #steps = new BoundedMap<string, WaitingStep>(MAX_WAITING);

  has(id: Uint8Array): boolean {
    return this.#steps.has(id.toHex());
  }

  /** It has no room, or follows one that has none. */
  add(transaction: Transaction, bytes: Uint8Array): void {
    this.#steps.set(transaction.id.toHex(), { transaction, bytes: bytes.slice() });
  }

  /** Null when what has it does not wait. */
  output({ transaction: id, output }: OutputReference): KnownOutput | null {
    const { transaction } = this.#steps.get(id.toHex()) ?? {};
    const script = transaction?.outputs[output]?.script;
    return script ? { script, time: transaction!.time, spentBy: null } : null;
  }

  /** It, after all that it follows and that waits; empty when it does not wait. */
  branchOf(id: Uint8Array): WaitingStep[] {
    const branch: WaitingStep[] = [];
    for (let at = this.#steps.get(id.toHex()); at; at = this.#steps.get(at.transaction.input!.transaction.toHex())) {
      branch.unshift(at);
    }
    return branch;
  }

  delete(id: Uint8Array): void {
    this.#steps.delete(id.toHex());
  }
}
