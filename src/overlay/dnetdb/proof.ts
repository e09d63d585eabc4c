/**
 * That a cloud has accepted a transaction, for who has nothing but the cloud's key (light verification): a statement of the
 * cloud about that transaction, or about one that follows from it, and then those between them, as each names the one that it
 * spends by its hash. As text it is JSON of one form, any other is refused:
 *   {"schema": "dnet.proof/1", "key": the cloud's, z-base-32, "statement": hex, "transactions": [hex, ...],
 *    "earlier": {"block": hex, "path": [hex, ...]}}
 * The first transaction is what is proved; the statement names the last. `earlier` may be left out: a block of the same cloud, and
 * the consistency path (`merkle.ts`) by which the log that the statement is about begins with that block's.
 */

import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { parseJsonObject } from "../../base/json.ts";
import { formatPublicKey } from "../../base/public-key.ts";
import { formatId } from "./ids.ts";
import { HASH_BYTES, isConsistent } from "./merkle.ts";
import type { Store } from "./store.ts";
import { decodeTransaction, encodeTransaction, isSignedBy, type Transaction } from "./transaction.ts";
import {
  type Block,
  canBoth,
  decodeBlock,
  decodeStatement,
  encodeBlock,
  encodeStatement,
  type Statement,
} from "./witness.ts";

const SCHEMA = "dnet.proof/1";
/** A statement may be so many steps later; a cloud itself needs none. */
const MAX_TRANSACTIONS = 4_096;
/** 4,096 transactions of 4,096 bytes in hex, and the rest. */
export const MAX_PROOF_TEXT = 1 << 26;
/** Of a tree of 2^53 leaves: two hashes for each level, at most. */
const MAX_CONSISTENCY = 106;

export interface Proof {
  readonly statement: Statement;
  /** Each spends the one before it; one at least. */
  readonly transactions: readonly Transaction[];
  /** That the cloud has taken nothing back, and changed nothing, since that block; null when nothing is said of it. */
  readonly earlier: Earlier | null;
}

interface Earlier {
  readonly block: Block;
  /** Hashes of 32 bytes. */
  readonly path: readonly Uint8Array[];
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
    if (statement) return { statement, transactions: path, earlier: null };
    if (path.length === MAX_TRANSACTIONS) break;
  }
  return null;
}

/** The same proof, which also says that its log begins with the one of an earlier block. Throws DnetError where that is not so, or not known here. */
export function proveSince(store: Store, proof: Proof, block: Block): Proof {
  const { ovx, size } = proof.statement.block;
  if (!sameBytes(block.ovx, ovx)) {
    throw noConsistency(`the earlier proof is of the cloud ${formatId(block.ovx)}, and this one of ${formatId(ovx)}`);
  }
  const path = store.log.proveConsistency(ovx, block.size, size);
  if (!path) {
    const isElsewhere = store.log.size(ovx) === 0;
    throw noConsistency(
      isElsewhere ? `the log of the cloud ${formatId(ovx)} is not here` : "the earlier proof is of a later block",
    );
  }
  if (!follows(proof.statement.block, { block, path })) {
    throw noConsistency(`the log of the cloud ${formatId(ovx)} does not begin as in block ${block.height}`);
  }
  return { ...proof, earlier: { block, path } };
}

export function encodeProof({ statement, transactions, earlier }: Proof): string {
  const document = {
    schema: SCHEMA,
    key: formatPublicKey(statement.block.key),
    statement: encodeStatement(statement).toHex(),
    transactions: transactions.map((each) => encodeTransaction(each).toHex()),
    ...(earlier && {
      earlier: { block: encodeBlock(earlier.block).toHex(), path: earlier.path.map((hash) => hash.toHex()) },
    }),
  };
  return `${JSON.stringify(document)}\n`;
}

/** Throws DnetError, which says why, for anything that proves nothing. Whose key it is, its reader has to know. */
export function decodeProof(text: string): Proof {
  const { statement: said, transactions: rows, earlier: before } = parse(text);
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
  const earlier = before && decodeEarlier(before);
  if (earlier && !follows(statement.block, earlier)) {
    throw noProof("the cloud's log does not begin as in the earlier block");
  }
  const proof = { statement, transactions, earlier };
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

interface Parsed {
  readonly statement: Uint8Array;
  readonly transactions: readonly Uint8Array[];
  readonly earlier: { readonly block: Uint8Array; readonly path: readonly Uint8Array[] } | null;
}

function parse(text: string): Parsed {
  const document = text.length <= MAX_PROOF_TEXT ? parseJsonObject(text) : null;
  const { schema, statement, transactions, earlier } = document ?? {};
  if (schema !== SCHEMA) throw noProof(`it is none of the schema ${SCHEMA}`);
  if (!isHex(statement)) throw noProof("its statement is not in hex");
  const isList = Array.isArray(transactions) && transactions.length > 0 && transactions.length <= MAX_TRANSACTIONS;
  if (!isList || !transactions.every(isHex)) {
    throw noProof(`it has no list of 1 to ${MAX_TRANSACTIONS} transactions in hex`);
  }
  return {
    statement: Uint8Array.fromHex(statement),
    transactions: transactions.map((each) => Uint8Array.fromHex(each)),
    earlier: earlier === undefined ? null : parseEarlier(earlier),
  };
}

function parseEarlier(value: unknown): NonNullable<Parsed["earlier"]> {
  const { block, path } = (value ?? {}) as { readonly [key: string]: unknown };
  const isPath = Array.isArray(path) && path.length <= MAX_CONSISTENCY && path.every(isHex);
  if (!isHex(block) || !isPath) throw noProof("its earlier block, or the path from there, is not in hex");
  return { block: Uint8Array.fromHex(block), path: path.map((each) => Uint8Array.fromHex(each)) };
}

function decodeEarlier({ block: bytes, path }: NonNullable<Parsed["earlier"]>): Earlier {
  const block = decodeBlock(bytes);
  if (!block) throw noProof("its earlier block is none, or its key has not signed it");
  if (path.some(({ length }) => length !== HASH_BYTES)) throw noProof("its path has what is no hash");
  return { block, path };
}

function follows(block: Block, { block: earlier, path }: Earlier): boolean {
  return sameBytes(block.ovx, earlier.ovx) && canBoth(earlier, block) && isConsistent(earlier, block, path);
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

function noConsistency(why: string): DnetError {
  return new DnetError("NO_CONSISTENCY", `nothing shows that the log has stayed as it was: ${why}`, {
    hint: "on the cloud's own machine, with an earlier proof of the same cloud",
  });
}
