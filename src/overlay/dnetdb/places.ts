/** The table of transactions: the place of each in its record, and whether it stands there. */
import { recordId } from "./ids.ts";
import { recordOf } from "./rules.ts";
import type { Sql } from "./sql.ts";
import type { Transaction } from "./transaction.ts";

export const Kind = { mint: 0, step: 1, join: 2, later: 3 } as const;
/** Broken: it has lost, and would break a rule where it would stand. */
export const Standing = { lost: 0, stands: 1, broken: 2 } as const;

export interface Place {
  readonly record: Uint8Array;
  /** A mint's is -1, a creation's 0, a join's that of its invitation. */
  readonly height: number;
  readonly kind: number;
  /** What it spends from; null for a mint. */
  readonly parent: Uint8Array | null;
}

export interface Row extends Place {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  /** The hash of its body; null when it has none. */
  readonly body: Uint8Array | null;
  readonly stands: number;
}

export class Places {
  readonly #sql: Sql;
  #sequence: number | null = null;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** The newest place in this store's log, which counts every change of a record. */
  get sequence(): number {
    const sql =
      "SELECT MAX(IFNULL((SELECT MAX(sequence) FROM transactions), 0), IFNULL((SELECT MAX(changed) FROM records), 0)) AS last";
    // Within a step of the database nobody else writes.
    if (!this.#sql.isInside || this.#sequence === null) this.#sequence = this.#sql.get<{ last: number }>(sql)!.last;
    return this.#sequence;
  }

  /** One place more. */
  next(): number {
    const next = this.sequence + 1;
    this.#sequence = next;
    return next;
  }

  /** Another process may have written, or a step of ours was taken back. */
  refresh(): void {
    this.#sequence = null;
  }

  row(id: Uint8Array): Row | null {
    return this.#sql.get<Row>("SELECT * FROM transactions WHERE id = ?", id);
  }

  /** Of a record, in its order: each step, and right after an invitation whoever joined by it. */
  standing(record: Uint8Array, fromHeight = -1): Row[] {
    const sql = "SELECT * FROM transactions WHERE record = ? AND stands = 1 AND height >= ? ORDER BY height, kind";
    return this.#sql.all<Row>(sql, record, fromHeight);
  }

  /** Of a record, parents before children. */
  lost(record: Uint8Array): Row[] {
    return this.#sql.all<Row>(
      "SELECT * FROM transactions WHERE record = ? AND stands <> 1 ORDER BY height, kind, id",
      record,
    );
  }

  /** That spend the same, ascending. */
  lostAt({ record, height, kind, parent }: Place): Row[] {
    const sql =
      "SELECT * FROM transactions WHERE record = ? AND height = ? AND kind = ? AND stands <> 1 AND parent = ? ORDER BY id";
    return this.#sql.all<Row>(sql, record, height, kind, parent);
  }

  /** Of a record: how many spend what stands, or, where that place is beside the chain, follow from one that has lost. */
  countLost({ record, parent }: Place): number {
    const sql = `SELECT COUNT(*) AS count FROM transactions AS lost JOIN transactions AS spent ON spent.id = lost.parent
      WHERE lost.record = ? AND lost.stands <> 1 AND (spent.stands = 1) = (SELECT stands = 1 FROM transactions WHERE id = ?)`;
    return this.#sql.get<{ count: number }>(sql, record, parent)!.count;
  }

  /** Of those, the ones that would break a rule where they would stand. */
  broken(record: Uint8Array): Row[] {
    // The first of the two conditions is the index's.
    return this.#sql.all<Row>("SELECT * FROM transactions WHERE record = ? AND stands <> 1 AND stands = 2", record);
  }

  /** What stands and spends that output of one that stands. */
  childOf({ id, record, height }: Row, output: number): Row | null {
    const sql = "SELECT * FROM transactions WHERE record = ? AND height = ? AND kind = ? AND stands = 1 AND parent = ?";
    const [childHeight, kind] = output === 0 ? [height + 1, Kind.step] : [height, Kind.join];
    return this.#sql.get<Row>(sql, record, childHeight, kind, id);
  }

  /** Where it belongs; what it spends is here. */
  placeOf({ id, input, outputs }: Transaction): Place {
    const { script } = outputs[0]!;
    if (!input) return { record: recordId(id), height: -1, kind: Kind.mint, parent: null };
    const parent = input.transaction;
    const isJoin = script.op === "OP_DNET_JOIN";
    const spent = this.#sql.get<Row>("SELECT height FROM transactions WHERE id = ?", parent)!;
    const height = isJoin ? spent.height : spent.height + 1;
    return { record: recordOf(script)!, height, kind: isJoin ? Kind.join : Kind.step, parent };
  }

  insert({ id, bodyHash }: Transaction, bytes: Uint8Array, place: Place, stands: number): void {
    const { record, height, kind, parent } = place;
    const sql = "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    this.#sql.run(sql, this.next(), id, record, height, kind, stands, parent, bodyHash, bytes);
  }

  /** Of a later version: nobody knows where it belongs. */
  insertLater(id: Uint8Array, bytes: Uint8Array): void {
    const sql = "INSERT INTO transactions VALUES (?, ?, NULL, NULL, ?, ?, NULL, NULL, ?)";
    this.#sql.run(sql, this.next(), id, Kind.later, Standing.stands, bytes);
  }

  /**
   * By the index of places. One of its own, `WHERE kind = 3`, would have SQLite prepare every statement anew that compares a
   * kind with a parameter, each time: 12 µs instead of 1.
   */
  later(): number {
    return this.#sql.get<{ count: number }>("SELECT COUNT(*) AS count FROM transactions WHERE record IS NULL")!.count;
  }

  /** Returns its new place in the log. */
  set({ id }: Row, stands: number): number {
    const sequence = this.next();
    this.#sql.run("UPDATE transactions SET stands = ?, sequence = ? WHERE id = ?", stands, sequence, id);
    return sequence;
  }

  /** Changes nothing that others are told. */
  passOver({ id }: Row): void {
    this.#sql.run("UPDATE transactions SET stands = ? WHERE id = ?", Standing.broken, id);
  }

  delete({ id }: Row): void {
    this.#sql.run("DELETE FROM transactions WHERE id = ?", id);
  }
}
