/**
 * What a cloud says in public: that it has accepted these transactions, in this order. Each block adds to one tree (`merkle.ts`), and names
 * the block before. All numbers little-endian.
 *   header     version u8 = 1 ‖ ovx 32 ‖ height u64 ‖ previous 32 ‖ size u64 ‖ root 32 ‖ time u64 ‖ key 32 ‖ signature 64
 *   statement  header ‖ transaction id 32 ‖ position u64 ‖ hashes u8 ‖ each 32
 *   fork       header ‖ header: two of one cloud that cannot both be
 * `previous` is the id of the block before, of the first all zeros; `size` and `root` are of the tree with this block's leaves. An id is
 * SHA-256 of a domain and all but the signature; that domain and the id are signed. One meaning has one encoding.
 */
import { sameBytes } from "../../base/bytes.ts";
import { PUBLIC_KEY_BYTES } from "../../base/public-key.ts";
import { type KeyPair, sign, verify } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { ID_BYTES } from "./ids.ts";
import { HASH_BYTES, isIncluded, MAX_PATH } from "./merkle.ts";
import { readU64, writeU64 } from "./operands.ts";

const VERSION = 1;
const KEY_AT = 1 + 32 + 8 + 32 + 8 + 32 + 8;
const ID_DOMAIN = new TextEncoder().encode("dnetdb block 1\0");
const SIGNATURE_BYTES = 64;
export const HEADER_BYTES = 1 + 32 + 8 + 32 + 8 + 32 + 8 + 32 + SIGNATURE_BYTES;
export const MAX_STATEMENT_BYTES = HEADER_BYTES + 32 + 8 + 1 + MAX_PATH * HASH_BYTES;
/** What the first block has for the one before. */
export const NO_BLOCK = new Uint8Array(ID_BYTES);

export interface BlockFields {
  /** The cloud's record. */
  readonly ovx: Uint8Array;
  /** From 0. */
  readonly height: number;
  readonly previous: Uint8Array;
  /** How many transactions the tree has. */
  readonly size: number;
  readonly root: Uint8Array;
  /** Ms since 1970. */
  readonly time: number;
  /** The cloud's, or one that it had. */
  readonly key: Uint8Array;
}

export interface Block extends BlockFields {
  readonly id: Uint8Array;
  readonly signature: Uint8Array;
}

/** That one transaction is among what a block's tree has. */
export interface Statement {
  readonly block: Block;
  readonly transaction: Uint8Array;
  readonly position: number;
  readonly path: readonly Uint8Array[];
}

/** Two blocks of one cloud that cannot both be: proof that it has no word. */
export interface CloudFork {
  readonly one: Block;
  readonly other: Block;
}

export function signBlock(fields: BlockFields, { secretKey }: KeyPair): Block {
  const id = idOf(fields);
  return { ...fields, id, signature: sign(signable(id), secretKey) };
}

export function encodeBlock(block: Block): Uint8Array {
  return new Writer().fixed(coreOf(block)).fixed(block.signature).finish();
}

/** Null for anything but one header that its key has signed. */
export function decodeBlock(bytes: Uint8Array): Block | null {
  const r = new Reader(bytes.slice(0, HEADER_BYTES + 1));
  const block = readBlock(r);
  return block && r.remaining === 0 ? block : null;
}

export function encodeStatement({ block, transaction, position, path }: Statement): Uint8Array {
  const w = new Writer().fixed(encodeBlock(block)).fixed(transaction);
  writeU64(w, position);
  w.u8(path.length);
  for (const hash of path) w.fixed(hash);
  return w.finish();
}

/** Null for anything but a statement that its block bears out and its key has signed. Whose key that is, is for the store to know. */
export function decodeStatement(bytes: Uint8Array): Statement | null {
  if (bytes.length > MAX_STATEMENT_BYTES) return null;
  const r = new Reader(bytes.slice());
  const block = readBlock(r);
  const transaction = r.fixed(ID_BYTES);
  const position = readU64(r);
  const count = r.u8();
  if (!block || position === undefined || count > MAX_PATH) return null;
  const path = Array.from({ length: count }, () => r.fixed(HASH_BYTES));
  if (!r.ok || r.remaining > 0) return null;
  return isIncluded(transaction, position, path, block) ? { block, transaction, position, path } : null;
}

export function encodeFork({ one, other }: CloudFork): Uint8Array {
  return new Writer().fixed(encodeBlock(one)).fixed(encodeBlock(other)).finish();
}

/** With which a statement was signed that is none but a whole one. */
export function keyOfStatement(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(KEY_AT, KEY_AT + PUBLIC_KEY_BYTES);
}

/** Null for anything but two signed blocks of one cloud that cannot both be. No statement has this length. */
export function decodeFork(bytes: Uint8Array): CloudFork | null {
  if (bytes.length !== 2 * HEADER_BYTES) return null;
  const one = decodeBlock(bytes.subarray(0, HEADER_BYTES));
  const other = one && decodeBlock(bytes.subarray(HEADER_BYTES));
  return one && other && sameBytes(one.ovx, other.ovx) && !canBoth(one, other) ? { one, other } : null;
}

/** Whether one cloud that keeps to its word may have signed both. */
export function canBoth(a: Block, b: Block): boolean {
  if (a.height === b.height) return sameBytes(a.id, b.id);
  const [earlier, later] = a.height < b.height ? [a, b] : [b, a];
  if (later.height === earlier.height + 1 && !sameBytes(later.previous, earlier.id)) return false;
  return later.size > earlier.size && later.time >= earlier.time;
}

function readBlock(r: Reader): Block | null {
  if (r.u8() !== VERSION) return null;
  const ovx = r.fixed(ID_BYTES);
  const height = readU64(r);
  const previous = r.fixed(ID_BYTES);
  const size = readU64(r);
  const root = r.fixed(HASH_BYTES);
  const time = readU64(r);
  const [key, signature] = [r.fixed(32), r.fixed(SIGNATURE_BYTES)];
  if (!r.ok || height === undefined || size === undefined || time === undefined) return null;
  const fields = { ovx, height, previous, size, root, time, key };
  const id = idOf(fields);
  return verify(signature, signable(id), key) ? { ...fields, id, signature } : null;
}

function coreOf({ ovx, height, previous, size, root, time, key }: BlockFields): Uint8Array {
  const w = new Writer().u8(VERSION).fixed(ovx);
  writeU64(w, height);
  w.fixed(previous);
  writeU64(w, size);
  w.fixed(root);
  writeU64(w, time);
  return w.fixed(key).finish();
}

function idOf(fields: BlockFields): Uint8Array {
  return sha256(ID_DOMAIN, coreOf(fields));
}

function signable(id: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([ID_DOMAIN, id]));
}
