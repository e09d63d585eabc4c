/** What the verifying thread does with a batch. */
import { expect, test } from "bun:test";
import { encodeBatch, LEAD, verifyBatch } from "../../../../src/io/verify/batch.ts";
import { VerifiedTable } from "../../../../src/io/verify/table.ts";
import { encodeTransaction, MAX_TRANSACTION_BYTES } from "../../../../src/overlay/dnetdb/transaction.ts";
import { Owner, type Signed } from "../../../support/replicas.ts";

const owner = new Owner(1);
const steps = Array.from({ length: 20 }, () => owner.add());
const bytesOf = (all: readonly Signed[]) => all.map(({ bytes }) => bytes);
const isFound = (table: VerifiedTable, batch: number, { transaction }: Signed) =>
  transaction.signatures.every((signature) => table.has(batch, transaction.id, signature));

test("it begins some way ahead of what is being judged, also when it is overtaken, and never works behind it", () => {
  const late = new VerifiedTable();
  late.batch = 3;
  for (let i = 0; i < 5; i++) late.countJudged();
  verifyBatch(late, encodeBatch(3, bytesOf(steps)));
  expect(steps.map((step) => isFound(late, 3, step))).toEqual(steps.map((_, at) => at >= 5 + LEAD));

  class Overtaking extends VerifiedTable {
    override put(...what: Parameters<VerifiedTable["put"]>): void {
      super.put(...what);
      while (this.judged < 3) this.countJudged();
    }
  }
  const overtaken = new Overtaking();
  overtaken.batch = 1;
  verifyBatch(overtaken, encodeBatch(1, bytesOf(steps)));
  expect(steps.map((step) => isFound(overtaken, 1, step))).toEqual(steps.map((_, at) => at === 0 || at >= 3 + LEAD));
});

test("a batch that is judged no more costs nothing, and one that ends in the midst ends there", () => {
  const table = new VerifiedTable();
  table.batch = 2;
  verifyBatch(table, encodeBatch(1, bytesOf(steps)));
  expect([steps.some((step) => isFound(table, 1, step)), table.begun]).toEqual([false, 1]);

  let left = 7;
  class EndsSoon extends VerifiedTable {
    override get batch() {
      return left-- > 0 ? 1 : 0;
    }
  }
  const ending = new EndsSoon();
  verifyBatch(ending, encodeBatch(1, bytesOf(steps)));
  expect(steps.filter((step) => isFound(ending, 1, step))).toEqual(steps.slice(0, 7));
});

test("nothing but a signature that is its key's is found good, and each keeps its place whatever stands beside it", () => {
  const table = new VerifiedTable();
  table.batch = 1;
  const [first, good, other, last] = steps as [Signed, Signed, Signed, Signed];
  // Another's signature, a later version, no transaction, and one that is too long.
  const forged = encodeTransaction({ ...other.transaction, signatures: good.transaction.signatures });
  const odd = [forged, Uint8Array.of(9, 9), Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(70_000)];
  expect(odd.at(-1)!.length).toBeGreaterThan(MAX_TRANSACTION_BYTES);
  verifyBatch(table, encodeBatch(1, [first.bytes, good.bytes, ...odd, last.bytes]));
  expect([good, last].map((step) => isFound(table, 1, step))).toEqual([true, true]);
  const [signature] = good.transaction.signatures;
  expect([table.has(1, other.id, signature!), isFound(table, 1, other)]).toEqual([false, false]);
});
