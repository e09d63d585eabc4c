/**
 * Records as one file, to be carried to another replica where there is no network: their steps, parents before children.
 *   "dnetdb records 1\n", then entries: kind u8 ‖ length u32 little-endian ‖ bytes
 *     1  a transaction      2  the body of the transaction before      3  what a cloud has witnessed
 * Nothing in it is believed: whoever reads it holds all of it against the rules.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { MAX_BODY_BYTES } from "../overlay/dnetdb/contents.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import { decodeTransaction } from "../overlay/dnetdb/transaction.ts";

const MAGIC = new TextEncoder().encode("dnetdb records 1\n");
const Kind = { transaction: 1, body: 2, statement: 3 } as const;
const HEAD_BYTES = 5;
/** So many entries are accepted in one step of the database. */
const BATCH = 500;
const ALL = 2 ** 31;

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

/** Into a new file, mode 0600. Throws DnetError. `records`: clouds and relays before the dnets that they serve. */
export function exportRecords(store: Store, records: readonly Uint8Array[], path: string): Exported {
  const fd = open(path, "wx");
  let [transactions, bytes] = [0, 0];
  const put = (kind: number, content: Uint8Array) => {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt8(kind, 0);
    head.writeUInt32LE(content.length, 1);
    bytes += writeAll(fd, head) + writeAll(fd, content);
  };
  try {
    bytes += writeAll(fd, MAGIC);
    for (const record of records) {
      for (const transaction of [
        ...store.transactionsOf(record),
        ...store.evidence(record).map((each) => each.bytes),
      ]) {
        put(Kind.transaction, transaction);
        transactions++;
        const decoded = decodeTransaction(transaction);
        const hash = decoded && "bodyHash" in decoded ? decoded.bodyHash : null;
        const body = hash && store.body(hash);
        if (body) put(Kind.body, body);
      }
    }
    for (const record of records) for (const each of store.statementsOf(record, -1)) put(Kind.statement, each.bytes);
    return { transactions, bytes };
  } finally {
    closeSync(fd);
  }
}

/** `progress`: how many bytes were read so far. Throws DnetError for what is no such file; what came before stays. */
export function importRecords(store: Store, now: number, path: string, progress: (bytes: number) => void): Imported {
  const fd = open(path, "r");
  const tally = { accepted: 0, known: 0, refused: new Map<string, number>() };
  const refuse = (why: string) => tally.refused.set(why, (tally.refused.get(why) ?? 0) + 1);
  const take = (transaction: Uint8Array, body: Uint8Array | null) => {
    const verdict = store.accept(now, transaction, body);
    if (verdict.status === "refused") refuse(verdict.why);
    else tally[verdict.status === "known" ? "known" : "accepted"]++;
  };
  try {
    const entries = readEntries(fd, path, progress);
    let waiting: Uint8Array | null = null;
    for (let isMore = true; isMore; ) {
      store.atomically(() => {
        for (let i = 0; i < BATCH && isMore; i++) {
          const { value: entry, done } = entries.next();
          if (entry?.kind === Kind.body && waiting) {
            take(waiting, entry.bytes);
            waiting = null;
            continue;
          }
          if (waiting) take(waiting, null);
          waiting = entry?.kind === Kind.transaction ? entry.bytes : null;
          if (entry?.kind === Kind.statement) {
            const verdict = store.acceptStatement(now, entry.bytes);
            if (verdict.status === "refused") refuse(verdict.why);
          }
          isMore = done !== true;
        }
      });
    }
    return tally;
  } finally {
    closeSync(fd);
  }
}

interface Entry {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

function* readEntries(fd: number, path: string, progress: (bytes: number) => void): Generator<Entry, undefined> {
  if (Buffer.compare(read(fd, MAGIC.length), MAGIC) !== 0) throw broken(path, "is no file of dnet db export");
  for (let at = MAGIC.length; ; ) {
    const head = read(fd, HEAD_BYTES);
    if (head.length === 0) return;
    const length = head.length === HEAD_BYTES ? head.readUInt32LE(1) : ALL;
    const bytes = length <= MAX_BODY_BYTES ? read(fd, length) : null;
    if (!bytes || bytes.length !== length) throw broken(path, `is damaged, or cut short, after ${at} bytes`);
    at += HEAD_BYTES + length;
    progress(at);
    yield { kind: head.readUInt8(0), bytes };
  }
}

/** Fewer bytes at the end of the file. */
function read(fd: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  let at = 0;
  for (let got = -1; got !== 0 && at < length; at += got) got = readSync(fd, buffer, at, length - at, null);
  return buffer.subarray(0, at);
}

function writeAll(fd: number, bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  return bytes.length;
}

function open(path: string, flags: "wx" | "r"): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (cause) {
    throw broken(path, `cannot be opened: ${(cause as Error).message}`, cause);
  }
}

function broken(path: string, flaw: string, cause?: unknown): DnetError {
  return new DnetError("BAD_RECORD_FILE", `${path} ${flaw}`, { failure: "configuration", hint: "another file", cause });
}
