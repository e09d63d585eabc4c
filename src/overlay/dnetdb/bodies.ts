/** What stands beside the chain: by record and hash, as long as it says what is so now. */
import { MAX_BODY_BYTES } from "./contents.ts";
import type { Sql } from "./sql.ts";
import type { StateChanges } from "./state-changes.ts";

/** Ids of the steps that say what is so now: of the record that this parameter names, or of all. */
const inUse = (record: "?1" | null) => {
  const of = (column: string) => (record ? `${column} = ${record} AND until IS NULL` : "until IS NULL");
  return `SELECT set_by FROM slots WHERE ${of("dnet")} UNION SELECT invitation FROM slots WHERE ${of("dnet")}
    UNION SELECT set_by FROM attachments WHERE ${of("dnet")} UNION SELECT set_by FROM settings WHERE ${of("record")}`;
};
const UNUSED = `(record, hash) NOT IN (SELECT record, body FROM transactions WHERE body IS NOT NULL AND id IN (${inUse(null)}))`;

export class Bodies {
  readonly #sql: Sql;
  readonly #changes: StateChanges;

  constructor(sql: Sql, changes: StateChanges) {
    this.#sql = sql;
    this.#changes = changes;
  }

  get(record: Uint8Array, hash: Uint8Array): Uint8Array | null {
    const sql = "SELECT bytes FROM bodies WHERE record = ? AND hash = ?";
    return this.#sql.get<{ bytes: Uint8Array }>(sql, record, hash)?.bytes ?? null;
  }

  /** Whether it says what is so now in that record, and is not here. */
  isWanted(record: Uint8Array, hash: Uint8Array, body: Uint8Array): boolean {
    if (body.length > MAX_BODY_BYTES) return false;
    const sql = `SELECT 1 FROM transactions WHERE id IN (${inUse("?1")}) AND body = ?2`;
    return this.#sql.has(sql, record, hash) && !this.get(record, hash);
  }

  /** Hashes of those that are wanted. */
  missing(record: Uint8Array, limit: number): Uint8Array[] {
    const sql = `SELECT body FROM transactions WHERE id IN (${inUse("?1")}) AND body IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM bodies WHERE bodies.record = transactions.record AND hash = body) LIMIT ?2`;
    return this.#sql.all<{ body: Uint8Array }>(sql, record, limit).map(({ body }) => body);
  }

  keep(record: Uint8Array, hash: Uint8Array, body: Uint8Array): void {
    this.#changes.grow(record, this.put(record, hash, body));
  }

  /** Returns how many bytes more are kept by it; that the record takes more, its caller says. */
  put(record: Uint8Array, hash: Uint8Array, body: Uint8Array): number {
    return this.#sql.run("INSERT OR IGNORE INTO bodies VALUES (?, ?, ?)", record, hash, body) * body.length;
  }

  /** One that had it is no more: it goes, unless another has it. */
  release(record: Uint8Array, hash: Uint8Array): void {
    const body = this.get(record, hash);
    if (!body || this.#sql.has("SELECT 1 FROM transactions WHERE record = ? AND body = ?", record, hash)) return;
    this.#sql.run("DELETE FROM bodies WHERE record = ? AND hash = ?", record, hash);
    this.#changes.grow(record, -body.length);
  }

  /** Drops those that say nothing of what is so now, and returns how many. */
  collect(): number {
    const unused = this.#sql.all<{ record: Uint8Array; count: number; bytes: number }>(
      `SELECT record, COUNT(*) AS count, SUM(LENGTH(bytes)) AS bytes FROM bodies WHERE ${UNUSED} GROUP BY record`,
    );
    this.#sql.run(`DELETE FROM bodies WHERE ${UNUSED}`);
    for (const { record, bytes } of unused) this.#changes.grow(record, -bytes);
    return unused.reduce((sum, { count }) => sum + count, 0);
  }
}
