/**
 * DNetDB's file: SQLite with a write-ahead log, its owner's alone. What was accepted is on the disk before anyone is told, and whatever
 * stops the process leaves it as it was after some whole step. Source: sqlite.org/wal.html, pragma.html#pragma_synchronous.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { STORE_ID_BYTES, Store } from "../overlay/dnetdb/store.ts";
import { type Flaw, verifyStore } from "../overlay/dnetdb/verify.ts";
import { systemRandom } from "./entropy.ts";
import { VerifyAhead } from "./verify/ahead.ts";

/** What a connection is set to. */
export const PRAGMAS = [
  "busy_timeout = 30000", // how long another process of ours may hold it: adding 10,000 members by one command takes 5 s
  "journal_mode = WAL",
  "synchronous = FULL",
  // Ids come in no order, so each new one is written somewhere else. Where 250,000 transactions are, SQLite alone takes 36 µs
  // of CPU for one more as it is set by itself, 32 with this cache, 31 with this log, 24 with both.
  "cache_size = -65536", // 64 MiB, of which a small store takes little
  "wal_autocheckpoint = 8000", // 32 MiB
];
/**
 * A file of so many bytes is checked whole when it is opened, which takes some 30 ms at most. Of a larger one SQLite itself sees
 * that it is no store, or that its end is missing; a page that was overwritten is found by whoever reads it, or by `verify`.
 */
const CHECKED_BYTES = 16 << 20;

export interface DnetDbFile {
  readonly store: Store;
  /** From the first transaction on; nothing is changed. `progress` is told of each. */
  verify(progress?: (done: number, all: number) => void): Flaw[];
  /** One in memory, for a record's past. */
  emptyDatabase(): Database;
  close(): void;
}

/** Makes it when it is missing. Throws DnetError when others can read it, or it is damaged, or of a later version. */
export function openDnetDb(path: string): DnetDbFile {
  if (existsSync(path)) refuseOthers(path);
  const database = open(path);
  try {
    for (const pragma of PRAGMAS) database.run(`PRAGMA ${pragma}`);
    const flaw = statSync(path).size <= CHECKED_BYTES ? flawOf(database) : null;
    if (flaw !== null) throw damaged(path, flaw);
    const emptyDatabase = () => new Database(":memory:");
    const ahead = new VerifyAhead();
    const store = new Store(database, systemRandom.bytes(STORE_ID_BYTES), ahead);
    return {
      store,
      verify(progress) {
        const flaw = flawOf(database);
        return flaw === null
          ? verifyStore(database, emptyDatabase(), progress, ahead)
          : [{ table: "file", what: flaw }];
      },
      emptyDatabase,
      close() {
        ahead.close();
        store.close();
        database.close();
      },
    };
  } catch (error) {
    database.close();
    if (!(error instanceof SQLiteError)) throw error;
    throw refusalOf(path, error) ?? damaged(path, error.message, error);
  }
}

/** For a person, what SQLite says of the file, sometimes late; null for what has another cause, such as a mistake of ours. */
export function refusalOf(path: string, error: SQLiteError): DnetError | null {
  const [kind] = /(?<=^SQLITE_)[A-Z]+/.exec(error.code ?? "") ?? [];
  switch (kind) {
    case "CANTOPEN":
    case "READONLY":
      return denied(path, error);
    case "BUSY":
      return new DnetError("STORE_BUSY", `another process is writing ${path}`, { hint: "again", cause: error });
    case "FULL":
    case "IOERR": // also on a full disk, where there is no room to open it
      return new DnetError("STORE_IO", `${path} cannot be read or written: ${error.message}`, {
        hint: "see whether its disk is full, or fails",
        cause: error,
      });
    case "CORRUPT":
    case "NOTADB":
      return damaged(path, error.message, error);
    default:
      return null;
  }
}

/** Of the file itself, whatever it holds; null when it has none. Reads all of it. */
function flawOf(database: Database): string | null {
  const { quick_check: check } = database.query("PRAGMA quick_check(1)").get() as { readonly quick_check: string };
  return check === "ok" ? null : check;
}

function open(path: string): Database {
  try {
    closeSync(openSync(path, "a", 0o600)); // its log gets the same mode
    return new Database(path, { readwrite: true, strict: true });
  } catch (cause) {
    throw denied(path, cause as Error);
  }
}

function denied(path: string, cause: Error): DnetError {
  return new DnetError("STORE_DENIED", `${path} cannot be written: ${cause.message}`, {
    failure: "permission",
    hint: "a state directory that you may write to: DNET_STATE_DIR",
    cause,
  });
}

function refuseOthers(path: string): void {
  const { mode } = statSync(path);
  if ((mode & 0o077) === 0) return;
  throw new DnetError("STORE_OPEN_TO_OTHERS", `${path} is open to others (mode ${(mode & 0o777).toString(8)})`, {
    failure: "permission",
    hint: `chmod 600 ${path}`,
  });
}

function damaged(path: string, flaw: string, cause?: unknown): DnetError {
  return new DnetError("STORE_DAMAGED", `${path} is damaged: ${flaw}`, {
    hint: "put it aside; what it held comes back from other replicas",
    cause,
  });
}
