/**
 * A record in the DHT, for who knows nothing but its id and finds no replica. Whoever has the record may put it there, and what
 * is found proves itself, as from any stranger. All numbers little-endian.
 *   head     a mutable value under the key pair that the id gives: version u8 = 1 ‖ of the chain and of the rest each length
 *            u32 ‖ root 32
 *   strings  the two of `record-string.ts`: the chain is only ever added to, so that all but its last values stay
 *   values   immutable ones: the string in pieces of 1,000 bytes, then the hashes of 31 of those in a page, and so on up to one,
 *            the root. An empty string has none, and zeros for its root
 *   topic    under it those announce themselves who have the record and share it
 * Everyone who knows the id knows the key pair, so anyone of them can overwrite the head, with an older one or with nonsense, and
 * announce what is no replica. That hides a record, at worst, or what is new of it; it changes nothing of what is found.
 */
import { sameBytes } from "../../base/bytes.ts";
import { blake2b256 } from "../../crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { writeRecord } from "./record-string.ts";
import type { Store } from "./store.ts";

const VERSION = 1;
const KEY_DOMAIN = new TextEncoder().encode("dnetdb dht record 1\0");
const TOPIC_DOMAIN = new TextEncoder().encode("dnetdb dht topic 1\0");
const HASH_BYTES = 32;
export const PIECE_BYTES = 1_000;
/** As many hashes as fit into one value. */
const PAGE_HASHES = 31;
/**
 * Of each string: the steps and bodies of some 6,000 members, in 4,200 values. A longer one is not put there, and one that says it
 * is longer is not fetched.
 */
export const MAX_STRING_BYTES = 4 << 20;
const NO_ROOT = new Uint8Array(HASH_BYTES);

/** Where a string is. */
export interface StringHead {
  readonly length: number;
  /** 32 bytes: BLAKE2b-256, as the DHT names immutable values. */
  readonly root: Uint8Array;
}

export interface DhtHead {
  readonly chain: StringHead;
  readonly rest: StringHead;
}

/** What anyone who knows the id finds the head by. */
export function dhtKeyPair(record: Uint8Array): KeyPair {
  return keyPairFromSeed(sha256(KEY_DOMAIN, record));
}

/** 32 bytes. */
export function dhtTopic(record: Uint8Array): Uint8Array {
  return sha256(TOPIC_DOMAIN, record);
}

export function encodeDhtHead({ chain, rest }: DhtHead): Uint8Array {
  const w = new Writer().u8(VERSION);
  for (const { length, root } of [chain, rest]) w.u32(length).fixed(root);
  return w.finish();
}

/** Null for anything but a head of strings that are not too long. */
export function decodeDhtHead(bytes: Uint8Array): DhtHead | null {
  const r = new Reader(bytes.slice());
  const isKnown = r.u8() === VERSION;
  const [chain, rest] = [readStringHead(r), readStringHead(r)];
  return isKnown && chain && rest && r.ok && r.remaining === 0 ? { chain, rest } : null;
}

export interface DhtRecord {
  readonly head: Uint8Array;
  /** What it leads to. */
  readonly values: readonly Uint8Array[];
}

/** Null when the record is not here, or too long. */
export function exportRecord(store: Store, record: Uint8Array): DhtRecord | null {
  if (!store.headOf(record) || store.bytesOf(record) > 2 * MAX_STRING_BYTES) return null;
  const { chain, rest } = writeRecord(store, record);
  if (Math.max(chain.length, rest.length) > MAX_STRING_BYTES) return null;
  const [first, second] = [cutString(chain), cutString(rest)];
  return { head: encodeDhtHead({ chain: first.head, rest: second.head }), values: [...first.values, ...second.values] };
}

interface CutString {
  readonly head: StringHead;
  readonly values: Uint8Array[];
}

/** Pieces first, then pages, and the root last. */
export function cutString(bytes: Uint8Array): CutString {
  if (bytes.length === 0) return { head: { length: 0, root: NO_ROOT }, values: [] };
  const values: Uint8Array[] = [];
  let level = parts(bytes, PIECE_BYTES);
  for (;;) {
    values.push(...level);
    if (level.length === 1) return { head: { length: bytes.length, root: blake2b256(level[0]!) }, values };
    level = parts(new Uint8Array(Buffer.concat(level.map((value) => blake2b256(value)))), PAGE_HASHES * HASH_BYTES);
  }
}

/**
 * Puts a string together from values as they are found, from the root down. What it takes is bounded by the length that its
 * head says.
 */
export class StringGathering {
  readonly #head: StringHead;
  /** How many values each level has, pieces first. */
  readonly #counts: number[] = [];
  readonly #bytes: Uint8Array;
  /** By the hash that is looked for: where in which level it belongs. The same bytes may stand in several places. */
  readonly #wanted = new Map<string, { readonly hash: Uint8Array; readonly level: number; readonly at: number[] }>();
  /** What was found cannot be what the head says. */
  isBroken = false;

  constructor(head: StringHead) {
    this.#head = head;
    this.#bytes = new Uint8Array(head.length);
    for (let count = Math.ceil(head.length / PIECE_BYTES); count > 0; count = Math.ceil(count / PAGE_HASHES)) {
      this.#counts.push(count);
      if (count === 1) break;
    }
    if (head.length > 0) this.#want(head.root, this.#counts.length - 1, 0);
  }

  /** Hashes of values to look for, at most so many. */
  wanted(limit: number): Uint8Array[] {
    return [...this.#wanted.values()].slice(0, limit).map(({ hash }) => hash);
  }

  /** Whether it was looked for. */
  give(value: Uint8Array): boolean {
    const name = blake2b256(value).toHex();
    const wanted = this.#wanted.get(name);
    if (!wanted || this.isBroken) return false;
    this.#wanted.delete(name);
    for (const at of wanted.at) this.#place(value, wanted.level, at);
    return true;
  }

  /** Null until all of it is there. */
  get bytes(): Uint8Array | null {
    return this.#wanted.size === 0 && !this.isBroken ? this.#bytes : null;
  }

  #place(value: Uint8Array, level: number, at: number): void {
    if (level === 0) {
      const from = at * PIECE_BYTES;
      if (value.length !== Math.min(PIECE_BYTES, this.#head.length - from)) this.#break();
      else this.#bytes.set(value, from);
      return;
    }
    const first = at * PAGE_HASHES;
    const count = Math.min(PAGE_HASHES, this.#counts[level - 1]! - first);
    if (value.length !== count * HASH_BYTES) return this.#break();
    for (let i = 0; i < count; i++) this.#want(value.slice(i * HASH_BYTES, (i + 1) * HASH_BYTES), level - 1, first + i);
  }

  #want(hash: Uint8Array, level: number, at: number): void {
    const known = this.#wanted.get(hash.toHex());
    if (!known) this.#wanted.set(hash.toHex(), { hash, level, at: [at] });
    else if (known.level === level) known.at.push(at);
    else this.#break(); // a page that has itself below it
  }

  #break(): void {
    this.isBroken = true;
    this.#wanted.clear();
  }
}

function parts(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

function readStringHead(r: Reader): StringHead | null {
  const head = { length: r.u32(), root: r.fixed(HASH_BYTES) };
  const isEmpty = head.length === 0;
  return head.length <= MAX_STRING_BYTES && isEmpty === sameBytes(head.root, NO_ROOT) ? head : null;
}
