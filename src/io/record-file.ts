/**
 * Records as one file, to be carried to another replica where there is no network: "dnetdb records 1\n", then of each record the
 * two strings of `overlay/dnetdb/record-string.ts`. Nothing in it is believed: whoever reads it holds all of it against the rules.
 */
import { closeSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { readItems, writeRecord } from "../overlay/dnetdb/record-string.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { Item } from "../overlay/dnetdb/sync-messages.ts";
import { reasonOf } from "./private-file.ts";

const MAGIC = new TextEncoder().encode("dnetdb records 1\n");
/** So many entries are read at once, or fewer, of so many bytes. */
export const BATCH = 2_500;
const BATCH_BYTES = 8 << 20;
/** So many are accepted in one step of the database: while one is written to the disk, the signatures of the next are verified. */
export const STEP = 500;

export interface Exported {
  readonly transactions: number;
  readonly bytes: number;
}

export interface Imported {
  readonly accepted: number;
  /** Was here already. */
  readonly known: number;
  /** By why. */
  readonly refused: ReadonlyMap<string, number>;
}

/** Into a new file, mode 0600, or with "-" to standard output. Throws DnetError. `records`: clouds and relays before the dnets that they serve. */
export function exportRecords(store: Store, records: readonly Uint8Array[], path: string): Exported {
  const file = open(path, "wx");
  try {
    let [transactions, bytes] = [0, writeAll(file, MAGIC)];
    for (const record of records) {
      const written = writeRecord(store, record);
      transactions += written.transactions;
      bytes += writeAll(file, written.chain) + writeAll(file, written.rest);
    }
    return { transactions, bytes };
  } finally {
    file.close();
  }
}

/** From a file, or with "-" from standard input. `progress`: how many bytes were read so far. Throws DnetError for what is no such file; all but the last few thousand entries before that stay. */
export function importRecords(store: Store, now: number, path: string, progress: (bytes: number) => void): Imported {
  const file = open(path, "r");
  const tally = { accepted: 0, known: 0, refused: new Map<string, number>() };
  const keep = (item: Item) => {
    const isStatement = item.kind === "statement";
    if (!isStatement && item.kind !== "transaction") return;
    const verdict = isStatement ? store.acceptStatement(now, item.bytes) : store.accept(now, item.bytes, item.body);
    if (verdict.status === "refused") tally.refused.set(verdict.why, (tally.refused.get(verdict.why) ?? 0) + 1);
    else if (!isStatement) tally[verdict.status === "known" ? "known" : "accepted"]++;
  };
  try {
    if (Buffer.compare(read(file, MAGIC.length), MAGIC) !== 0) throw broken(file.name, "is no file of dnet db export");
    let at = MAGIC.length;
    const items = readItems((length) => {
      const bytes = read(file, length);
      at += bytes.length;
      progress(at);
      return bytes;
    });
    for (let isMore = true; isMore; ) {
      const batch: Item[] = [];
      const end = at + BATCH_BYTES;
      while (isMore && batch.length < BATCH && at < end) {
        const next = items.next();
        if (!next.done) batch.push(next.value);
        else if (next.value) isMore = false;
        else throw broken(file.name, `is damaged, or cut short, after ${at} bytes`);
      }
      const transactions = batch.flatMap((item) => (item.kind === "transaction" ? [item.bytes] : []));
      store.inBulk(transactions, () => {
        for (let from = 0; from < batch.length; from += STEP) {
          store.atomically(() => batch.slice(from, from + STEP).forEach(keep));
        }
      });
    }
    return tally;
  } finally {
    file.close();
  }
}

interface OpenFile {
  readonly fd: number;
  /** As an error calls it. */
  readonly name: string;
  close(): void;
}

/** Fewer bytes at the end of the file. */
function read({ fd, name }: OpenFile, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  try {
    for (let got = -1; got !== 0 && at < length; at += got) got = readSync(fd, buffer, at, length - at, null);
  } catch (cause) {
    throw broken(name, `cannot be read: ${reasonOf(cause)}`, cause);
  }
  return buffer.subarray(0, at);
}

function writeAll({ fd, name }: OpenFile, bytes: Uint8Array): number {
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  } catch (cause) {
    throw broken(name, `cannot be written: ${reasonOf(cause)}`, cause);
  }
  return bytes.length;
}

function open(path: string, flags: "wx" | "r"): OpenFile {
  if (path === "-" && flags === "r") return { fd: 0, name: "standard input", close() {} };
  if (path === "-") return { fd: 1, name: "standard output", close() {} };
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw broken(path, "is a directory");
  try {
    const fd = openSync(path, flags, 0o600);
    return { fd, name: path, close: () => closeSync(fd) };
  } catch (cause) {
    throw broken(path, `cannot be opened: ${reasonOf(cause)}`, cause);
  }
}

function broken(path: string, flaw: string, cause?: unknown): DnetError {
  return new DnetError("BAD_RECORD_FILE", `${path} ${flaw}`, { failure: "configuration", hint: "another file", cause });
}
