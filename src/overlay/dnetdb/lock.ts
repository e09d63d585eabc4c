/**
 * Who may spend an output: the holder of one key, or of k of n. Keys stand as their hashes, sorted, so that one meaning has one form.
 *   binary  1 ‖ hash 20                          or  2 ‖ k u8 ‖ n u8 ‖ n hashes of 20, ascending
 *   text    OP_CHECK <C2PKH>                     or  OP_CHECK <k> <C2PKH> <C2PKH> ...
 */
import { compareBytes } from "../../base/bytes.ts";
import type { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { formatC2pkh, KEY_HASH_BYTES, parseC2pkh } from "./ids.ts";

const ONE = 1;
const SEVERAL = 2;
/** More owners than that are an organisation, and sign by one key. */
export const MAX_KEYS = 16;
const CHECK = "OP_CHECK";

export interface Lock {
  /** How many of the keys have to sign. */
  readonly needed: number;
  /** Each 20 bytes; ascending, none twice, at least one. */
  readonly keyHashes: readonly Uint8Array[];
}

/** Null when that many of these keys cannot be: none, too many, one twice, or more signatures than keys. */
export function lockTo(keyHashes: readonly Uint8Array[], needed = 1): Lock | null {
  const lock = { needed, keyHashes: [...keyHashes].sort(compareBytes) };
  return isPossible(lock) ? lock : null;
}

export function sameLock(a: Lock, b: Lock): boolean {
  const areSame = a.keyHashes.every((hash, i) => b.keyHashes[i] && compareBytes(hash, b.keyHashes[i]) === 0);
  return a.needed === b.needed && a.keyHashes.length === b.keyHashes.length && areSame;
}

export function writeLock(w: Writer, { needed, keyHashes }: Lock): void {
  if (keyHashes.length === 1) w.u8(ONE);
  else w.u8(SEVERAL).u8(needed).u8(keyHashes.length);
  for (const hash of keyHashes) w.fixed(hash);
}

export function lockBytes(lock: Lock): Uint8Array {
  const w = new Writer();
  writeLock(w, lock);
  return w.finish();
}

/** Null for what is no lock, or not in its one form. */
export function readLock(r: Reader): Lock | null {
  const kind = r.u8();
  if (kind !== ONE && kind !== SEVERAL) return null;
  const [needed, count] = kind === ONE ? [1, 1] : [r.u8(), r.u8()];
  if (count > MAX_KEYS || (kind === SEVERAL && count === 1)) return null;
  const keyHashes = Array.from({ length: count }, () => r.fixed(KEY_HASH_BYTES).slice());
  const lock = { needed, keyHashes };
  return r.ok && isPossible(lock) ? lock : null;
}

export function formatLock({ needed, keyHashes }: Lock): string {
  const keys = keyHashes.map(formatC2pkh).join(" ");
  return keyHashes.length === 1 ? `${CHECK} ${keys}` : `${CHECK} ${needed} ${keys}`;
}

/** The words after `OP_DROP`. Null for what is no lock; the order of the keys does not matter. */
export function parseLock(words: readonly string[]): Lock | null {
  const [check, first = "", ...rest] = words;
  if (check !== CHECK) return null;
  const isOne = rest.length === 0;
  if (!isOne && !/^[1-9]\d?$/.test(first)) return null;
  const keyHashes = (isOne ? [first] : rest).map(parseC2pkh);
  if (keyHashes.includes(null) || (!isOne && keyHashes.length === 1)) return null;
  return lockTo(keyHashes as Uint8Array[], isOne ? 1 : Number(first));
}

function isPossible({ needed, keyHashes }: Lock): boolean {
  const isAscending = keyHashes.every((hash, i) => i === 0 || compareBytes(keyHashes[i - 1]!, hash) < 0);
  const isCount = keyHashes.length >= 1 && keyHashes.length <= MAX_KEYS;
  return isCount && isAscending && Number.isInteger(needed) && needed >= 1 && needed <= keyHashes.length;
}
