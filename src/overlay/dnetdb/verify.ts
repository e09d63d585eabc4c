/**
 * Checks a store from its first transaction on, with nothing but itself: every one is judged again, and all that the store answers by has
 * to follow from them. Nothing is changed.
 */
import type { Database } from "bun:sqlite";
import { sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Store } from "./store.ts";
import { decodeTransaction } from "./transaction.ts";

/** What is wrong, and where: a table's name, and what it is about. */
export interface Flaw {
  readonly table: string;
  readonly what: string;
}

/** What follows from the transactions, each with the columns that its rows are ordered by. */
const DERIVED = {
  outputs: "transaction_id, output",
  mints: "lock, transaction_id",
  records: "id",
  slots: "dnet, slot",
  attachments: "dnet, ovx",
  authorisations: "ovx, dnet",
} as const;
/** More says no more. */
const MAX_FLAWS = 100;

/** `empty` is a database with nothing in it, in memory, where the store is built anew. */
export function verifyStore(database: Database, empty: Database): Flaw[] {
  const flaws: Flaw[] = [];
  const note = (table: string, what: string) => {
    if (flaws.length < MAX_FLAWS) flaws.push({ table, what });
  };
  const rebuilt = new Store(empty);
  const bodies = database.prepare("SELECT bytes FROM bodies WHERE hash = ?");
  const rows = database.query("SELECT id, bytes, record, height FROM transactions ORDER BY sequence").iterate();
  for (const row of rows as IterableIterator<TransactionRow>) {
    const transaction = decodeTransaction(row.bytes);
    const name = row.id.toHex();
    if (!transaction || !sameBytes(transaction.id, row.id)) note("transactions", `${name} is not what its id says`);
    else {
      const isKnown = !("version" in transaction);
      const hash = isKnown ? transaction.bodyHash : null;
      const body = hash && (bodies.get(hash) as { readonly bytes: Uint8Array } | null);
      // It was not ahead of its time when it was accepted, so its own time is late enough.
      const verdict = rebuilt.accept(isKnown ? transaction.time : 0, row.bytes, body?.bytes ?? null);
      if (verdict.status === "refused") note("transactions", `${name} is refused: ${verdict.why}`);
      else comparePlace(row, empty, note);
    }
  }
  for (const [table, order] of Object.entries(DERIVED)) compareTables(table, order, database, empty, note);
  const all = database.query("SELECT hash, bytes FROM bodies").iterate();
  for (const { hash, bytes } of all as IterableIterator<{ hash: Uint8Array; bytes: Uint8Array }>) {
    if (!sameBytes(sha256(bytes), hash)) note("bodies", `${hash.toHex()} is not the hash of its body`);
  }
  return flaws;
}

interface TransactionRow {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly record: Uint8Array | null;
  readonly height: number | null;
}

type Note = (table: string, what: string) => void;

/** Whether it stands where it belongs: in its record, at its height. */
function comparePlace({ id, record, height }: TransactionRow, rebuilt: Database, note: Note): void {
  const row = rebuilt.query("SELECT record, height FROM transactions WHERE id = ?").get(id) as TransactionRow;
  if (textOf(row.record) !== textOf(record) || row.height !== height)
    note("transactions", `${id.toHex()} is out of place`);
}

function compareTables(table: string, order: string, database: Database, rebuilt: Database, note: Note): void {
  const sql = `SELECT * FROM ${table} ORDER BY ${order}`;
  const [is, should] = [database.query(sql).iterate(), rebuilt.query(sql).iterate()] as [Rows, Rows];
  for (;;) {
    const [a, b] = [is.next(), should.next()];
    if (a.done && b.done) return;
    const [found, wanted] = [a.done ? "nothing" : rowText(a.value), b.done ? "nothing" : rowText(b.value)];
    if (found !== wanted) return note(table, `has ${found} where ${wanted} follows from the transactions`);
  }
}

type Rows = IterableIterator<{ readonly [column: string]: unknown }>;

function rowText(row: { readonly [column: string]: unknown }): string {
  return Object.entries(row)
    .map(([column, value]) => `${column} ${textOf(value)}`)
    .join(", ");
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? value.toHex() : String(value);
}
