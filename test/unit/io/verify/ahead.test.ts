/** A store whose signatures are verified ahead says what it would say without, whatever becomes of who does it. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { VerifyAhead, type VerifyingThread } from "../../../../src/io/verify/ahead.ts";
import { type Batch, verifyBatch } from "../../../../src/io/verify/batch.ts";
import { VerifiedTable } from "../../../../src/io/verify/table.ts";
import { type Ahead, NOTHING_AHEAD } from "../../../../src/overlay/dnetdb/ahead.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { Owner, START } from "../../../support/replicas.ts";
import { until } from "../../../support/until.ts";

interface Told {
  readonly bytes: Uint8Array;
  readonly body: Uint8Array | null;
}

/** A record, and among its steps what must be refused: not signed, by another, with another's signature, with a bit of its own flipped. */
function written(members: number): Told[] {
  const [owner, stranger] = [new Owner(1), new Owner(2)];
  const all: Told[] = [...owner.first];
  for (let i = 0; i < members; i++) {
    const before = owner.head;
    const step = owner.add();
    if (i % 100 === 50) {
      const { transaction, body } = step;
      const [{ publicKey, bytes }] = transaction.signatures as [{ publicKey: Uint8Array; bytes: Uint8Array }];
      const signed = (signatures: Transaction["signatures"]) => ({
        bytes: encodeTransaction({ ...transaction, signatures }),
        body,
      });
      all.push(
        signed([]),
        signed(stranger.head.transaction.signatures),
        signed(before.transaction.signatures),
        signed([{ publicKey, bytes: bytes.with(40, bytes[40]! ^ 1) }]),
      );
    }
    all.push(step);
  }
  return all;
}

const bytesOf = (all: readonly Told[]) => all.map(({ bytes }) => bytes);
const verdictOf = (store: Store, { bytes, body }: Told) => {
  const verdict = store.accept(START, bytes, body);
  return verdict.status === "refused" ? verdict.why : verdict.status;
};
const tell = (ahead: Ahead, all: readonly Told[]) => {
  const store = new Store(new Database(":memory:"), undefined, ahead);
  return store.inBulk(bytesOf(all), () => all.map((each) => verdictOf(store, each)));
};

/** One that does its work at once when it is sent any, does none, or breaks. */
function thread(work: (table: VerifiedTable, batch: Batch) => void) {
  const seen = { started: 0, sent: [] as number[], stopped: 0, fail: () => {} };
  const start = (shared: SharedArrayBuffer): VerifyingThread => {
    seen.started++;
    const table = new VerifiedTable(shared);
    return {
      postMessage(batch: Batch) {
        seen.sent.push(batch.number);
        work(table, batch);
      },
      terminate: async () => ++seen.stopped,
      on(_event: unknown, listener: (error: Error) => void) {
        seen.fail = () => listener(new Error("gone"));
        return this as never;
      },
      unref() {},
    };
  };
  return { seen, start };
}

/** How often it was true that all signatures had been found good. */
function counting(ahead: Ahead) {
  const counted = { good: 0 };
  const take = (transaction: Transaction) => {
    const isGood = ahead.take(transaction);
    if (isGood) counted.good++;
    return isGood;
  };
  return { counted, ahead: { begin: ahead.begin.bind(ahead), take, end: ahead.end.bind(ahead) } };
}

const all = written(600);
const wanted = tell(NOTHING_AHEAD, all);

test("what is forged is refused by the same name with a Worker that verifies ahead as without it", async () => {
  expect(new Set(wanted)).toEqual(new Set(["accepted", "UNSIGNED", "WRONG_SIGNER", "FORGED"]));
  const worker = new VerifyAhead();
  const { counted, ahead } = counting(worker);
  const store = new Store(new Database(":memory:"), undefined, ahead);
  const last = new Owner(3);
  const list = [...bytesOf(all), last.head.bytes];
  try {
    worker.begin(list);
    await until("all of it is verified", () => worker.take(last.head.transaction), { withinMs: 30_000 });
    expect(all.map((each) => verdictOf(store, each))).toEqual(wanted);
    expect(counted.good).toBeGreaterThan(500);
  } finally {
    worker.close();
  }
});

test("the same where the Worker is at once done, never comes to anything, or is gone in the midst", () => {
  const atOnce = thread(verifyBatch);
  const { counted, ahead } = counting(new VerifyAhead(atOnce.start));
  expect(tell(ahead, all)).toEqual(wanted);
  const isGood = (verdict: string) => verdict === "accepted" || verdict === "UNSIGNED"; // which has none that is not its key's
  expect(counted.good).toBe(wanted.filter(isGood).length);
  expect(tell(new VerifyAhead(thread(() => {}).start), all)).toEqual(wanted);
  const gone = thread(verifyBatch);
  const broken = new VerifyAhead(gone.start);
  expect(tell(broken, all)).toEqual(wanted);
  gone.seen.fail();
  expect(tell(broken, all)).toEqual(wanted);
  expect(gone.seen).toMatchObject({ started: 1, sent: [1], stopped: 1 });
});

test("a command of a few steps starts no Worker; one is started once many were judged, and goes with the store", () => {
  const { seen, start } = thread(verifyBatch);
  const ahead = new VerifyAhead(start);
  for (let i = 0; i < 100; i++) ahead.begin(bytesOf(all.slice(0, 7)));
  ahead.begin(bytesOf(all.slice(0, 499)));
  expect(seen.started).toBe(0);
  ahead.begin(bytesOf(all.slice(0, 8)));
  ahead.begin(bytesOf(all.slice(0, 8)));
  expect(seen).toMatchObject({ started: 1, sent: [1, 2], stopped: 0 });
  ahead.close();
  ahead.begin(bytesOf(all));
  expect(seen).toMatchObject({ started: 1, sent: [1, 2], stopped: 1 });
});

test("to a Worker that has not looked at the last batch none is sent, so none waits in memory", () => {
  const { seen, start } = thread(() => {});
  const ahead = new VerifyAhead(start);
  for (let i = 0; i < 50; i++) ahead.begin(bytesOf(all));
  expect(seen.sent).toEqual([1]);
});

test("what was not told of in this batch is not taken for verified, nor anything after its end", () => {
  const ahead = new VerifyAhead(thread(verifyBatch).start);
  const owner = new Owner(4);
  const steps = Array.from({ length: 600 }, () => owner.add());
  ahead.begin(bytesOf(steps));
  expect([ahead.take(steps[5]!.transaction), ahead.take(new Owner(5).head.transaction)]).toEqual([true, false]);
  ahead.end();
  expect(ahead.take(steps[5]!.transaction)).toBe(false);
  ahead.begin(bytesOf(steps.slice(0, 300)));
  expect([ahead.take(steps[5]!.transaction), ahead.take(steps[400]!.transaction)]).toEqual([true, false]);
});
