/**
 * Signatures cost about half of what it takes to store a transaction, and need nothing but its bytes. So while many are
 * judged, one after another, something else may verify those that come next, as Bitcoin Core's signature cache has them
 * verified before the block comes. What follows never depends on it: whatever it has not found good is verified by the rules.
 */
import type { Transaction } from "./transaction.ts";

export interface Ahead {
  /** These are judged from now on, in about this order. What was to be judged before no longer is. */
  begin(transactions: readonly Uint8Array[]): void;
  /**
   * Said once of each, as its turn comes: whether every one of its signatures, these very bytes under this id, was found to
   * be its key's.
   */
  take(transaction: Transaction): boolean;
  /** None of them is judged any more. */
  end(): void;
}

export const NOTHING_AHEAD: Ahead = { begin() {}, take: () => false, end() {} };
