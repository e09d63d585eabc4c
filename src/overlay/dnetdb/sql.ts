/** A database with its statements prepared once. */
import type { Database, Statement } from "bun:sqlite";

export type SqlValue = Uint8Array | string | number | null;

const WHOLE = { begin: "BEGIN IMMEDIATE", end: "COMMIT", takeBack: ["ROLLBACK"] };
const PART = { begin: "SAVEPOINT part", end: "RELEASE part", takeBack: ["ROLLBACK TO part", "RELEASE part"] };

export class Sql {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();

  constructor(database: Database) {
    this.#database = database;
  }

  get<Row>(sql: string, ...values: SqlValue[]): Row | null {
    return this.#prepared(sql).get(...values) as Row | null;
  }

  all<Row>(sql: string, ...values: SqlValue[]): Row[] {
    return this.#prepared(sql).all(...values) as Row[];
  }

  /** Returns how many rows it has changed. */
  run(sql: string, ...values: SqlValue[]): number {
    return this.#prepared(sql).run(...values).changes;
  }

  has(sql: string, ...values: SqlValue[]): boolean {
    return this.get(sql, ...values) !== null;
  }

  get isInside(): boolean {
    return this.#database.inTransaction;
  }

  /** All of it, or, when it throws, nothing. One within another is part of that; the outer waits for other processes before it reads. */
  atomically<Result>(work: () => Result): Result {
    const { begin, end, takeBack } = this.isInside ? PART : WHOLE;
    this.run(begin);
    try {
      const result = work();
      this.run(end);
      return result;
    } catch (error) {
      // Where the disk was full, SQLite has taken all of it back.
      if (this.isInside) for (const sql of takeBack) this.run(sql);
      throw error;
    }
  }

  /** Lets go of the statements: until then the database stays open, whoever closes it. */
  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
  }

  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
