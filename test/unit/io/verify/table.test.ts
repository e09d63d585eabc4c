/** What the verifying thread has found good, in memory that it shares with the one that judges. */
import { expect, test } from "bun:test";
import { VerifiedTable } from "../../../../src/io/verify/table.ts";
import { SeededRandom } from "../../../support/random.ts";

const random = new SeededRandom(1);
const any = () => ({ id: random.bytes(32), signature: { publicKey: random.bytes(32), bytes: random.bytes(64) } });
const flipped = (bytes: Uint8Array, bit: number) => bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));

test("what one thread has put there the other has, in that batch alone", () => {
  const mine = new VerifiedTable();
  const theirs = new VerifiedTable(mine.shared);
  const all = Array.from({ length: 500 }, any);
  for (const { id, signature } of all) theirs.put(1, id, signature);
  const has = (batch: number) => all.map(({ id, signature }) => mine.has(batch, id, signature));
  expect(has(1).every(Boolean)).toBe(true);
  expect([has(2), has(0)].flat().some(Boolean)).toBe(false);
  theirs.put(2, all[0]!.id, all[0]!.signature);
  expect(mine.has(2, all[0]!.id, all[0]!.signature)).toBe(true);
});

test("with any other bit of the transaction's id, the key or the signature, it is not there", () => {
  const table = new VerifiedTable();
  const { id, signature } = any();
  const { publicKey, bytes } = signature;
  table.put(1, id, signature);
  for (let bit = 0; bit < 256; bit++) {
    expect(table.has(1, flipped(id, bit), signature)).toBe(false);
    expect(table.has(1, id, { publicKey: flipped(publicKey, bit), bytes })).toBe(false);
  }
  for (let bit = 0; bit < 512; bit++) expect(table.has(1, id, { publicKey, bytes: flipped(bytes, bit) })).toBe(false);
  expect(table.has(1, id, { publicKey, bytes: bytes.subarray(0, 63) })).toBe(false);
  expect(table.has(1, id, signature)).toBe(true);
});

test("where signatures are made to begin alike, a few are there, and the others are only not found", () => {
  const table = new VerifiedTable();
  const alike = Array.from({ length: 5_000 }, any).map(({ id, signature: { publicKey, bytes } }) => ({
    id,
    signature: { publicKey, bytes: Uint8Array.of(7, 7, ...bytes.subarray(2)) },
  }));
  for (const { id, signature } of alike) table.put(1, id, signature);
  const found = alike.filter(({ id, signature }) => table.has(1, id, signature));
  expect(found).toEqual(alike.slice(0, 8));
});

test("more than it holds are not found, and it holds no more", () => {
  const table = new VerifiedTable();
  const { byteLength } = table.shared;
  const many = Array.from({ length: 10_000 }, any);
  for (const { id, signature } of many) table.put(1, id, signature);
  const found = many.filter(({ id, signature }) => table.has(1, id, signature));
  expect(found.length).toBeGreaterThan(4_000);
  expect(found.length).toBeLessThanOrEqual(4_096);
  expect(table.shared.byteLength).toBe(byteLength);
});

test("a batch that begins has had none of it judged", () => {
  const table = new VerifiedTable();
  table.batch = 1;
  table.countJudged();
  table.countJudged();
  expect([table.batch, table.judged, table.begun]).toEqual([1, 2, 0]);
  table.batch = 2;
  expect([table.batch, table.judged]).toEqual([2, 0]);
});
