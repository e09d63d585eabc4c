/**
 * Transactions on their way to the verifying thread, and what it does with them.
 *   batch  each transaction's length u16 LE ‖ its bytes
 */
import { decodeTransaction, isSignedBy, MAX_TRANSACTION_BYTES } from "../../overlay/dnetdb/transaction.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import type { VerifiedTable } from "./table.ts";

export interface Batch {
  /** From 1 on. */
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** What is too long for a transaction goes as none: it keeps its place. */
export function encodeBatch(number: number, transactions: readonly Uint8Array[]): Batch {
  const w = new Writer();
  for (const bytes of transactions) {
    if (bytes.length > MAX_TRANSACTION_BYTES) w.u16(0);
    else w.u16(bytes.length).fixed(bytes);
  }
  return { number, bytes: w.finish() };
}

/**
 * How far ahead of what is judged it begins, also when it was overtaken: nearer, it would soon be overtaken again, and verify what
 * the other has begun to (both threads: 105 µs of CPU each transaction, 116 with none).
 */
export const LEAD = 8;

/**
 * Always ahead of what is being judged: until the end, or until nothing of it is judged any more. So a peer that sends what is
 * never judged costs no more of this thread's time than of the other's.
 */
export function verifyBatch(table: VerifiedTable, { number, bytes }: Batch): void {
  table.begun = number;
  const r = new Reader(bytes);
  let from = 0;
  for (let at = 0; r.remaining > 0 && table.batch === number; at++) {
    const transaction = r.fixed(r.u16());
    if (at < table.judged) from = table.judged + LEAD;
    if (at >= from) verifyOne(table, number, transaction);
  }
}

function verifyOne(table: VerifiedTable, batch: number, bytes: Uint8Array): void {
  const transaction = decodeTransaction(bytes);
  if (!transaction || "version" in transaction) return;
  for (const signature of transaction.signatures) {
    if (!isSignedBy(transaction, signature)) return; // whoever judges it finds that, too
    table.put(batch, transaction.id, signature);
  }
}
