/** What a store tells whoever verifies signatures ahead of it. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { Admission } from "../../../../src/overlay/dnetdb/admission.ts";
import type { Ahead } from "../../../../src/overlay/dnetdb/ahead.ts";
import { Intake, MAX_REFUSED } from "../../../../src/overlay/dnetdb/intake.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import type { Item } from "../../../../src/overlay/dnetdb/sync-messages.ts";
import { encodeTransaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { Owner, type Signed, START } from "../../../support/replicas.ts";

function listening() {
  const heard: string[] = [];
  const ahead: Ahead = {
    begin: (transactions) => heard.push(`begin ${transactions.length}`),
    take: ({ id }) => {
      heard.push(id.toHex());
      return false;
    },
    end: () => heard.push("end"),
  };
  const store = new Store(new Database(":memory:"), undefined, ahead);
  return { heard, store, intake: new Intake(store, new Admission(store), "peer") };
}

const itemOf = ({ bytes, body }: Pick<Signed, "bytes" | "body">): Item => ({ kind: "transaction", bytes, body });

test("it is told of what comes, then of each as its turn comes, and of the end, also of a step that is taken back", () => {
  const { heard, store, intake } = listening();
  const owner = new Owner(1);
  const steps = [...owner.first, owner.add(), owner.add()];
  const ids = steps.map(({ id }) => id.toHex());
  intake.take(START, owner.record, steps.map(itemOf));
  expect(heard.splice(0)).toEqual(["begin 4", ...ids, "end"]);
  intake.take(START, owner.record, steps.map(itemOf)); // known by now, and a mint begins nothing here any more
  expect(heard.splice(0)).toEqual(["begin 4", ...ids.slice(1), "end"]);
  const fails = () => {
    throw new Error("no room");
  };
  expect(() => store.inBulk([owner.add().bytes], fails)).toThrow("no room");
  expect(heard).toEqual(["begin 1", "end"]);
});

test("of a frame full of forgeries it hears the end after as many as are looked at", () => {
  const { heard, intake } = listening();
  const owner = new Owner(1);
  intake.take(START, owner.record, owner.first.map(itemOf));
  const { transaction, body } = owner.add();
  const { signatures } = owner.first[0].transaction;
  const forged = itemOf({ bytes: encodeTransaction({ ...transaction, signatures }), body });
  heard.splice(0);
  const taken = intake.take(START, owner.record, Array<Item>(4_000).fill(forged));
  expect(taken.refused).toBe(MAX_REFUSED + 1);
  expect([heard[0], heard.at(-1), heard.length]).toEqual(["begin 4000", "end", MAX_REFUSED + 3]);
});
