/**
 * Checks a store from its first transaction on, with nothing but itself: every one is judged again, and all that the store answers by has
 * to follow from them. Nothing is changed.
 */
import type { Database } from "bun:sqlite";
import { sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { type Ahead, NOTHING_AHEAD } from "./ahead.ts";
import { Store } from "./store.ts";
import { decodeTransaction } from "./transaction.ts";
import { decodeFork, decodeStatement } from "./witness.ts";

/** What is wrong, and where: a table's name, and what it is about. */
export interface Flaw {
  readonly table: string;
  readonly what: string;
}

/** What follows from the transactions and statements: the columns that do, and those that the rows are ordered by. */
const DERIVED = {
  // Which of those that do not stand were tried is no matter, nor in which order all came.
  transactions: ["id, record, height, kind, stands = 1 AS stands, parent, body", "id"],
  records: ["id, name, is_dnet, lock, begun_by, head, height, epoch, is_closed, range, key, digest", "id"],
  slots: ["*", "dnet, slot, since"],
  attachments: ["*", "dnet, ovx, since"],
  authorisations: ["*", "ovx, dnet, since"],
  settings: ["*", "record, op, since"],
  ever_attached: ["*", "dnet, ovx, step"],
  ovx_keys: ["*", "ovx, key, step"],
  statements: ["transaction_id, ovx, record, block, bytes", "transaction_id, ovx"],
  forked_clouds: ["ovx", "ovx"],
} as const;
/** Of a store that an owner has filled with branches; what is not settled by then is a flaw. */
const MAX_ROUNDS = 100;
/** More says no more. */
const MAX_FLAWS = 100;
/** So many are judged in one step of the database. */
const BATCH = 500;

/**
 * `empty` is a database with nothing in it, in memory, where the store is built anew. `progress` is told of each transaction.
 * `ahead` verifies signatures before they are looked at.
 */
export function verifyStore(
  database: Database,
  empty: Database,
  progress = (_done: number, _all: number) => {},
  ahead: Ahead = NOTHING_AHEAD,
): Flaw[] {
  const flaws: Flaw[] = [];
  const note = (table: string, what: string) => {
    if (flaws.length < MAX_FLAWS) flaws.push({ table, what });
  };
  const rebuilt = new Store(empty, undefined, ahead, false);
  replay(database, rebuilt, note, progress);
  for (const [table, [columns, order]] of Object.entries(DERIVED)) {
    const sql = `SELECT ${columns} FROM ${table} ORDER BY ${order}`;
    compareRows(table, database.query(sql).iterate() as Rows, empty.query(sql).iterate() as Rows, note);
  }
  const ofRecord = database.query("SELECT 1 FROM transactions WHERE record = ?");
  for (const { record, hash, bytes } of database.query("SELECT * FROM bodies").iterate() as IterableIterator<Body>) {
    if (!sameBytes(sha256(bytes), hash)) note("bodies", `${hash.toHex()} is not the hash of its body`);
    if (!ofRecord.get(record)) note("bodies", `${hash.toHex()} is of no record that is here`);
  }
  return flaws;
}

interface Kept {
  readonly name: string;
  readonly table: string;
  /** Null for what is none. */
  readonly transaction: Uint8Array | null;
  readonly tell: () => { status: string; why?: string };
}

/**
 * All that is here once more. Where two spend the same, it takes several rounds: a statement that comes last may decide for the other, and
 * then what was refused before may hold, and the reverse.
 */
function replay(database: Database, rebuilt: Store, note: Note, progress: (done: number, all: number) => void): void {
  const { count } = database.query("SELECT COUNT(*) AS count FROM transactions").get() as { readonly count: number };
  const hasLosers = database.query("SELECT 1 FROM transactions WHERE stands <> 1 LIMIT 1").get() !== null;
  let refused: (Kept & { why: string })[];
  for (let isNew = true, round = 0; isNew; round++) {
    [isNew, refused] = [false, []];
    let done = 0;
    const judgeOne = (each: Kept) => {
      if (round === 0) progress(Math.min(++done, count), count);
      const { status, why = "" } = each.tell();
      if (status === "refused") refused.push({ ...each, why });
      else if (status !== "known" && hasLosers && round < MAX_ROUNDS) isNew = true;
    };
    for (const batch of batches(everything(database, rebuilt, round === 0 ? note : () => {}))) {
      const transactions = batch.flatMap(({ transaction }) => transaction ?? []);
      rebuilt.inBulk(transactions, () => rebuilt.atomically(() => batch.forEach(judgeOne)));
    }
  }
  for (const { table, name, why } of refused!) note(table, `${name} is refused: ${why}`);
}

function* batches(all: Iterable<Kept>): Generator<Kept[]> {
  let batch: Kept[] = [];
  for (const each of all) {
    if (batch.push(each) < BATCH) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** Transactions, each after what it spends, and then what clouds said of them. */
function* everything(database: Database, rebuilt: Store, note: Note): Generator<Kept> {
  const bodies = database.query("SELECT bytes FROM bodies WHERE record = ? AND hash = ?");
  const sql = "SELECT id, record, bytes FROM transactions ORDER BY record, height, kind, id";
  for (const { id, record, bytes } of database.query(sql).iterate() as IterableIterator<{
    id: Uint8Array;
    record: Uint8Array | null;
    bytes: Uint8Array;
  }>) {
    const transaction = decodeTransaction(bytes);
    const name = id.toHex();
    if (!transaction || !sameBytes(transaction.id, id)) {
      note("transactions", `${name} is not what its id says`);
      continue;
    }
    // It was not ahead of its time when it was accepted, so its own time is late enough.
    const [time, hash] = "version" in transaction ? [0, null] : [transaction.time, transaction.bodyHash];
    const tell = () => {
      const body = hash && (bodies.get(record, hash) as { readonly bytes: Uint8Array } | null);
      return rebuilt.accept(time, bytes, body?.bytes ?? null);
    };
    yield { table: "transactions", name, transaction: bytes, tell };
  }
  const statements = database.query("SELECT bytes FROM statements UNION ALL SELECT bytes FROM forked_clouds").iterate();
  for (const { bytes } of statements as IterableIterator<{ bytes: Uint8Array }>) {
    const { block } = decodeStatement(bytes) ?? { block: decodeFork(bytes)?.other };
    const tell = () => rebuilt.acceptStatement(block?.time ?? 0, bytes);
    yield { table: "statements", name: sha256(bytes).toHex(), transaction: null, tell };
  }
}

type Note = (table: string, what: string) => void;
type Body = { readonly record: Uint8Array; readonly hash: Uint8Array; readonly bytes: Uint8Array };
type Rows = IterableIterator<{ readonly [column: string]: unknown }>;

function compareRows(table: string, is: Rows, should: Rows, note: Note): void {
  for (;;) {
    const [a, b] = [is.next(), should.next()];
    if (a.done && b.done) return;
    const [found, wanted] = [a.done ? "nothing" : rowText(a.value), b.done ? "nothing" : rowText(b.value)];
    if (found !== wanted) return note(table, `has ${found} where ${wanted} follows from the transactions`);
  }
}

function rowText(row: { readonly [column: string]: unknown }): string {
  return Object.entries(row)
    .map(([column, value]) => `${column} ${value instanceof Uint8Array ? value.toHex() : String(value)}`)
    .join(", ");
}
