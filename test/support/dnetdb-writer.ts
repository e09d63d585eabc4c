/**
 * Accepts transactions into a store and says so, until it is killed: `bun dnetdb-writer.ts FILE SEED FROM`. It goes on with step FROM of
 * the record that SEED makes, and prints the number of each that was accepted, a line each, once it is.
 */
import { writeSync } from "node:fs";
import { openDnetDb } from "../../src/io/dnetdb-file.ts";
import { encodeTransaction } from "../../src/overlay/dnetdb/transaction.ts";
import { stepsOf } from "./dnetdb.ts";

const [file = "", seed = "", from = ""] = process.argv.slice(2);
const { store } = openDnetDb(file);
let at = 0;
for (const { transaction, body } of stepsOf(Number(seed))) {
  if (at++ < Number(from)) continue;
  const verdict = store.accept(transaction.time, encodeTransaction(transaction), body);
  if (verdict.status !== "accepted" && verdict.status !== "known") throw new Error(JSON.stringify(verdict));
  writeSync(1, `${at}\n`);
}
