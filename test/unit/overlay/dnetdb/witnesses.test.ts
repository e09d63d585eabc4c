/** What clouds say, what follows from it, and which of two stands. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { compareBytes } from "../../../../src/base/bytes.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { sha256 } from "../../../../src/crypto/sha256.ts";
import { Admission } from "../../../../src/overlay/dnetdb/admission.ts";
import { recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import { Intake } from "../../../../src/overlay/dnetdb/intake.ts";
import { isConsistent } from "../../../../src/overlay/dnetdb/merkle.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../../../src/overlay/dnetdb/verify.ts";
import {
  decodeBlock,
  decodeFork,
  decodeStatement,
  encodeBlock,
  encodeFork,
  encodeStatement,
  signBlock,
} from "../../../../src/overlay/dnetdb/witness.ts";
import { anyKeyPair, lockOf } from "../../../support/dnetdb.ts";
import { BODY, invitation, ip, join, key, membersOf, mint, NOW, step, tell } from "../../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../../support/random.ts";
import { lie } from "../../../support/two-faced.ts";

const random = new SeededRandom(1);
const [alice, bob, provider] = [anyKeyPair(random), anyKeyPair(random), anyKeyPair(random)];
const replica = () => new Store(new Database(":memory:"));

interface Cloud {
  readonly ovx: Uint8Array;
  readonly keys: KeyPair;
  readonly steps: readonly Transaction[];
}

function cloud(): Cloud {
  const keys = anyKeyPair(random);
  const token = mint(lockOf(provider), [provider]);
  const ovx = recordId(token.id);
  const script = { op: "OP_OVX_CREATE", ovx, name: "cloud", key: keys.publicKey };
  return { ovx, keys, steps: [token, step(token, script, { lock: lockOf(provider), signers: [provider] })] };
}

/** A dnet with clouds attached; everything that it takes, in order. */
function dnetWith(clouds: readonly Cloud[]) {
  const token = mint();
  const dnet = recordId(token.id);
  const steps = [token, step(token, { op: "OP_DNET_CREATE", dnet, name: "home" })];
  for (const { ovx } of clouds) steps.push(step(steps.at(-1)!, { op: "OP_DNET_OVX", dnet, ovx }));
  return { dnet, head: steps.at(-1)!, steps: [...clouds.flatMap((each) => each.steps), ...steps] };
}

function hearing(steps: readonly Transaction[]): Store {
  const db = replica();
  for (const each of steps) expect(tell(db, each)).toBe("accepted");
  return db;
}

const hear = (db: Store, statement: Uint8Array) => {
  const verdict = db.acceptStatement(NOW, statement);
  return verdict.status === "refused" ? verdict.why : verdict.status;
};

test("DN-50 a step is final once a cloud that is attached has it in a block, and then all before it are", () => {
  const [one] = [cloud()];
  const { dnet, head, steps } = dnetWith([one]);
  const add = step(head, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) });
  const db = hearing([...steps, add]);
  expect(db.witnesses.of(add.id)).toEqual([]);
  const witness = hearing([...steps, add]);
  const block = witness.seal(NOW, one.ovx, one.keys)!;
  expect(block).toMatchObject({ height: 0, size: 6, ovx: one.ovx });
  expect(witness.seal(NOW, one.ovx, one.keys)).toBeNull();
  const statements = witness.statementsOf(dnet, 0).map(({ bytes }) => bytes);
  expect(statements.map((each) => hear(db, each))).toEqual(["accepted"]);
  expect(statements.map((each) => hear(db, each))).toEqual(["known"]);
  for (const { id } of [add, head]) expect(db.witnesses.of(id)).toEqual([one.ovx]);
  const next = step(add, { op: "OP_DNET_POLICY", dnet });
  expect([tell(db, next), db.witnesses.of(next.id)]).toEqual(["accepted", []]);
  // A cloud's own record is final by its own word.
  expect(witness.witnesses.of(one.steps[1]!.id)).toEqual([one.ovx]);
});

test("DN-46 who has nothing but a cloud's key checks by a statement that a transaction was accepted; any flipped bit is found", () => {
  const one = cloud();
  const { head, steps } = dnetWith([one]);
  const witness = hearing(steps);
  witness.seal(NOW, one.ovx, one.keys);
  const bytes = encodeStatement(witness.log.prove(one.ovx, head.id)!);
  const statement = decodeStatement(bytes)!;
  expect(statement).toMatchObject({ transaction: head.id, block: { key: one.keys.publicKey, ovx: one.ovx } });
  for (let at = 0; at < bytes.length; at++) {
    expect([at, decodeStatement(bytes.with(at, bytes[at]! ^ 1))]).toEqual([at, null]);
    expect(decodeStatement(bytes.subarray(0, at))).toBeNull();
  }
  expect(decodeStatement(Uint8Array.of(...bytes, 0))).toBeNull();
  expect(decodeBlock(encodeBlock(statement.block))).toEqual(statement.block);
});

test("EV-01 each block names the one before and when it was made, and its tree begins with that one's", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const witness = hearing(steps);
  const first = witness.seal(NOW, one.ovx, one.keys)!;
  expect(tell(witness, step(head, { op: "OP_DNET_POLICY", dnet }))).toBe("accepted");
  const second = witness.seal(NOW + 1, one.ovx, one.keys)!;
  expect(second).toMatchObject({ height: 1, previous: first.id, size: first.size + 1, time: NOW + 1 });
  const path = witness.log.proveConsistency(one.ovx, first.size, second.size)!;
  expect(isConsistent(first, second, path)).toBe(true);
  expect(witness.statementsOf(dnet, 0).length).toBe(1); // the newest covers the one before
});

test("who is not attached, whose key it is not, and what is not here is no witness", () => {
  const [one, stranger] = [cloud(), cloud()];
  const { dnet, head, steps } = dnetWith([one]);
  const all = [...steps, ...stranger.steps];
  const witness = hearing(all);
  const say = (db: Store, by: Cloud, keys = by.keys, about = head.id) => {
    const fields = { ...witness.log.lastBlock(by.ovx)!, key: keys.publicKey };
    const proof = witness.log.prove(by.ovx, about)!;
    return hear(db, encodeStatement({ ...proof, block: signBlock(fields, keys) }));
  };
  for (const each of [one, stranger]) witness.seal(NOW, each.ovx, each.keys);
  const db = hearing(all);
  expect(say(db, stranger)).toBe("NOT_A_WITNESS");
  expect(say(db, one, stranger.keys)).toBe("UNKNOWN_CLOUD");
  expect(say(hearing(one.steps), one)).toBe("UNKNOWN_TRANSACTION");
  expect(hear(db, Uint8Array.of(1, 2))).toBe("MALFORMED");
  const ahead = signBlock({ ...witness.log.lastBlock(one.ovx)!, time: NOW + 10_000_000 }, one.keys);
  const early = encodeStatement({ ...witness.log.prove(one.ovx, head.id)!, block: ahead });
  expect(hear(db, early)).toBe("ABSURD_TIME");
  expect([say(db, one), db.witnesses.of(head.id), db.view(dnet)?.height]).toEqual(["accepted", [one.ovx], 1]);
});

test("a cloud that signs two blocks of one height has no word any more, and both are kept", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const tell2 = (member: KeyPair) => {
    const add = step(head, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(member) });
    const witness = hearing([...steps]);
    witness.seal(NOW, one.ovx, one.keys);
    const before = witness.statementsOf(dnet, 0).map(({ bytes }) => bytes);
    expect(tell(witness, add)).toBe("accepted");
    witness.seal(NOW, one.ovx, one.keys);
    return { add, before, after: witness.statementsOf(dnet, 0).map(({ bytes }) => bytes) };
  };
  const [a, b] = [tell2(alice), tell2(bob)];
  const db = hearing([...steps]);
  for (const each of [a.add, b.add]) tell(db, each);
  for (const each of a.before) expect(hear(db, each)).toBe("accepted");
  for (const each of [...a.after, ...b.after]) hear(db, each);
  const fork = db.witnesses.fork(one.ovx)!;
  expect([fork.one.height, fork.other.height]).toEqual([1, 1]);
  expect(compareBytes(fork.one.id, fork.other.id)).not.toBe(0);
  for (const { id } of [head, a.add, b.add]) expect(db.witnesses.of(id)).toEqual([]);
  expect(a.before.map((each) => hear(db, each))).toEqual(["FORKED_CLOUD"]);
  // Others need not hear both by themselves.
  const elsewhere = hearing(steps);
  for (const each of a.before) expect(hear(elsewhere, each)).toBe("accepted");
  const proof = db.statementsOf(one.ovx, 0).map(({ bytes }) => bytes);
  expect(proof).toEqual([encodeFork(fork)]);
  expect(decodeFork(encodeFork({ one: fork.one, other: fork.one }))).toBeNull();
  expect(proof.map((each) => hear(elsewhere, each))).toEqual(["accepted"]);
  expect(elsewhere.headOf(one.ovx)!.digest).toEqual(db.headOf(one.ovx)!.digest);
  expect(elsewhere.witnesses.of(head.id)).toEqual([]);
});

test("of two steps the one stands that a cloud has witnessed, whatever came first and however their ids are", () => {
  const one = cloud();
  for (const isLow of [false, true]) {
    const { dnet, head, steps } = dnetWith([one]);
    const rivals = [alice, bob].map((who) => step(head, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(who) }));
    rivals.sort((a, b) => compareBytes(a.id, b.id));
    const [witnessed, other] = isLow ? rivals : rivals.toReversed();
    const after = step(witnessed!, { op: "OP_DNET_POLICY", dnet });
    const witness = hearing([...steps, witnessed!, after]);
    witness.seal(NOW, one.ovx, one.keys);
    const db = hearing(steps);
    for (const each of [other!, step(other!, { op: "OP_DNET_CLOSE", dnet }), witnessed!, after]) tell(db, each);
    for (const { bytes } of witness.statementsOf(dnet, 0)) expect(hear(db, bytes)).toBe("accepted");
    expect(db.view(dnet)).toMatchObject({ head: after.id, isClosed: false });
    expect(db.witnesses.of(witnessed!.id)).toEqual([one.ovx]);
    expect(tell(witness, other!)).toBe("lost");
    expect(witness.seal(NOW, one.ovx, one.keys)).toBeNull(); // has given its word
  }
});

test("a long branch that has lost stands again in one go, once a cloud is heard of that has witnessed its end", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const policy = (spent: Transaction, time = NOW) => step(spent, { op: "OP_DNET_POLICY", dnet }, { time });
  const chain = [policy(head)];
  while (chain.length < 1_500) chain.push(policy(chain.at(-1)!));
  const lower = Array.from({ length: 64 }, (_, i) => policy(head, NOW + 1 + i)).find(
    ({ id }) => compareBytes(id, chain[0]!.id) < 0,
  )!;
  const [witness, db] = [replica(), replica()];
  for (const each of [witness, db]) each.atomically(() => [...steps, ...chain].map((step) => tell(each, step)));
  witness.seal(NOW, one.ovx, one.keys);
  expect([tell(db, lower), db.view(dnet)!.head]).toEqual(["accepted", lower.id]);
  const [words] = witness.statementsOf(dnet, 0);
  const start = performance.now();
  expect([hear(db, words!.bytes), db.view(dnet)!.head]).toEqual(["accepted", chain.at(-1)!.id]);
  expect(performance.now() - start).toBeLessThan(4_000); // looked through anew for each step it took 8 s, and so it takes 0.4
}, 20_000);

test("a step that breaks the rules where it would stand is evidence and no more, whatever was said of it", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const stands = step(head, { op: "OP_DNET_POLICY", dnet });
  const wrong = Array.from({ length: 64 }, (_, i) =>
    step(head, { op: "OP_DNET_KEY", dnet, epoch: 9 }, { time: NOW + i }),
  );
  const rival = wrong.find(({ id }) => compareBytes(id, stands.id) > 0)!;
  const database = new Database(":memory:");
  const db = new Store(database);
  for (const each of [...steps, stands]) tell(db, each);
  expect(tell(db, rival)).toBe("lost");
  expect(hear(db, lie(one.ovx, one.keys, rival))).toBe("accepted");
  expect([db.headOf(dnet)!.head, db.evidence(dnet).map(({ id }) => id)]).toEqual([stands.id, [rival.id]]);
  expect([tell(db, rival), hear(db, lie(one.ovx, one.keys, rival)), db.statementsOf(dnet, 0).length]).toEqual([
    "known",
    "known",
    1,
  ]);
  expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
});

test("EV-57 what clouds say of a record counts as a part of it", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const db = hearing(steps);
  const bytes = db.bytesOf(dnet);
  const statement = lie(one.ovx, one.keys, head);
  expect([hear(db, statement), db.bytesOf(dnet) - bytes]).toEqual(["accepted", statement.length]);
  const next = step(head, { op: "OP_DNET_POLICY", dnet });
  const other = lie(one.ovx, one.keys, next, 5);
  tell(db, next);
  const after = db.bytesOf(dnet) - statement.length;
  expect([hear(db, other), db.bytesOf(dnet) - after]).toEqual(["accepted", other.length]); // the first is covered
  const intake = new Intake(db, new Admission(db, { recordBytes: db.bytesOf(dnet) + 10 }), "a stranger");
  const late = step(next, { op: "OP_DNET_POLICY", dnet });
  tell(db, late);
  expect(intake.take(NOW, dnet, [{ kind: "statement", bytes: lie(one.ovx, one.keys, late, 9) }])).toMatchObject({
    isFull: true,
    news: [],
  });
});

test("no block of an enormous height, and no number of them, has what a cloud says next forgotten", () => {
  const one = cloud();
  const { head, steps } = dnetWith([one]);
  const say = (db: Store, about: Transaction, before: number, height = before) =>
    hear(db, lie(one.ovx, one.keys, about, before, height));
  for (const count of [1, 300]) {
    const db = hearing(steps);
    const enormous = () => {
      for (let i = 0; i < count; i++) say(db, head, 20 + i, 2 ** 40 + 2 * i);
    };
    if (count === 1) say(db, head, 4);
    enormous();
    if (count > 1) say(db, head, 4);
    say(db, head, 8);
    expect(db.witnesses.fork(one.ovx)).toBeNull();
    say(db, steps.at(-2)!, 4);
    expect(db.witnesses.fork(one.ovx)).not.toBeNull();
  }
});

test("a cloud whose last block came from elsewhere, or that has an older log than its blocks, signs nothing", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const [here, elsewhere] = [hearing(steps), hearing([...cloud().steps, ...steps])];
  here.seal(NOW, one.ovx, one.keys);
  expect(tell(here, step(head, { op: "OP_DNET_POLICY", dnet }))).toBe("accepted");
  here.seal(NOW, one.ovx, one.keys);
  expect(tell(elsewhere, step(head, { op: "OP_DNET_POLICY", dnet }))).toBe("accepted");
  for (const { bytes } of here.statementsOf(dnet, 0)) expect(hear(elsewhere, bytes)).toBe("accepted");
  expect(() => elsewhere.seal(NOW, one.ovx, one.keys)).toThrow(expect.objectContaining({ code: "CLOUD_ELSEWHERE" }));
  expect(elsewhere.log.size(one.ovx)).toBe(0);
});

test("of two creations from one token, of either kind, one stands, and replicas agree on all that is beside it", () => {
  for (const isDnet of [true, false]) {
    const token = mint();
    const record = recordId(token.id);
    const dnet = step(token, { op: "OP_DNET_CREATE", dnet: record, name: "home" });
    const ovx = step(token, { op: "OP_OVX_CREATE", ovx: record, name: "x", key: alice.publicKey });
    const [low, high] = compareBytes(dnet.id, ovx.id) < 0 ? [dnet, ovx] : [ovx, dnet];
    const after = [dnet, ovx].map((each) =>
      step(
        each,
        each === dnet
          ? { op: "OP_DNET_POLICY", dnet: record }
          : { op: "OP_OVX_UPDATE", ovx: record, key: bob.publicKey },
      ),
    );
    const stores = [
      [token, low, ...after, high, ...after],
      [token, high, ...after, low, ...after],
      [token, isDnet ? dnet : ovx, ...after.toReversed(), isDnet ? ovx : dnet, ...after],
    ].map((steps) => {
      const database = new Database(":memory:");
      const db = new Store(database);
      for (const each of steps) tell(db, each);
      expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
      return { ...db.headOf(record)!, changed: 0 };
    });
    for (const each of stores) expect(each).toEqual(stores[0]!);
    expect(stores[0]!.height).toBe(1);
  }
});

test("a join whose invitation is long over gets no word of a cloud", () => {
  const one = cloud();
  const { dnet, head, steps } = dnetWith([one]);
  const guest = anyKeyPair(random);
  const invite = invitation(head, dnet, ip(9), guest, NOW);
  const late = join(invite, dnet, ip(9), guest, alice, { time: NOW });
  for (const [hours, words] of [
    [3, 0],
    [1, 1],
  ] as const) {
    const witness = hearing([...steps, invite, late]);
    witness.seal(NOW + hours * 3_600_000, one.ovx, one.keys);
    expect(witness.witnesses.of(late.id).length).toBe(words);
    expect(witness.witnesses.of(invite.id).length).toBe(1);
  }
});

test("who joins twice by one invitation, here and there, keeps no cloud from witnessing what the owner does then", () => {
  const clouds = [cloud(), cloud()];
  const { dnet, head, steps } = dnetWith(clouds);
  const guest = anyKeyPair(random);
  const invite = invitation(head, dnet, ip(9), guest);
  const joins = [alice, bob].map((who) => join(invite, dnet, ip(9), guest, who));
  const witnesses = clouds.map(({ ovx, keys }, i) => {
    const db = hearing([...steps, invite, joins[i]!]);
    db.seal(NOW, ovx, keys);
    return db;
  });
  const next = step(invite, { op: "OP_DNET_POLICY", dnet });
  for (const [i, db] of witnesses.entries()) {
    const other = witnesses[1 - i]!;
    tell(db, joins[1 - i]!);
    for (const { bytes } of other.statementsOf(dnet, 0)) hear(db, bytes);
    expect(tell(db, next)).toBe("accepted");
  }
  for (const [i, { ovx, keys }] of clouds.entries()) {
    expect(witnesses[i]!.seal(NOW, ovx, keys)).not.toBeNull();
    expect(witnesses[i]!.log.prove(ovx, next.id)).not.toBeNull();
    expect(witnesses[i]!.log.prove(ovx, joins[1 - i]!.id)).toBeNull(); // has given its word
  }
});

const SEEDS = Number(process.env["DNET_SEEDS"] ?? 12);

test("replicas that hear the same of an owner who says two things, of joiners, and of clouds, in any order, end alike", () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const chance = new SeededRandom(1_000 + seed);
    const clouds = Array.from({ length: chance.below(4) }, cloud);
    const { dnet, head, steps } = dnetWith(clouds);
    const said: Transaction[] = [];
    const invitations: { invite: Transaction; guest: KeyPair; last: number }[] = [];
    // A tree of steps, not a chain: each follows any one that was said lately.
    const ends = [head];
    for (let i = 0; i < 12; i++) {
      const from = chance.pick(ends.slice(-3));
      const last = 2 + chance.below(6);
      const kind = chance.below(5);
      let next: Transaction;
      if (kind < 2)
        next = step(from, { op: "OP_DNET_NODE", dnet, slot: ip(last), member: key(chance.pick([alice, bob])) });
      else if (kind === 2) next = step(from, { op: "OP_DNET_NODE_REMOVE", dnet, slot: ip(last) });
      else if (kind === 3) next = step(from, { op: "OP_DNET_POLICY", dnet }, { time: NOW + i });
      else {
        const guest = anyKeyPair(chance);
        next = invitation(from, dnet, ip(last), guest);
        invitations.push({ invite: next, guest, last });
      }
      said.push(next);
      ends.push(next);
    }
    for (const { invite, guest, last } of invitations) {
      for (const who of [alice, bob]) if (chance.chance(0.7)) said.push(join(invite, dnet, ip(last), guest, who));
    }
    // Each cloud hears some, in its own order, and says what it has accepted, now and then.
    const statements = clouds.flatMap(({ ovx, keys }) => {
      const witness = hearing(steps);
      const words: Uint8Array[] = [];
      for (const each of shuffled(chance, [...said, ...said])) {
        if (chance.chance(0.6)) tell(witness, each);
        if (chance.chance(0.1)) witness.seal(NOW, ovx, keys);
        words.push(...witness.statementsOf(dnet, 0).map(({ bytes }) => bytes));
      }
      return words;
    });
    const databases = Array.from({ length: 4 }, () => new Database(":memory:"));
    const states = databases.map((database) => {
      const db = new Store(database);
      for (const each of steps) tell(db, each);
      // Again and again, as replicas that differ ask each other: what could not be judged at first can be later.
      for (let isNew = true, round = 0; isNew && round < 100; round++) {
        isNew = false;
        for (const each of shuffled(chance, [...said, ...statements])) {
          const status = each instanceof Uint8Array ? hear(db, each) : tell(db, each);
          isNew ||= status === "accepted" || status === "lost";
        }
      }
      expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
      return {
        head: { ...db.headOf(dnet)!, changed: 0 },
        members: membersOf(db, dnet),
        stands: db.transactionsOf(dnet).map((bytes) => bytes.toHex()),
        final: said.map(({ id }) => db.witnesses.of(id).length),
        lost: db.evidence(dnet).map(({ id }) => id.toHex()),
        statements: db
          .statementsOf(dnet, 0)
          .map(({ bytes }) => sha256(bytes).toHex())
          .sort(),
      };
    });
    for (const each of states) expect({ seed, ...each }).toEqual({ seed, ...states[0]! });
  }
}, 60_000);

function shuffled<Item>(chance: SeededRandom, items: readonly Item[]): Item[] {
  const rest = [...items];
  return items.map(() => rest.splice(chance.below(rest.length), 1)[0]!);
}

test("bodies that say nothing of what is so now can be dropped; the store still verifies, and asks for none of them", () => {
  const { dnet, head, steps } = dnetWith([]);
  const database = new Database(":memory:");
  const db = new Store(database);
  const other = Uint8Array.of(...BODY); // the same bytes under several steps are one body
  for (const each of steps) tell(db, each, each.bodyHash && other);
  const policies = [1, 2].map((i) => new TextEncoder().encode(`policy ${i}`));
  let last = head;
  for (const body of policies) {
    last = step(last, { op: "OP_DNET_POLICY", dnet }, { bodyHash: sha256(body) });
    expect(db.accept(NOW, encodeTransaction(last), body).status).toBe("accepted");
  }
  expect(db.collectBodies()).toBe(1);
  expect(policies.map((body) => db.body(dnet, sha256(body)))).toEqual([null, policies[1]!]);
  expect([db.missingBodies(dnet, 10), verifyStore(database, new Database(":memory:"))]).toEqual([[], []]);
});
