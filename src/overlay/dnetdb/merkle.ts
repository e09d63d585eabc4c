/**
 * The Merkle tree of RFC 6962 §2.1 over transaction ids: what a cloud has accepted, in its order. A tree of more leaves keeps all of what it
 * had, and can show it.
 *   leaf  SHA-256(0 ‖ id)        node  SHA-256(1 ‖ left ‖ right)
 * A tree is kept as the hashes of its complete subtrees: level 0 has the leaves, and each further level one hash for two of the one below.
 */
import { sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";

export const HASH_BYTES = 32;
/** Of trees of up to 2^48 leaves, and there are no more. */
export const MAX_PATH = 48;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const EMPTY = sha256(new Uint8Array(0));

/** The hash of the complete subtree of 2^level leaves that begins at leaf `position` × 2^level. */
export type Subtrees = (level: number, position: number) => Uint8Array;

export function leafHash(id: Uint8Array): Uint8Array {
  return sha256(LEAF, id);
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right);
}

/** The complete subtrees that leaf number `position` makes, lowest first. */
export function* completedBy(
  position: number,
  hash: Uint8Array,
  subtrees: Subtrees,
): Generator<{ level: number; position: number; hash: Uint8Array }> {
  yield { level: 0, position, hash };
  for (let level = 0, at = position, node = hash; at % 2 === 1; level++) {
    node = nodeHash(subtrees(level, at - 1), node);
    at = (at - 1) / 2;
    yield { level: level + 1, position: at, hash: node };
  }
}

/** Of the first `size` leaves. */
export function treeRoot(size: number, subtrees: Subtrees): Uint8Array {
  return size === 0 ? EMPTY : rangeHash(0, size, subtrees);
}

/** That leaf `position` is among the first `size`: the hashes beside its way up, lowest first (RFC 6962 §2.1.1). */
export function inclusionPath(position: number, size: number, subtrees: Subtrees): Uint8Array[] {
  const path: Uint8Array[] = [];
  for (let [from, to] = [0, size]; to - from > 1; ) {
    const split = from + splitOf(to - from);
    const isLeft = position < split;
    path.unshift(isLeft ? rangeHash(split, to, subtrees) : rangeHash(from, split, subtrees));
    if (isLeft) to = split;
    else from = split;
  }
  return path;
}

/** Whether the id is leaf `position` of the tree with that root. All may be a stranger's. Source: RFC 9162 §2.1.3.2. */
export function isIncluded(
  id: Uint8Array,
  position: number,
  path: readonly Uint8Array[],
  tree: { readonly size: number; readonly root: Uint8Array },
): boolean {
  if (position >= tree.size) return false;
  let [at, last, hash] = [position, tree.size - 1, leafHash(id)];
  for (const beside of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(beside, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = nodeHash(hash, beside);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(hash, tree.root);
}

/** That the tree of `size` leaves begins with that of `from` (RFC 6962 §2.1.2); empty where there is nothing to show. */
export function consistencyPath(from: number, size: number, subtrees: Subtrees): Uint8Array[] {
  if (from === 0 || from === size) return [];
  const path: Uint8Array[] = [];
  let [start, end, isWhole] = [0, size, true];
  while (from !== end) {
    const split = start + splitOf(end - start);
    if (from <= split) {
      path.unshift(rangeHash(split, end, subtrees));
      end = split;
    } else {
      path.unshift(rangeHash(start, split, subtrees));
      [start, isWhole] = [split, false];
    }
  }
  if (!isWhole) path.unshift(rangeHash(start, end, subtrees));
  return path;
}

/** Whether the later tree begins with the earlier one. All may be a stranger's. Source: RFC 9162 §2.1.4.2. */
export function isConsistent(
  earlier: { readonly size: number; readonly root: Uint8Array },
  later: { readonly size: number; readonly root: Uint8Array },
  path: readonly Uint8Array[],
): boolean {
  if (earlier.size > later.size) return false;
  if (earlier.size === later.size) return path.length === 0 && sameBytes(earlier.root, later.root);
  if (earlier.size === 0) return path.length === 0 && sameBytes(earlier.root, EMPTY);
  const isPower = Number.isInteger(Math.log2(earlier.size));
  const [first, ...rest] = isPower ? [earlier.root, ...path] : path;
  if (!first) return false;
  let [at, last] = [earlier.size - 1, later.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [old, whole] = [first, first];
  for (const beside of rest) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      [old, whole] = [nodeHash(beside, old), nodeHash(beside, whole)];
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else whole = nodeHash(whole, beside);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && sameBytes(old, earlier.root) && sameBytes(whole, later.root);
}

/** Of leaves `from` to `to`, where `from` is where a subtree of that many begins. */
function rangeHash(from: number, to: number, subtrees: Subtrees): Uint8Array {
  const count = to - from;
  const level = Math.log2(count);
  if (Number.isInteger(level)) return subtrees(level, from / count);
  const split = from + splitOf(count);
  return nodeHash(rangeHash(from, split, subtrees), rangeHash(split, to, subtrees));
}

/** The greatest power of two below `count`. */
function splitOf(count: number): number {
  return 2 ** Math.floor(Math.log2(count - 1));
}

function half(value: number): number {
  return Math.floor(value / 2);
}
