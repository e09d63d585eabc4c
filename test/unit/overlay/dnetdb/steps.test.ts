import { expect, test } from "bun:test";
import { createDnet, transfer } from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { keyHash } from "../../../../src/overlay/dnetdb/ids.ts";
import { lockTo } from "../../../../src/overlay/dnetdb/lock.ts";
import {
  decodeSteps,
  encodeSteps,
  isComplete,
  mergeSteps,
  missingSignatures,
  type Step,
  signSteps,
} from "../../../../src/overlay/dnetdb/steps.ts";
import { lockOf } from "../../../support/dnetdb.ts";
import { Office, refusalOf } from "../../../support/dnetdb-office.ts";

/** A dnet of two of three owners. */
function shared() {
  const office = new Office();
  const owners = [office.owner, office.anyMember(), office.anyMember()] as const;
  const lock = lockTo(
    owners.map(({ publicKey }) => keyHash(publicKey)),
    2,
  )!;
  const { steps } = createDnet(office, { lock, name: "home", isPrivate: true, range4: "default" });
  return { office, owners, lock, steps };
}

test("steps go to a machine that is offline and back as text, signed or not", () => {
  const { office, owners, steps } = shared();
  for (const each of [steps, signSteps(steps, owners[0]), signSteps(signSteps(steps, owners[1]), owners[2])]) {
    const text = encodeSteps(each);
    expect(decodeSteps(text)).toEqual([...each]);
    expect(JSON.parse(text)).toMatchObject({
      schema: "dnet.steps/1",
      steps: [{ needed: 2 }, { needed: 2, note: "creates the private dnet home" }],
    });
  }
  office.accept(signSteps(signSteps(decodeSteps(encodeSteps(steps)), owners[1]), owners[2]));
});

test("k of n owners sign one after another, or apart and merged, in any order; more than needed do no harm", () => {
  const { owners, steps } = shared();
  const [a, b, c] = owners.map((owner) => signSteps(steps, owner)) as [Step[], Step[], Step[]];
  expect(steps.map(missingSignatures)).toEqual([2, 2]);
  expect(a.map(missingSignatures)).toEqual([1, 1]);
  expect(mergeSteps(a, a).map(missingSignatures)).toEqual([1, 1]);
  expect([isComplete(a), isComplete(mergeSteps(a, b))]).toEqual([false, true]);
  expect(mergeSteps(a, mergeSteps(b, c))).toEqual(mergeSteps(c, mergeSteps(a, b)));
  expect(mergeSteps(a, c)).toEqual(signSteps(signSteps(steps, owners[2]), owners[0]));
  for (const complete of [mergeSteps(a, b), mergeSteps(b, c), mergeSteps(mergeSteps(a, b), c)]) {
    new Office().accept(decodeSteps(encodeSteps(complete)));
  }
});

test("who is no owner signs nothing, and steps that are not the same are not merged", () => {
  const { office, owners, steps } = shared();
  expect(refusalOf(() => signSteps(steps, office.anyMember()))).toBe("NOT_OWNER");
  const { steps: other } = createDnet(office, {
    lock: lockOf(owners[0]),
    name: "home",
    isPrivate: false,
    range4: null,
  });
  expect(refusalOf(() => mergeSteps(steps, other))).toBe("STEPS_DIFFER");
  expect(refusalOf(() => mergeSteps(steps, steps.slice(1)))).toBe("STEPS_DIFFER");
  expect(refusalOf(() => mergeSteps(steps, [...steps].reverse()))).toBe("STEPS_DIFFER");
});

test("a transfer is signed by whose it was, not by whose it will be", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const next = office.anyMember();
  const { steps } = transfer(office, dnet, lockOf(next));
  expect(refusalOf(() => signSteps(steps, next))).toBe("NOT_OWNER");
  office.carryOut({ steps: decodeSteps(encodeSteps(signSteps(steps, office.owner))), networkKey: null });
  expect(office.store.view(dnet)!.lock).toEqual(lockOf(next));
  office.carryOut(addMembers(office, dnet, [{ publicKey: next.publicKey, name: null, address: null }]), [next]);
});

test("a file that says something else than its bytes do is refused, with a person's words, whatever is wrong with it", () => {
  const { owners, steps } = shared();
  const rows = () =>
    JSON.parse(encodeSteps(signSteps(steps, owners[0]))) as { schema: string; steps: { [key: string]: unknown }[] };
  const wrong = (change: (document: ReturnType<typeof rows>) => void): string | null => {
    const document = rows();
    change(document);
    return refusalOf(() => decodeSteps(JSON.stringify(document)));
  };
  expect(wrong(() => {})).toBeNull();
  const foreign = signSteps(
    steps.map((step) => ({ ...step, lock: lockOf(owners[0], owners[1]) })),
    owners[0],
  );
  const changes: ((document: ReturnType<typeof rows>) => void)[] = [
    (document) => (document.schema = "dnet.steps/2"),
    (document) => (document.steps = []),
    (document) => (document.steps = {} as never),
    (document) => (document.steps[0] = null as never),
    (document) => (document.steps[1]!["script"] = document.steps[0]!["script"]),
    (document) => (document.steps[1]!["body"] = null),
    (document) => (document.steps[1]!["body"] = "AAAA"),
    (document) => (document.steps[0]!["body"] = "AAAA"),
    (document) => (document.steps[0]!["body"] = undefined),
    (document) => (document.steps[0]!["transaction"] = "????"),
    (document) => (document.steps[0]!["transaction"] = document.steps[1]!["transaction"]),
    (document) => (document.steps[0]!["signatures"] = 2),
    (document) => (document.steps[0]!["needed"] = 1),
    (document) => (document.steps[0]!["note"] = 7),
    (document) => (document.steps[0]!["lock"] = "OP_CHECK nobody"),
    (document) => (document.steps[0]!["lock"] = JSON.parse(encodeSteps(foreign)).steps[0].lock),
    (document) => {
      const bytes = Uint8Array.fromBase64(document.steps[0]!["transaction"] as string);
      document.steps[0]!["transaction"] = bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1).toBase64();
    },
  ];
  for (const change of changes) expect(wrong(change)).toBe("STEPS_MALFORMED");
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    "1",
    '{"schema":"dnet.steps/1"}',
    '{"schema":"dnet.steps/1","steps":[[]]}',
  ]) {
    expect(refusalOf(() => decodeSteps(text))).toBe("STEPS_MALFORMED");
  }
  const text = encodeSteps(steps);
  for (let end = 0; end < text.length - 2; end += 7)
    expect(refusalOf(() => decodeSteps(text.slice(0, end)))).toBe("STEPS_MALFORMED");
});
