/**
 * Verifies signatures on a second core. The thread that judges never waits for it: it takes what was found good by then, and
 * verifies the others itself, so that a Worker that is late, or gone, costs time and nothing else.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Ahead } from "../../overlay/dnetdb/ahead.ts";
import type { Transaction } from "../../overlay/dnetdb/transaction.ts";
import { VERIFY_WORKER } from "../workers.ts";
import { encodeBatch } from "./batch.ts";
import { VerifiedTable } from "./table.ts";

/** Fewer are done before the Worker has woken up. */
const LEAST_IN_BATCH = 8;
/** So many are judged before it is started, which takes 18 ms: a command that writes a few steps never does. */
const STARTED_AFTER = 500;
/** Without a batch; it holds some 20 MB. */
const IDLE_MS = 10_000;

/** What is asked of a Worker. */
export type VerifyingThread = Pick<Worker, "postMessage" | "terminate" | "on" | "unref">;

export class VerifyAhead implements Ahead {
  #table = new VerifiedTable();
  readonly #startThread: (shared: SharedArrayBuffer) => VerifyingThread | null;
  #worker: VerifyingThread | null = null;
  #idle: ReturnType<typeof setTimeout> | null = null;
  #isOver = false;
  /** In batches, since the Worker was last stopped. */
  #expected = 0;
  /** The batch that was sent last. */
  #sent = 0;

  /** `startThread`: it is given the memory of a `VerifiedTable`, and sent a `Batch` each time; null where there shall be none. */
  constructor(startThread: (shared: SharedArrayBuffer) => VerifyingThread | null = startWorker) {
    this.#startThread = startThread;
  }

  begin(transactions: readonly Uint8Array[]): void {
    this.#table.batch = 0;
    if (this.#isOver || transactions.length < LEAST_IN_BATCH) return;
    this.#expected += transactions.length;
    if (this.#expected < STARTED_AFTER) return;
    this.#worker ??= this.#start();
    if (!this.#worker) return this.close();
    // Full: it has not even looked at the last one, and further ones would only wait in memory.
    if (this.#table.begun < this.#sent) return;
    const batch = encodeBatch(this.#sent + 1, transactions);
    this.#sent = this.#table.batch = batch.number;
    this.#worker.postMessage(batch, [batch.bytes.buffer as ArrayBuffer]);
    this.#idle?.refresh();
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

  /** From now on nothing is verified ahead. */
  close(): void {
    this.#isOver = true;
    this.#stop();
  }

  #start(): VerifyingThread | null {
    const worker = this.#startThread(this.#table.shared);
    if (!worker) return null;
    worker.on("error", () => this.close());
    worker.unref();
    this.#idle = setTimeout(() => this.#stop(), IDLE_MS);
    this.#idle.unref();
    return worker;
  }

  #stop(): void {
    this.end();
    if (this.#idle) clearTimeout(this.#idle);
    this.#worker?.terminate();
    [this.#worker, this.#expected, this.#sent] = [null, 0, 0];
    this.#table = new VerifiedTable(); // it may still write to the other, where the next one must be alone
  }
}

/** None on a single core, of which the two would only take turns. */
function startWorker(shared: SharedArrayBuffer): Worker | null {
  return availableParallelism() > 1 ? new Worker(VERIFY_WORKER, { workerData: shared }) : null;
}
