/**
 * That a cloud has accepted a transaction, for who has nothing but the cloud's key (light verification): a statement of the
 * cloud about that transaction, or about one that follows from it, and then those between them, as each names the one that it
 * spends by its hash. As text it is JSON of one form, any other is refused:
 *   {"schema": "dnet.proof/1", "key": the cloud's, z-base-32, "statement": hex, "transactions": [hex, ...]}
 * The first transaction is what is proved; the statement names the last.
 */

import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { parseJsonObject } from "../../base/json.ts";
import { formatPublicKey } from "../../base/public-key.ts";
import type { Store } from "./store.ts";
import { decodeTransaction, encodeTransaction, isSignedBy, type Transaction } from "./transaction.ts";
import { decodeStatement, encodeStatement, type Statement } from "./witness.ts";

const SCHEMA = "dnet.proof/1";
/** A statement may be so many steps later; a cloud itself needs none. */
const MAX_TRANSACTIONS = 4_096;
/** 4,096 transactions of 4,096 bytes in hex, and the rest. */
export const MAX_PROOF_TEXT = 1 << 26;

export interface Proof {
  readonly statement: Statement;
  /** Each spends the one before it; one at least. */
  readonly transactions: readonly Transaction[];
}

/** By what is here, of that cloud or of any; null when there is nothing to prove it by. `transaction`: one that stands. */
export function prove(
  store: Store,
  record: Uint8Array,
  transaction: Uint8Array,
  cloud: Uint8Array | null,
): Proof | null {
  const statementAbout = statements(store, record, cloud);
  const path: Transaction[] = [];
  for (const bytes of store.transactionsOf(record)) {
    const step = decodeTransaction(bytes) as Transaction;
    const { id, input } = step;
    const last = path.at(-1);
    // Past a join, which nothing follows; what follows another step spends its first output.
    const isNext = last ? input?.output === 0 && sameBytes(input.transaction, last.id) : sameBytes(id, transaction);
    if (!isNext) continue;
    path.push(step);
    const statement = statementAbout(id);
    if (statement) return { statement, transactions: path };
    if (path.length === MAX_TRANSACTIONS) break;
  }
  return null;
}

export function encodeProof({ statement, transactions }: Proof): string {
  const document = {
    schema: SCHEMA,
    key: formatPublicKey(statement.block.key),
    statement: encodeStatement(statement).toHex(),
    transactions: transactions.map((each) => encodeTransaction(each).toHex()),
  };
  return `${JSON.stringify(document)}\n`;
}

/** Throws DnetError, which says why, for anything that proves nothing. Whose key it is, its reader has to know. */
export function decodeProof(text: string): Proof {
  const { statement: said, transactions: rows } = parse(text);
  const statement = decodeStatement(said);
  if (!statement)
    throw noProof("the cloud's block does not bear out the transaction, or its key has not signed the block");
  const transactions = rows.map((bytes, i) => decodeSigned(bytes, `transaction ${i + 1}`));
  for (const [i, { input }] of transactions.entries()) {
    const before = transactions[i - 1];
    if (before && !(input && sameBytes(input.transaction, before.id))) {
      throw noProof(`transaction ${i + 1} does not follow from the one before it`);
    }
  }
  if (!sameBytes(transactions.at(-1)!.id, statement.transaction)) {
    throw noProof("the cloud's statement is about another transaction");
  }
  const proof = { statement, transactions };
  if (encodeProof(proof) !== (text.endsWith("\n") ? text : `${text}\n`)) {
    throw noProof("it names another key than the block's, or is written in another form than dnet db prove writes");
  }
  return proof;
}

/** Of clouds that this machine is, from their own logs; else what is kept of what clouds said. */
function statements(
  store: Store,
  record: Uint8Array,
  cloud: Uint8Array | null,
): (transaction: Uint8Array) => Statement | null {
  const isWanted = (ovx: Uint8Array) => cloud === null || sameBytes(ovx, cloud);
  const own = store.state.records("ovx").filter(({ id }) => isWanted(id) && store.log.size(id) > 0);
  const kept = store.statementsOf(record, 0).flatMap(({ bytes }) => decodeStatement(bytes) ?? []);
  const others = kept.filter(({ block }) => isWanted(block.ovx));
  return (id) => {
    const proved = own.map(({ id: ovx }) => store.log.prove(ovx, id)).find((each) => each !== null);
    return proved ?? others.find(({ transaction }) => sameBytes(transaction, id)) ?? null;
  };
}

function parse(text: string): { readonly statement: Uint8Array; readonly transactions: readonly Uint8Array[] } {
  const document = text.length <= MAX_PROOF_TEXT ? parseJsonObject(text) : null;
  const { schema, statement, transactions } = document ?? {};
  if (schema !== SCHEMA) throw noProof(`it is none of the schema ${SCHEMA}`);
  if (!isHex(statement)) throw noProof("its statement is not in hex");
  const isList = Array.isArray(transactions) && transactions.length > 0 && transactions.length <= MAX_TRANSACTIONS;
  if (!isList || !transactions.every(isHex)) {
    throw noProof(`it has no list of 1 to ${MAX_TRANSACTIONS} transactions in hex`);
  }
  return {
    statement: Uint8Array.fromHex(statement),
    transactions: transactions.map((each) => Uint8Array.fromHex(each)),
  };
}

function decodeSigned(bytes: Uint8Array, what: string): Transaction {
  const transaction = decodeTransaction(bytes);
  if (!transaction || "version" in transaction) throw noProof(`${what} is not in the form that transactions have`);
  const { signatures } = transaction;
  if (signatures.length === 0) throw noProof(`nobody has signed ${what}`);
  if (signatures.every((signature) => isSignedBy(transaction, signature))) return transaction;
  throw noProof(`a signature of ${what} is not its key's`);
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && value.length % 2 === 0 && /^[0-9a-f]*$/.test(value);
}

function noProof(why: string): DnetError {
  return new DnetError("PROOF_REFUSED", `this proves nothing: ${why}`, {
    hint: "have it made again: dnet db prove, on a machine that has the records",
  });
}
