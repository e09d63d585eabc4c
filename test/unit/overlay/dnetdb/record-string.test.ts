/** A record as bytes, and back. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readItems, readStrings, writeRecord } from "../../../../src/overlay/dnetdb/record-string.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import type { Item } from "../../../../src/overlay/dnetdb/sync-messages.ts";
import { SeededRandom } from "../../../support/random.ts";
import { Owner, type Signed, START } from "../../../support/replicas.ts";

const newStore = () => new Store(new Database(":memory:"));
const keep = (store: Store, { bytes, body }: Signed) => store.accept(START, bytes, body).status;
const entry = (kind: number, bytes: Uint8Array) => {
  const head = new Uint8Array(5);
  head[0] = kind;
  new DataView(head.buffer).setUint32(1, bytes.length, true);
  return [...head, ...bytes];
};

test("a record's strings are its steps with their bodies, and its joins", () => {
  const store = newStore();
  const owner = new Owner(1);
  const { invitation, join } = owner.invite();
  const after = owner.add();
  for (const step of [...owner.first, invitation, join, after]) expect(keep(store, step)).toBe("accepted");
  const written = writeRecord(store, owner.record);
  const of = (steps: readonly Signed[]) =>
    steps.flatMap(({ bytes, body }) => [...entry(1, bytes), ...(body ? entry(2, body) : [])]);
  expect([...written.chain]).toEqual(of([...owner.first, invitation, after]));
  expect([...written.rest]).toEqual(of([join]));
  expect(written.transactions).toBe(5);
  const items = [...owner.first, invitation, after, join].map(
    ({ bytes, body }): Item => ({ kind: "transaction", bytes, body }),
  );
  expect(readStrings(written.chain, written.rest)).toEqual(items);
  expect(writeRecord(store, new Uint8Array(32))).toMatchObject({ transactions: 0, chain: new Uint8Array(0) });
});

test("replicas that hold the same write the same bytes, whatever they heard first, with both of two that spend the same", () => {
  const owner = new Owner(2);
  const steps: Signed[] = [...owner.first];
  const pairs = Array.from({ length: 5 }, () => owner.invite());
  const forked = pairs[4]!.invitation;
  steps.push(...pairs.map(({ invitation }) => invitation));
  const rivals = [1, 2, 3].map((seed) =>
    owner.sign(forked, { op: "OP_DNET_POLICY", dnet: owner.record }, new SeededRandom(seed).bytes(90)),
  );
  const orders = [
    [...steps, ...pairs.map(({ join }) => join), ...rivals],
    [...steps, ...rivals.toReversed(), ...pairs.map(({ join }) => join).toReversed()],
  ];
  const [one, other] = orders.map((order) => {
    const store = newStore();
    for (const step of order) keep(store, step);
    return writeRecord(store, owner.record);
  });
  expect(one!.transactions).toBe(steps.length + 5 + 3);
  expect(one).toEqual(other!);
  // And each can be taken in right after those before it.
  const copy = newStore();
  for (const item of readStrings(one!.chain, one!.rest)!) {
    if (item.kind === "transaction") expect(copy.accept(START, item.bytes, item.body).status).not.toBe("refused");
  }
  expect(writeRecord(copy, owner.record)).toEqual(one!);
});

test("what is cut short, of another kind, too long or a body of nothing is damaged; what came before was whole", () => {
  const read = (bytes: readonly number[]) => {
    let at = 0;
    const items = readItems((length) => {
      at += length;
      return Uint8Array.from(bytes.slice(at - length, at));
    });
    let count = 0;
    for (let next = items.next(); ; next = items.next()) {
      if (next.done) return [count, next.value];
      count++;
    }
  };
  const [transaction, body, statement] = [
    entry(1, Uint8Array.of(1, 2)),
    entry(2, Uint8Array.of(3)),
    entry(3, Uint8Array.of(4)),
  ];
  const whole = [...transaction, ...body, ...transaction, ...statement];
  expect(read(whole)).toEqual([3, true]);
  expect(read([])).toEqual([0, true]);
  const ends = [0, transaction.length, transaction.length + body.length, whole.length - statement.length];
  for (let end = 1; end < whole.length; end++) expect(read(whole.slice(0, end))[1]).toBe(ends.includes(end));
  expect(read([...transaction, ...statement, ...body])).toEqual([2, false]);
  expect(read([...transaction, ...body, ...body])).toEqual([1, false]);
  for (const kind of [0, 4, 255]) expect(read(entry(kind, Uint8Array.of(1)))).toEqual([0, false]);
  expect(read(entry(1, new Uint8Array(4_097)))).toEqual([0, false]);
  expect(read([2, 1, 0, 16, 0])).toEqual([0, false]);
});
