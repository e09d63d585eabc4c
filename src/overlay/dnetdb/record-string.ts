/**
 * A record as bytes, in a file (`src/io/record-file.ts`) as in the DHT (`dht-record.ts`): entries, in an order in which each can
 * be taken in right after those before it. Nothing in it is believed.
 *   entry  kind u8 ‖ length u32 little-endian ‖ bytes
 *     1  a transaction      2  the body of the transaction right before      3  what a cloud has witnessed
 *   chain  the mint and the steps, each with its body: only ever added to
 *   rest   what is beside it: joins, in the record's order, then the losers of two that spend the same; then statements, ascending
 * Replicas that hold the same write the same bytes.
 */
import { compareBytes } from "../../base/bytes.ts";
import { Writer } from "../../wire/writer.ts";
import { MAX_BODY_BYTES } from "./contents.ts";
import type { Store } from "./store.ts";
import type { Item } from "./sync-messages.ts";
import { decodeTransaction, MAX_TRANSACTION_BYTES } from "./transaction.ts";
import { MAX_STATEMENT_BYTES } from "./witness.ts";

const KIND = { transaction: 1, body: 2, statement: 3 } as const;
const MAX_ENTRY_BYTES: { readonly [kind: number]: number } = {
  [KIND.transaction]: MAX_TRANSACTION_BYTES,
  [KIND.body]: MAX_BODY_BYTES,
  [KIND.statement]: MAX_STATEMENT_BYTES,
};
const HEAD_BYTES = 5;

export interface RecordStrings {
  readonly chain: Uint8Array;
  readonly rest: Uint8Array;
  /** How many are in both. */
  readonly transactions: number;
}

/** All that is here of a record; two empty strings when it is not. */
export function writeRecord(store: Store, record: Uint8Array): RecordStrings {
  const [chain, rest] = [new Writer(), new Writer()];
  const [standing, lost] = [store.transactionsOf(record), store.evidence(record).map(({ bytes }) => bytes)];
  for (const bytes of standing) {
    const { isJoin, bodyHash } = factsOf(bytes);
    writeTransaction(isJoin ? rest : chain, bytes, bodyHash && store.body(record, bodyHash));
  }
  for (const bytes of lost) {
    const { bodyHash } = factsOf(bytes);
    writeTransaction(rest, bytes, bodyHash && store.body(record, bodyHash));
  }
  const statements = store.statementsOf(record, 0).map(({ bytes }) => bytes);
  for (const bytes of statements.sort(compareBytes)) writeEntry(rest, KIND.statement, bytes);
  return { chain: chain.finish(), rest: rest.finish(), transactions: standing.length + lost.length };
}

/** `take` gives the next bytes, fewer only at the end. Returns false for what is damaged, or cut short: what came before was whole. */
export function* readItems(take: (length: number) => Uint8Array): Generator<Item, boolean> {
  let bytes: Uint8Array | null = null;
  for (;;) {
    const head = take(HEAD_BYTES);
    const entry = head.length === HEAD_BYTES ? readEntry(head, take) : null;
    const isBody = entry?.kind === KIND.body;
    if (bytes && (entry || head.length === 0)) yield { kind: "transaction", bytes, body: isBody ? entry.bytes : null };
    if (!entry || (isBody && !bytes)) return head.length === 0;
    bytes = entry.kind === KIND.transaction ? entry.bytes : null;
    if (entry.kind === KIND.statement) yield { kind: "statement", bytes: entry.bytes };
  }
}

/** Null for what is no such string. */
export function readStrings(...strings: readonly Uint8Array[]): Item[] | null {
  const items: Item[] = [];
  for (const string of strings) {
    let at = 0;
    const read = readItems((length) => {
      const bytes = string.slice(at, at + length);
      at += bytes.length;
      return bytes;
    });
    for (let next = read.next(); ; next = read.next()) {
      if (!next.done) items.push(next.value);
      else if (next.value) break;
      else return null;
    }
  }
  return items;
}

function factsOf(bytes: Uint8Array): { readonly isJoin: boolean; readonly bodyHash: Uint8Array | null } {
  const transaction = decodeTransaction(bytes);
  if (!transaction || "version" in transaction) return { isJoin: false, bodyHash: null };
  return { isJoin: transaction.outputs[0]!.script.op === "OP_DNET_JOIN", bodyHash: transaction.bodyHash };
}

function writeTransaction(w: Writer, bytes: Uint8Array, body: Uint8Array | null): void {
  writeEntry(w, KIND.transaction, bytes);
  if (body) writeEntry(w, KIND.body, body);
}

function writeEntry(w: Writer, kind: number, bytes: Uint8Array): void {
  w.u8(kind).u32(bytes.length).fixed(bytes);
}

/** Null when it is longer than its kind may be, or its end is missing. */
function readEntry(head: Uint8Array, take: (length: number) => Uint8Array) {
  const view = new DataView(head.buffer, head.byteOffset);
  const [kind, length] = [view.getUint8(0), view.getUint32(1, true)];
  if (length > (MAX_ENTRY_BYTES[kind] ?? -1)) return null;
  const bytes = take(length);
  return bytes.length === length ? { kind, bytes } : null;
}
