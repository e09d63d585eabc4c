/** A step that the store keeps, and what stands beside it. */
import { type Body, decodeBody } from "./contents.ts";
import { recordOf } from "./rules.ts";
import type { OpName, Script } from "./script.ts";
import type { Store } from "./store.ts";
import { decodeTransaction, type Transaction } from "./transaction.ts";

export interface KeptStep {
  readonly transaction: Transaction;
  readonly script: Script;
  /** Null when it has none, that is not here, or it is none of the form that bodies have. */
  readonly body: Body | null;
}

/** `bytes`: of a transaction of this version, as the store gives them. */
export function readStep(store: Store, bytes: Uint8Array): KeptStep {
  const transaction = decodeTransaction(bytes) as Transaction;
  const { outputs, bodyHash } = transaction;
  const { script } = outputs[0]!;
  const body = bodyHash && store.body(recordOf(script)!, bodyHash);
  return { transaction, script, body: body && decodeBody(body) };
}

/** The newest step of an op whose body says what is so now; null when there is none. */
export function newestStep(store: Store, record: Uint8Array, op: OpName): KeptStep | null {
  const bytes = store.latest(record, op);
  return bytes ? readStep(store, bytes) : null;
}
