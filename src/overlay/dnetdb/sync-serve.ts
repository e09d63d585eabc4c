/**
 * What a peer is told of our store: what changed after its cursor, what it wants of that, and each new transaction as it comes.
 */
import { BoundedMap } from "../../base/bounded-map.ts";
import { sameBytes } from "../../base/bytes.ts";
import { isCreation } from "./rules.ts";
import type { KeptTransaction, RecordHead, Store } from "./store.ts";
import {
  type Head,
  type Heads,
  type Interests,
  ITEMS_BYTES,
  type Item,
  type Items,
  itemBytes,
  MAX_HEADS,
  type Place,
  type SyncMessage,
  type Want,
} from "./sync-messages.ts";
import { decodeTransaction } from "./transaction.ts";

/** New here, and worth passing on at once. Statements are few, and small. */
export type News = { readonly record: Uint8Array } & (
  | { readonly transaction: Uint8Array }
  | { readonly statement: Uint8Array }
  /** That was missing. It is not sent unasked, only that it is here. */
  | { readonly hasBody: true }
);

/** Of one peer, unanswered; it asks for as many at once and no more. */
export const MAX_WANTS = 16;
/** Full: the peer is too slow to be told at once, and learns of them by the next heads. */
const MAX_NEWS = 256;
/** A larger body is not sent unasked: the peer may have it, or get it, from another. */
const UNASKED_BODY_BYTES = 64 << 10;
/** A larger body is not sent with its step: most of those are policies and keys, of which few are still in use. */
const INLINE_BODY_BYTES = 4 << 10;
/** Rows that one query reads. */
const STEPS_AT_ONCE = 512;
/** Records of which we know how far the peer is. Full: it is told of one that it has. */
const MAX_KNOWN = 1_024;

export class Serving {
  readonly #store: Store;
  readonly #serves: (record: Uint8Array) => boolean;
  readonly #isFetching: () => boolean;
  /** Null until the peer follows. */
  #follows: { readonly round: number; readonly records: Interests; readonly names: ReadonlySet<string> } | null = null;
  /** A question about what changed that has no answer yet. */
  #asked: { readonly cursor: number; readonly isAtOnce: boolean } | null = null;
  /** How far the peer has read our log, as it said last. */
  #readTo = -1;
  /** Whether it had read all of it once: before, what is new would not connect to what it has. */
  #isCurrent = false;
  #wasAll = false;
  readonly #wants: Want[] = [];
  #news: News[] = [];
  readonly #theirs = new BoundedMap<string, string>(MAX_KNOWN);

  /** `isFetching`: a page of the peer's is not done with. Until it is, what changes here is mostly what the peer has. */
  constructor(store: Store, serves: (record: Uint8Array) => boolean, isFetching: () => boolean) {
    this.#store = store;
    this.#isFetching = isFetching;
    this.#serves = serves;
  }

  /** Whether the peer has all that it follows. */
  get hasToldAll(): boolean {
    return this.#readTo >= this.#store.sequence;
  }

  follow(round: number, cursor: number, records: Interests): void {
    const names = new Set(records === "all" ? [] : records.map((record) => record.toHex()));
    this.#follows = { round, records, names };
    this.#asked = { cursor, isAtOnce: true };
    this.#readTo = -1;
    this.#isCurrent = false;
  }

  /** False when it follows nothing, or has asked before and not been answered. */
  next(cursor: number): boolean {
    if (!this.#follows || this.#asked) return false;
    this.#asked = { cursor, isAtOnce: false };
    this.#readTo = cursor;
    this.#isCurrent ||= this.#wasAll;
    return true;
  }

  /** False when it wants too much at once. */
  want(want: Want): boolean {
    return this.#wants.push(want) <= MAX_WANTS;
  }

  /** The peer has said that it is there. */
  note(head: Head): void {
    this.#theirs.set(head.record.toHex(), textOf(head));
  }

  pass(news: News): void {
    if (!this.#isCurrent || !this.#isFollowed(news.record)) return;
    this.#news.push(news);
    if (this.#news.length <= MAX_NEWS) return;
    this.#news = [];
    this.#isCurrent = false;
  }

  get hasMessage(): boolean {
    return this.#wants.length > 0 || this.#news.length > 0 || this.#isAnswerDue;
  }

  /** Null when there is nothing to tell. What it has is read from the store now, so nothing waits in memory for a slow peer. */
  take(): SyncMessage | null {
    for (let news = this.#news.shift(); news; news = this.#news.shift()) {
      const message = this.#unasked(news);
      if (message) return message;
    }
    const want = this.#wants.shift();
    if (want) return this.#answer(want);
    return this.#isAnswerDue ? this.#heads() : null;
  }

  get #isAnswerDue(): boolean {
    if (!this.#asked) return false;
    return this.#asked.isAtOnce || (this.#store.sequence > this.#asked.cursor && !this.#isFetching());
  }

  #isFollowed(record: Uint8Array): boolean {
    if (!this.#follows || !this.#serves(record)) return false;
    return this.#follows.records === "all" || this.#follows.names.has(record.toHex());
  }

  /** With what it begins the record with, if it does. Null when it is too much to send unasked. */
  #unasked(news: News): Items | null {
    const { record } = news;
    if ("hasBody" in news) return items(record, "unasked", []);
    if ("statement" in news) return items(record, "unasked", [{ kind: "statement", bytes: news.statement }]);
    const bytes = this.#store.transaction(news.transaction);
    const transaction = bytes && decodeTransaction(bytes);
    if (!bytes || !transaction) return null;
    if ("version" in transaction) return items(record, "unasked", [{ kind: "transaction", bytes, body: null }]);
    const item = this.#item(record, { bytes, body: transaction.bodyHash }, UNASKED_BODY_BYTES);
    if (!isCreation(transaction.outputs[0]!.script.op)) return items(record, "unasked", [item]);
    const mint = this.#store.transaction(transaction.input!.transaction)!;
    return item.body ? items(record, "unasked", [{ kind: "transaction", bytes: mint, body: null }, item]) : null;
  }

  #heads(): Heads {
    const { cursor } = this.#asked!;
    this.#asked = null;
    // Of a store that was put back to an earlier state, the peer has read what is no more.
    const from = cursor > this.#store.sequence ? 0 : cursor;
    const { rows, isAll } = this.#changedSince(from);
    this.#wasAll = isAll;
    const upTo = isAll ? this.#store.sequence : rows.at(-1)!.changed;
    const heads = rows.filter(
      (row) => this.#isFollowed(row.record) && this.#theirs.get(row.record.toHex()) !== textOf(row),
    );
    return { type: "heads", round: this.#follows!.round, upTo, isAll, heads };
  }

  #changedSince(cursor: number): { readonly rows: readonly RecordHead[]; readonly isAll: boolean } {
    const rows = this.#store.changedSince(cursor, MAX_HEADS);
    const { records } = this.#follows!;
    if (records === "all" || rows.length < MAX_HEADS) return { rows, isAll: rows.length < MAX_HEADS };
    // Of the many that changed, few are followed.
    const followed = records.map((record) => this.#store.headOf(record)).filter((row) => row !== null);
    const changed = followed.filter((row) => row.changed > cursor).sort((a, b) => a.changed - b.changed);
    return { rows: changed.slice(0, MAX_HEADS), isAll: changed.length <= MAX_HEADS };
  }

  #answer(want: Want): Items {
    if (!this.#serves(want.record)) return items(want.record, want.part, [], "unconnected");
    if (want.part === "steps") return this.#steps(want.record, want.after);
    return want.part === "beside" ? this.#beside(want.record, want.cursor) : this.#bodies(want.record, want.hashes);
  }

  #steps(record: Uint8Array, after: readonly Place[]): Items {
    const place = after.find(({ height, id }) => {
      const [step] = this.#store.stepsOf(record, height, 1);
      return step?.height === height && sameBytes(step.id, id);
    });
    if (after.length > 0 && !place) return items(record, "steps", [], "unconnected");
    const rows = this.#store.stepsOf(record, place ? place.height + 1 : -1, STEPS_AT_ONCE);
    const all: Item[] = [];
    let bytes = 0;
    for (const row of rows) {
      // A creation is judged by its body, so it never goes without; and its mint never without it.
      const item = this.#item(record, row, row.height === 0 ? Number.POSITIVE_INFINITY : INLINE_BODY_BYTES);
      bytes += itemBytes(item);
      if (bytes > ITEMS_BYTES && row.height > 0 && all.length > 0) break;
      all.push(item);
    }
    const last = rows[all.length - 1];
    const isAll = all.length === rows.length && rows.length < STEPS_AT_ONCE;
    return items(record, "steps", all, isAll ? "all" : "more", isAll ? 0 : last!.height);
  }

  /** Transactions and statements in the order of our log. */
  #beside(record: Uint8Array, cursor: number): Items {
    const rows = this.#store.besideOf(record, cursor, STEPS_AT_ONCE);
    const said = this.#store.statementsOf(record, cursor, STEPS_AT_ONCE);
    // Up to where both were read.
    const cut = [rows, said].filter(({ length }) => length === STEPS_AT_ONCE);
    const end = Math.min(...cut.map((each) => each.at(-1)!.sequence));
    const statements = said.map(({ bytes, sequence }) => ({ sequence, item: { kind: "statement", bytes } as Item }));
    const transactions = rows.map((row) => ({
      sequence: row.sequence,
      item: this.#item(record, row, INLINE_BODY_BYTES),
    }));
    const all = [...transactions, ...statements].filter(({ sequence }) => sequence <= end);
    const entries = all.sort((a, b) => a.sequence - b.sequence);
    const count = fitting(entries.map(({ item }) => item));
    const isAll = count === entries.length && end === Number.POSITIVE_INFINITY;
    const sent = entries.slice(0, count);
    return items(
      record,
      "beside",
      sent.map(({ item }) => item),
      isAll ? "all" : "more",
      isAll ? 0 : sent.at(-1)!.sequence,
    );
  }

  /** One at a time: those of all that it may ask for at once would fill our memory. */
  #bodies(record: Uint8Array, hashes: readonly Uint8Array[]): Items {
    const all: Item[] = [];
    let bytes = 0;
    for (const hash of hashes) {
      const body = this.#store.body(record, hash);
      bytes += body?.length ?? 0;
      if (bytes > ITEMS_BYTES && all.length > 0) break;
      if (body) all.push({ kind: "body", body });
    }
    return items(record, "bodies", all);
  }

  #item(
    record: Uint8Array,
    { bytes, body: hash }: Pick<KeptTransaction, "bytes" | "body">,
    maxBodyBytes: number,
  ): Extract<Item, { kind: "transaction" }> {
    const body = hash && maxBodyBytes > 0 ? this.#store.body(record, hash) : null;
    return { kind: "transaction", bytes, body: body && body.length <= maxBodyBytes ? body : null };
  }
}

function textOf({ height, head, digest }: Head): string {
  return `${height} ${head.toHex()} ${digest.toHex()}`;
}

function items(
  record: Uint8Array,
  part: Items["part"],
  all: readonly Item[],
  end: Items["end"] = "all",
  next = 0,
): Items {
  return { type: "items", record, part, end, next, items: all };
}

/** How many go into one frame; one at least. */
function fitting(all: readonly Item[]): number {
  let [count, bytes] = [0, 0];
  for (const item of all) {
    bytes += itemBytes(item);
    if (bytes > ITEMS_BYTES && count > 0) break;
    count++;
  }
  return count;
}
