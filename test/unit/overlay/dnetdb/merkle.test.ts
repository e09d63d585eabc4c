/** The tree against RFC 6962's own definition of it, for every size and place up to some. */
import { expect, test } from "bun:test";
import { sha256 } from "../../../../src/crypto/sha256.ts";
import {
  completedBy,
  consistencyPath,
  inclusionPath,
  isConsistent,
  isIncluded,
  leafHash,
  type Subtrees,
  treeRoot,
} from "../../../../src/overlay/dnetdb/merkle.ts";

const MOST = 40;
const ids = Array.from({ length: MOST }, (_, i) => sha256(Uint8Array.of(i)));
const nodes = new Map<string, Uint8Array>();
const subtrees: Subtrees = (level, position) => nodes.get(`${level} ${position}`)!;
for (const [i, id] of ids.entries()) {
  for (const { level, position, hash } of completedBy(i, leafHash(id), subtrees))
    nodes.set(`${level} ${position}`, hash);
}

/** RFC 6962 §2.1, word for word. */
function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

const treeOf = (size: number) => ({ size, root: treeRoot(size, subtrees) });

test("the root is the one of RFC 6962, for every size", () => {
  for (let size = 0; size <= MOST; size++) expect(treeRoot(size, subtrees)).toEqual(rootOf(ids.slice(0, size)));
});

test("DN-46 every leaf is shown to be where it is, and nowhere else, and nothing else is there", () => {
  for (let size = 1; size <= MOST; size++) {
    const tree = treeOf(size);
    for (let at = 0; at < size; at++) {
      const path = inclusionPath(at, size, subtrees);
      expect(isIncluded(ids[at]!, at, path, tree)).toBe(true);
      expect(isIncluded(ids[at]!, (at + 1) % (size + 1), path, tree)).toBe(size === 1 && at === 1);
      expect(isIncluded(ids[(at + 1) % MOST]!, at, path, tree)).toBe(false);
      expect(isIncluded(ids[at]!, at, [...path, ids[0]!], tree)).toBe(false);
      if (path.length > 0) expect(isIncluded(ids[at]!, at, path.slice(1), tree)).toBe(false);
      for (const [i, hash] of path.entries()) {
        const changed = path.with(i, hash.with(3, hash[3]! ^ 1));
        expect(isIncluded(ids[at]!, at, changed, tree)).toBe(false);
      }
    }
  }
});

test("every tree is shown to begin with every smaller one, and with no other", () => {
  for (let size = 1; size <= MOST; size++) {
    for (let from = 0; from <= size; from++) {
      const path = consistencyPath(from, size, subtrees);
      expect([from, size, isConsistent(treeOf(from), treeOf(size), path)]).toEqual([from, size, true]);
      const other = { size: from, root: rootOf(ids.slice(1, from + 1)) };
      expect([from, size, isConsistent(other, treeOf(size), path)]).toEqual([from, size, from === 0]);
      expect(isConsistent(treeOf(from), treeOf(size), [...path, ids[0]!])).toBe(false);
      for (const [i, hash] of path.entries()) {
        const changed = path.with(i, hash.with(3, hash[3]! ^ 1));
        expect(isConsistent(treeOf(from), treeOf(size), changed)).toBe(false);
      }
    }
  }
});
