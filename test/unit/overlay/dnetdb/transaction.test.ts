import { expect, test } from "bun:test";
import { OPS, type OpName } from "../../../../src/overlay/dnetdb/script.ts";
import {
  AMOUNT,
  decodeTransaction,
  draft,
  encodeTransaction,
  isSignedBy,
  MAX_TRANSACTION_BYTES,
  signTransaction,
  type Transaction,
  withSignatures,
} from "../../../../src/overlay/dnetdb/transaction.ts";
import { anyKeyPair, anyScript } from "../../../support/dnetdb.ts";
import { SeededRandom } from "../../../support/random.ts";

const NAMES = Object.keys(OPS) as OpName[];

function anyTransaction(random: SeededRandom): Transaction {
  const outputs = Array.from({ length: 1 + random.below(2) }, () => ({
    amount: AMOUNT,
    script: anyScript(random, random.pick(NAMES)),
  }));
  const unsigned = draft({
    time: random.below(2 ** 45),
    input: random.chance(0.8) ? { transaction: random.bytes(32), output: random.below(2) } : null,
    outputs,
    bodyHash: random.chance(0.5) ? random.bytes(32) : null,
  });
  const signers = Array.from({ length: random.below(4) }, () => anyKeyPair(random));
  return signers.reduce((transaction, keyPair) => signTransaction(transaction, keyPair), unsigned);
}

test("transactions round-trip, and their ids do not depend on who has signed", () => {
  const random = new SeededRandom(1);
  for (let i = 0; i < 300; i++) {
    const transaction = anyTransaction(random);
    const bytes = encodeTransaction(transaction);
    expect(bytes.length).toBeLessThanOrEqual(MAX_TRANSACTION_BYTES);
    expect(decodeTransaction(bytes)).toEqual(transaction);
    expect(signTransaction(transaction, anyKeyPair(random)).id).toEqual(transaction.id);
  }
});

test("k of n may sign in any order, and apart; twice is once", () => {
  const random = new SeededRandom(2);
  const plain = draft({
    time: 1,
    input: null,
    outputs: [{ amount: AMOUNT, script: anyScript(random, "OP_MINT") }],
    bodyHash: null,
  });
  const [a, b, c] = [anyKeyPair(random), anyKeyPair(random), anyKeyPair(random)];
  const one = [a, b, c].reduce(signTransaction, plain);
  const two = [c, a, b, a].reduce(signTransaction, plain);
  expect(encodeTransaction(one)).toEqual(encodeTransaction(two));
  const apart = withSignatures(signTransaction(plain, b), [
    ...signTransaction(plain, c).signatures,
    ...signTransaction(plain, a).signatures,
  ]);
  expect(encodeTransaction(apart)).toEqual(encodeTransaction(one));
  for (const signature of one.signatures) expect(isSignedBy(one, signature)).toBe(true);
  const other = draft({ ...plain, time: 2 });
  for (const signature of one.signatures) expect(isSignedBy(other, signature)).toBe(false);
});

test("any byte changed makes it another transaction, or none, or one that is not signed; and it is never thrown at", () => {
  const random = new SeededRandom(3);
  for (let i = 0; i < 20; i++) {
    const transaction = signTransaction(anyTransaction(random), anyKeyPair(random));
    const bytes = encodeTransaction(transaction);
    for (let length = 0; length < bytes.length; length++) {
      const cut = decodeTransaction(bytes.subarray(0, length));
      expect(cut === null || "version" in cut).toBe(true);
    }
    expect(decodeTransaction(new Uint8Array([...bytes, 0]))).toBeNull();
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << random.below(8);
      const decoded = decodeTransaction(changed);
      if (!decoded || "version" in decoded) continue;
      expect(encodeTransaction(decoded)).toEqual(changed);
      const isSame = Buffer.compare(decoded.id, transaction.id) === 0;
      if (isSame) expect(decoded.signatures.every((signature) => isSignedBy(decoded, signature))).toBe(false);
    }
  }
  for (let i = 0; i < 3_000; i++) decodeTransaction(random.bytes(random.below(300)));
});

test("a later version is known by all its bytes, and nothing more is read of it", () => {
  const bytes = Uint8Array.of(2, 1, 2, 3);
  const decoded = decodeTransaction(bytes)!;
  expect(decoded).toMatchObject({ version: 2 });
  expect(decodeTransaction(Uint8Array.of(2, 1, 2, 4))!.id).not.toEqual(decoded.id);
  expect(decodeTransaction(new Uint8Array(MAX_TRANSACTION_BYTES + 1).fill(2))).toBeNull();
});
