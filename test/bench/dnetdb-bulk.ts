/** A store that is filled as a sync fills it, beside SQLite that is told the same rows and nothing else: batches in turn. */
import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { openDnetDb, PRAGMAS } from "../../src/io/dnetdb-file.ts";
import { BATCH, STEP } from "../../src/io/record-file.ts";
import type { Store } from "../../src/overlay/dnetdb/store.ts";
import { START } from "../support/replicas.ts";
import { say } from "./benchmark.ts";
import { batchesFromWorker, type Written } from "./dnetdb-written.ts";

/** What so many transactions took. */
export interface Filled {
  readonly count: number;
  readonly ours: Took;
  readonly bare: Took;
}

/** In seconds. On a machine that has other things to do the clock alone says little. */
export interface Took {
  readonly clock: number;
  /** While the thread that stores could have run, and others did. */
  readonly waited: number;
  /** Of the processor's: that thread's, and all. */
  readonly cpu: number;
  readonly allCpu: number;
}

const OF_BATCH = "FROM transactions WHERE sequence > ?1 AND sequence <= ?2";
/** What transactions leave behind in the tables that grow with every one, in the order in which they came. */
const ROWS = {
  transactions: `SELECT * ${OF_BATCH}`,
  // By dnet and id, each of which has an index; by both together it would look at every address of the dnet for each transaction.
  slots: `SELECT slots.* FROM slots JOIN transactions ON id = set_by
    WHERE dnet IN (SELECT record ${OF_BATCH}) AND set_by IN (SELECT id ${OF_BATCH}) ORDER BY sequence`,
  bodies: `SELECT bodies.* FROM (SELECT record AS here, body ${OF_BATCH}) JOIN bodies ON record = here AND hash = body`,
} as const;
const PARTS = 10;
/** Batches that are written before they are timed, when whoever writes them is still. */
const AT_ONCE = 20;
const NOTHING: Took = { clock: 0, waited: 0, cpu: 0, allCpu: 0 };

/** Makes the file with that many transactions in it. Returns what each tenth of them took. */
export async function fill(path: string, count: number): Promise<Filled[]> {
  const file = openDnetDb(path);
  const reader = new Database(path, { readonly: true });
  const bare = new Bare(`${path}-bare`, reader);
  const filled: Filled[] = [];
  let [ours, theirs, from, done] = [NOTHING, NOTHING, 0, 0];
  try {
    for await (const batches of written(count)) {
      const ourTime = timed(() => keep(file.store, batches));
      ours = sum(ours, ourTime);
      for (const { length } of batches) {
        const [after, upTo] = [done, done + length];
        const rows = Object.entries(ROWS).map(
          ([table, sql]) => [table, reader.query(sql).values(after, upTo)] as const,
        );
        const bareTime = timed(() => bare.insert(rows));
        theirs = sum(theirs, bareTime);
        done = upTo;
      }
      if (done - from < count / PARTS && done < count) continue;
      filled.push({ count: done - from, ours, bare: theirs });
      say(`${done} stored`);
      [ours, theirs, from] = [NOTHING, NOTHING, done];
    }
    return filled;
  } finally {
    bare.close();
    reader.close();
    file.close();
  }
}

async function* written(count: number): AsyncGenerator<Written[][]> {
  let some: Written[][] = [];
  for await (const batch of batchesFromWorker(count)) {
    if (some.push(batch) < AT_ONCE) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

function timed(work: () => void): Took {
  const [began, waitedBefore] = [performance.now(), waited()];
  const [before, allBefore] = [process.threadCpuUsage(), process.cpuUsage()];
  work();
  const [cpu, allCpu] = [process.threadCpuUsage(before), process.cpuUsage(allBefore)].map(
    ({ user, system }) => (user + system) / 1e6,
  ) as [number, number];
  return { clock: (performance.now() - began) / 1e3, waited: waited() - waitedBefore, cpu, allCpu };
}

/** Seconds of this thread in the queue for a core, since it began (Linux, Documentation/scheduler/sched-stats.rst). */
function waited(): number {
  const [, nanoseconds] = readFileSync("/proc/thread-self/schedstat", "utf8").split(" ");
  return Number(nanoseconds) / 1e9;
}

export function sum(a: Took, b: Took): Took {
  return {
    clock: a.clock + b.clock,
    waited: a.waited + b.waited,
    cpu: a.cpu + b.cpu,
    allCpu: a.allCpu + b.allCpu,
  };
}

/** As a file is imported. */
function keep(store: Store, batches: readonly (readonly Written[])[]): void {
  for (let from = 0; from < batches.length; from += BATCH / STEP) {
    const some = batches.slice(from, from + BATCH / STEP);
    const transactions = some.flat().map(({ bytes }) => bytes);
    store.inBulk(transactions, () => {
      for (const step of some) {
        store.atomically(() => {
          for (const each of step) keepOne(store, each);
        });
      }
    });
  }
}

function keepOne(store: Store, { bytes, body }: Written): void {
  const verdict = store.accept(START, bytes, body);
  if (verdict.status !== "accepted") throw new Error(`not accepted: ${JSON.stringify(verdict)}`);
}

/** Only SQLite: the same tables and indices, the same settings. */
class Bare {
  readonly #database: Database;

  constructor(path: string, like: Database) {
    this.#database = new Database(path);
    for (const pragma of PRAGMAS) this.#database.run(`PRAGMA ${pragma}`);
    const made = like.query("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").values() as [string][];
    for (const [sql] of made) this.#database.run(sql);
  }

  /** Rows of tables, as one step of the database. */
  insert(tables: readonly (readonly [table: string, rows: unknown[][]])[]): void {
    this.#database.run("BEGIN IMMEDIATE");
    for (const [table, rows] of tables) {
      const insert = this.#database.query(`INSERT INTO ${table} VALUES (${rows[0]?.map(() => "?")})`);
      for (const row of rows) insert.run(...(row as string[]));
    }
    this.#database.run("COMMIT");
  }

  close(): void {
    this.#database.close();
  }
}
