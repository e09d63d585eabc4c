/**
 * What two replicas say to each other, each message a frame of its own on an ordered stream. Numbers are little-endian.
 *   hello    0  version u8 = 1 ‖ store 16             first, once
 *   follow   1  round u32 ‖ cursor u64 ‖ form u8 ‖    what changed after that place of your log? Again, of another round: anew
 *              of form 0 all records; of 1 count u16 ‖ records 32
 *   next     2  cursor u64                            I have read it up to there: what comes after?
 *   heads    3  round u32 ‖ up to u64 ‖ end u8 ‖ count u16 ‖ each record 32 ‖ height u32 ‖ head 32 ‖ digest 16
 *              the answer, to follow at once, to next as soon as there is one; end 0: there is more, 1: that is all for now
 *   want     4  record 32 ‖ part u8 ‖
 *              1 steps   count u8 ‖ each height u32 ‖ id 32   after the first of these that is yours; none: from the mint on
 *              2 beside  cursor u64                    joins, losers and statements of later places of your log
 *              3 bodies  count u8 ‖ hashes 32
 *   items    5  record 32 ‖ part u8 ‖ end u8 ‖ next u64 ‖ count u16 ‖ each kind u8 ‖ length u16 ‖ bytes ‖ length u32 ‖ body
 *              part: the want's that it answers, or 0 unasked; unasked and none: a body that was missing is here now
 *              end 0: there is more, after step or place `next`; 1: that is all; 2: none of those steps is mine
 *              kind: 1 transaction, without body; 2 with it; 3 statement, without; 4 body, without bytes
 *   goodbye  6  length u8 ‖ reason                    a word of DROP_REASONS, last
 * One meaning has one encoding. Source: this file.
 */
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { MAX_BODY_BYTES } from "./contents.ts";
import { ID_BYTES } from "./ids.ts";
import { readU64, writeU64 } from "./operands.ts";
import { type RecordHead, STORE_ID_BYTES } from "./store.ts";
import { MAX_TRANSACTION_BYTES } from "./transaction.ts";
import { MAX_STATEMENT_BYTES } from "./witness.ts";

const VERSION = 1;
export const MAX_INTERESTS = 1_024;
export const MAX_HEADS = 256;
/** Heights 0, 1, 3, 7 ... below the head: 32 reach the first step of any chain. */
export const MAX_LOCATOR = 40;
export const MAX_WANTED_BODIES = 255;
/** How much goes into one frame of items; one item that is larger goes alone. */
export const ITEMS_BYTES = 256 << 10;
const MAX_ITEMS = 4_096;
const MAX_REASON_BYTES = 64;
const WORD = /^[A-Z_]+$/;
const ITEMS_HEADER_BYTES = 1 + ID_BYTES + 1 + 1 + 8 + 2;
const ITEM_HEADER_BYTES = 1 + 2 + 4;
/** The longest frame: the longest body beside its transaction, after a mint. Whoever sends a longer one is no replica. */
export const MAX_FRAME_BYTES = ITEMS_HEADER_BYTES + 2 * (ITEM_HEADER_BYTES + MAX_TRANSACTION_BYTES) + MAX_BODY_BYTES;

/** How far a record has come, as `Store.headOf` has it: replicas with equal heads hold the same of it. */
export type Head = Omit<RecordHead, "changed">;

export interface Place {
  readonly height: number;
  readonly id: Uint8Array;
}

export type Want = { readonly type: "want"; readonly record: Uint8Array } & (
  | { readonly part: "steps"; readonly after: readonly Place[] }
  | { readonly part: "beside"; readonly cursor: number }
  | { readonly part: "bodies"; readonly hashes: readonly Uint8Array[] }
);

export type Item =
  | { readonly kind: "transaction"; readonly bytes: Uint8Array; readonly body: Uint8Array | null }
  | { readonly kind: "statement"; readonly bytes: Uint8Array }
  | { readonly kind: "body"; readonly body: Uint8Array };

/** Which records are followed. */
export type Interests = readonly Uint8Array[] | "all";

export interface Heads {
  readonly type: "heads";
  /** Of the `follow` that it answers. */
  readonly round: number;
  /** Whoever has these has read the log up to there. */
  readonly upTo: number;
  readonly isAll: boolean;
  readonly heads: readonly Head[];
}

export interface Items {
  readonly type: "items";
  readonly record: Uint8Array;
  readonly part: Part;
  readonly end: End;
  /** Where more follows: the height of the last step, or the place in the log of the last thing beside; 0 otherwise. */
  readonly next: number;
  readonly items: readonly Item[];
}

export type SyncMessage =
  | { readonly type: "hello"; readonly store: Uint8Array }
  | { readonly type: "follow"; readonly round: number; readonly cursor: number; readonly records: Interests }
  | { readonly type: "next"; readonly cursor: number }
  | Heads
  | Want
  | Items
  | { readonly type: "goodbye"; readonly reason: string };

const TYPES = ["hello", "follow", "next", "heads", "want", "items", "goodbye"] as const;
const PARTS = ["unasked", "steps", "beside", "bodies"] as const;
const ENDS = ["more", "all", "unconnected"] as const;
export type Part = (typeof PARTS)[number];
export type End = (typeof ENDS)[number];
const KIND = { transaction: 1, withBody: 2, statement: 3, body: 4 } as const;
const DIGEST_BYTES = 16;
const ALL = 0;
const SOME = 1;

export function encodeSyncMessage(message: SyncMessage): Uint8Array {
  const w = new Writer().u8(TYPES.indexOf(message.type));
  switch (message.type) {
    case "hello":
      return w.u8(VERSION).fixed(message.store).finish();
    case "follow": {
      writeU64(w.u32(message.round), message.cursor);
      if (message.records === "all") return w.u8(ALL).finish();
      w.u8(SOME).u16(message.records.length);
      for (const record of message.records) w.fixed(record);
      return w.finish();
    }
    case "next":
      writeU64(w, message.cursor);
      return w.finish();
    case "heads":
      writeU64(w.u32(message.round), message.upTo);
      w.u8(message.isAll ? 1 : 0).u16(message.heads.length);
      for (const { record, height, head, digest } of message.heads)
        w.fixed(record).u32(height).fixed(head).fixed(digest);
      return w.finish();
    case "want":
      return encodeWant(w, message);
    case "items":
      w.fixed(message.record).u8(PARTS.indexOf(message.part)).u8(ENDS.indexOf(message.end));
      writeU64(w, message.next);
      w.u16(message.items.length);
      for (const item of message.items) writeItem(w, item);
      return w.finish();
    case "goodbye": {
      const reason = new TextEncoder().encode(message.reason);
      return w.u8(reason.length).fixed(reason).finish();
    }
  }
}

/** Returns null for anything but one whole message within its bounds. What it has is views. */
export function decodeSyncMessage(bytes: Uint8Array): SyncMessage | null {
  if (bytes.length > MAX_FRAME_BYTES) return null;
  const r = new Reader(bytes);
  const message = read(r);
  return r.ok && r.remaining === 0 ? message : null;
}

/** How many bytes an item takes in its message. */
export function itemBytes(item: Item): number {
  const body = item.kind === "statement" ? null : item.body;
  return ITEM_HEADER_BYTES + (item.kind === "body" ? 0 : item.bytes.length) + (body?.length ?? 0);
}

function encodeWant(w: Writer, want: Want): Uint8Array {
  w.fixed(want.record).u8(PARTS.indexOf(want.part));
  switch (want.part) {
    case "steps":
      w.u8(want.after.length);
      for (const { height, id } of want.after) w.u32(height).fixed(id);
      return w.finish();
    case "beside":
      writeU64(w, want.cursor);
      return w.finish();
    case "bodies":
      w.u8(want.hashes.length);
      for (const hash of want.hashes) w.fixed(hash);
      return w.finish();
  }
}

function writeItem(w: Writer, item: Item): void {
  switch (item.kind) {
    case "transaction":
      w.u8(item.body ? KIND.withBody : KIND.transaction)
        .u16(item.bytes.length)
        .fixed(item.bytes);
      if (item.body) w.u32(item.body.length).fixed(item.body);
      return;
    case "statement":
      w.u8(KIND.statement).u16(item.bytes.length).fixed(item.bytes);
      return;
    case "body":
      w.u8(KIND.body).u32(item.body.length).fixed(item.body);
  }
}

function read(r: Reader): SyncMessage | null {
  const type = TYPES[r.u8()];
  switch (type) {
    case "hello":
      return r.u8() === VERSION ? { type, store: r.fixed(STORE_ID_BYTES) } : null;
    case "follow": {
      const [round, cursor, form] = [r.u32(), readU64(r), r.u8()];
      if (cursor === undefined || form > SOME) return null;
      const records = form === ALL ? "all" : list(r, r.u16(), MAX_INTERESTS, () => r.fixed(ID_BYTES));
      return records && { type, round, cursor, records };
    }
    case "next": {
      const cursor = readU64(r);
      return cursor === undefined ? null : { type, cursor };
    }
    case "heads": {
      const [round, upTo, end] = [r.u32(), readU64(r), r.u8()];
      const heads = list(r, r.u16(), MAX_HEADS, () => readHead(r));
      return heads && upTo !== undefined && end <= 1 ? { type, round, upTo, isAll: end === 1, heads } : null;
    }
    case "want":
      return readWant(r);
    case "items":
      return readItems(r);
    case "goodbye": {
      const length = r.u8();
      const reason = length <= MAX_REASON_BYTES ? new TextDecoder().decode(r.fixed(length)) : "";
      return WORD.test(reason) ? { type, reason } : null;
    }
    default:
      return null;
  }
}

function readHead(r: Reader): Head {
  return { record: r.fixed(ID_BYTES), height: r.u32(), head: r.fixed(ID_BYTES), digest: r.fixed(DIGEST_BYTES) };
}

function readWant(r: Reader): Want | null {
  const record = r.fixed(ID_BYTES);
  const part = PARTS[r.u8()];
  switch (part) {
    case "steps": {
      const after = list(r, r.u8(), MAX_LOCATOR, () => ({ height: r.u32(), id: r.fixed(ID_BYTES) }));
      return after && { type: "want", record, part, after };
    }
    case "beside": {
      const cursor = readU64(r);
      return cursor === undefined ? null : { type: "want", record, part, cursor };
    }
    case "bodies": {
      const hashes = list(r, r.u8(), MAX_WANTED_BODIES, () => r.fixed(ID_BYTES));
      return hashes && { type: "want", record, part, hashes };
    }
    default:
      return null;
  }
}

function readItems(r: Reader): Items | null {
  const record = r.fixed(ID_BYTES);
  const [part, end, next] = [PARTS[r.u8()], ENDS[r.u8()], readU64(r)];
  const items = list(r, r.u16(), MAX_ITEMS, () => readItem(r));
  if (!part || !end || !items || next === undefined || (next > 0 && end !== "more")) return null;
  return { type: "items", record, part, end, next, items };
}

function readItem(r: Reader): Item | null {
  const kind = r.u8();
  switch (kind) {
    case KIND.transaction:
    case KIND.withBody: {
      const bytes = bounded(r, r.u16(), MAX_TRANSACTION_BYTES);
      const body = kind === KIND.withBody ? bounded(r, r.u32(), MAX_BODY_BYTES) : null;
      return bytes && (body || kind === KIND.transaction) ? { kind: "transaction", bytes, body } : null;
    }
    case KIND.statement: {
      const bytes = bounded(r, r.u16(), MAX_STATEMENT_BYTES);
      return bytes && { kind: "statement", bytes };
    }
    case KIND.body: {
      const body = bounded(r, r.u32(), MAX_BODY_BYTES);
      return body && { kind: "body", body };
    }
    default:
      return null;
  }
}

function bounded(r: Reader, length: number, most: number): Uint8Array | null {
  return length <= most ? r.fixed(length) : null;
}

/** Null when there are more than `most`, or they end before, or one is none. */
function list<Each>(r: Reader, count: number, most: number, each: () => Each | null): Each[] | null {
  if (count > most) return null;
  const all: Each[] = [];
  while (all.length < count) {
    const next = each();
    if (!r.ok || next === null) return null;
    all.push(next);
  }
  return all;
}
