/** The Worker that verifies signatures ahead of the thread that judges transactions. It is sent batches, and given the table. */
import { parentPort, workerData } from "node:worker_threads";
import { type Batch, verifyBatch } from "./batch.ts";
import { VerifiedTable } from "./table.ts";

const table = new VerifiedTable(workerData as SharedArrayBuffer);
parentPort!.on("message", (batch: Batch) => verifyBatch(table, batch));
