/**
 * Verifies signatures on a second core. The thread that judges never waits for it: it takes what was found good by then, and
 * verifies the others itself, so that a Worker that is late, or gone, costs time and nothing else.
 */
import { Worker } from "node:worker_threads";
import type { Ahead } from "../../overlay/dnetdb/ahead.ts";
import type { Transaction } from "../../overlay/dnetdb/transaction.ts";
import { VERIFY_WORKER } from "../workers.ts";
import { encodeBatch } from "./batch.ts";
import { VerifiedTable } from "./table.ts";

/** Fewer are done before the Worker has woken up. */
const LEAST_IN_BATCH = 8;
/** So many are judged before it is started, which takes as long: a command that writes a few steps never does. */
const STARTED_AFTER = 500;

export class VerifyAhead implements Ahead {
  readonly #table = new VerifiedTable();
  #worker: Worker | null = null;
  #isOver = false;
  /** Of which a batch was told. */
  #expected = 0;
  /** The batch that was sent last. */
  #sent = 0;

  begin(transactions: readonly Uint8Array[]): void {
    this.#table.batch = 0;
    this.#expected += transactions.length;
    if (this.#isOver || this.#expected < STARTED_AFTER || transactions.length < LEAST_IN_BATCH) return;
    this.#worker ??= this.#start();
    // It has not even looked at the last one: further ones would only wait in memory.
    if (this.#table.begun < this.#sent) return;
    const batch = encodeBatch(this.#sent + 1, transactions);
    this.#sent = this.#table.batch = batch.number;
    this.#worker.postMessage(batch, [batch.bytes.buffer as ArrayBuffer]);
  }

  take(transaction: Transaction): boolean {
    const { batch } = this.#table;
    if (batch === 0) return false;
    this.#table.countJudged();
    return transaction.signatures.every((signature) => this.#table.has(batch, transaction.id, signature));
  }

  end(): void {
    this.#table.batch = 0;
  }

  close(): void {
    this.#isOver = true;
    this.end();
    this.#worker?.terminate();
    this.#worker = null;
  }

  #start(): Worker {
    const worker = new Worker(VERIFY_WORKER, { workerData: this.#table.shared });
    worker.on("error", () => this.close());
    worker.unref();
    return worker;
  }
}
