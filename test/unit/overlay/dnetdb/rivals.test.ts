/** Replicas that hear the same of owners and clouds that say two things, in any order: they end alike, whatever was said of what. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { compareBytes } from "../../../../src/base/bytes.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { sha256 } from "../../../../src/crypto/sha256.ts";
import { recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { decodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { verifyStore } from "../../../../src/overlay/dnetdb/verify.ts";
import { decodeFork, decodeStatement, encodeFork } from "../../../../src/overlay/dnetdb/witness.ts";
import { anyKeyPair, lockOf } from "../../../support/dnetdb.ts";
import { invitation, ip, join, mint, NOW, step, tell } from "../../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../../support/random.ts";
import { cloud, lie, twoFaced } from "../../../support/two-faced.ts";

const SEEDS = Number(process.env["DNET_SEEDS"] ?? 12);

/** A step, or what a cloud says. */
type Word = Transaction | Uint8Array;

const hear = (db: Store, word: Word): string => {
  if (!(word instanceof Uint8Array)) return tell(db, word);
  const verdict = db.acceptStatement(NOW, word);
  return verdict.status === "refused" ? verdict.why : verdict.status;
};

function shuffled<Item>(chance: SeededRandom, items: readonly Item[]): Item[] {
  const rest = [...items];
  return items.map(() => rest.splice(chance.below(rest.length), 1)[0]!);
}

/** Again and again, as replicas do that differ: what could not be judged at first can be later. */
function hearAll(chance: SeededRandom, words: readonly Word[], database: Database): Store {
  const db = new Store(database);
  for (let isNew = true, round = 0; isNew && round < 100; round++) {
    isNew = false;
    for (const word of shuffled(chance, words)) {
      const status = hear(db, word);
      isNew ||= status === "accepted" || status === "lost";
    }
  }
  return db;
}

/** What a record takes, its mint not counted. */
function bytesIn(database: Database, record: Uint8Array): number {
  const sizes = ["(SELECT * FROM transactions WHERE kind > 0)", "bodies", "statements"].map((table) =>
    database.query(`SELECT IFNULL(SUM(LENGTH(bytes)), 0) AS bytes FROM ${table} WHERE record = ?`).get(record),
  );
  return sizes.reduce((sum: number, each) => sum + (each as { bytes: number }).bytes, 0);
}

/** What of those words stands and is kept, in stores that hear them in several orders. Each verifies. */
function statesOf(chance: SeededRandom, words: readonly Word[], records: readonly Uint8Array[], count = 4) {
  return Array.from({ length: count }, () => {
    const database = new Database(":memory:");
    const db = hearAll(chance, words, database);
    const check = () => {
      expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
      for (const record of records) expect(db.bytesOf(record)).toBe(bytesIn(database, record));
    };
    check();
    const states = records.map((record) => ({
      head: { ...db.headOf(record)!, changed: 0 },
      stands: db.transactionsOf(record).map((bytes) => decodeTransaction(bytes)!.id.toHex()),
      lost: db.evidence(record).map(({ id }) => id.toHex()),
      said: db
        .statementsOf(record, 0)
        .map(({ bytes }) => (decodeFork(bytes) ? "fork" : sha256(bytes).toHex())) // any two blocks prove it
        .sort(),
      slots: db.slots(record),
      attached: db.attached(record).map(({ ovx }) => ovx.toHex()),
      authorised: db.authorised(record),
      final: db.transactionsOf(record).map((bytes) => db.witnesses.of(decodeTransaction(bytes)!.id).length),
      lock: db.view(record)!.lock,
      isForked: db.witnesses.fork(record) !== null,
    }));
    db.collectBodies();
    check();
    return states;
  });
}

/** What a cloud says that has heard these, in that order. */
function wordsOf(ovx: Uint8Array, keys: KeyPair, heard: readonly Transaction[], records: readonly Uint8Array[]) {
  const db = new Store(new Database(":memory:"));
  for (const each of heard) tell(db, each);
  db.seal(NOW, ovx, keys);
  return records.flatMap((record) => db.statementsOf(record, 0).map(({ bytes }) => bytes));
}

test("of two creations from one token the lower stands, whatever was said of either, and of whichever kind they are", () => {
  const chance = new SeededRandom(5);
  for (let i = 0; i < 12; i++) {
    const token = mint();
    const record = recordId(token.id);
    const [a, b] = [anyKeyPair(chance), anyKeyPair(chance)];
    const one = step(token, { op: "OP_OVX_CREATE", ovx: record, name: "x", key: a.publicKey });
    const other =
      i % 2
        ? step(token, { op: "OP_DNET_CREATE", dnet: record, name: "home" })
        : step(token, { op: "OP_OVX_CREATE", ovx: record, name: "y", key: b.publicKey });
    const words = wordsOf(record, a, [token, one], [record]);
    expect(words.length).toBe(1);
    const [first, ...rest] = statesOf(chance, [token, one, other, ...words], [record], 6);
    for (const each of rest) expect(each).toEqual(first!);
    const lower = compareBytes(one.id, other.id) < 0 ? one : other;
    expect(first![0]!.head.head).toEqual(lower.id);
  }
});

test("what a cloud has said by a key counts, whether or not the step stands that names the key", () => {
  const chance = new SeededRandom(6);
  for (let i = 0; i < 6; i++) {
    const { ovx, provider, steps } = cloud(chance);
    const by = { lock: lockOf(provider), signers: [provider] };
    const pairs = [anyKeyPair(chance), anyKeyPair(chance)];
    const updates = pairs.map(({ publicKey }) => step(steps[1]!, { op: "OP_OVX_UPDATE", ovx, key: publicKey }, by));
    const token = mint();
    const dnet = recordId(token.id);
    const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
    const attach = step(create, { op: "OP_DNET_OVX", dnet, ovx });
    const rivals = [1, 2].map((at) => step(attach, { op: "OP_DNET_POLICY", dnet }, { time: NOW + at }));
    const [low, high] = rivals.sort((a, b) => compareBytes(a.id, b.id));
    const before = [...steps, token, create, attach];
    const words = wordsOf(ovx, pairs[0]!, [...before, updates[0]!, high!], [dnet]);
    const [first, ...rest] = statesOf(chance, [...before, ...updates, low!, high!, ...words], [dnet, ovx], 6);
    for (const each of rest) expect(each).toEqual(first!);
    expect(first![0]!.head.head).toEqual(high!.id);
  }
});

/** Heard once each, in that order: what stands then. */
function headAfter(record: Uint8Array, words: readonly Word[]): string {
  const database = new Database(":memory:");
  const db = new Store(database);
  for (const word of words) hear(db, word);
  expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
  return db.headOf(record)!.head.toHex();
}

test("an owner who says more than is kept does not make replicas part: the lowest stands, whatever came first", () => {
  const chance = new SeededRandom(7);
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  for (const child of ["OP_DNET_POLICY", "OP_DNET_OVX"]) {
    const rivals = Array.from({ length: 14 }, (_, i) =>
      step(create, { op: "OP_DNET_POLICY", dnet }, { time: NOW + i }),
    );
    rivals.sort((a, b) => compareBytes(a.id, b.id));
    const branches = rivals.map((each) => [
      each,
      step(each, { op: child, dnet, ovx: chance.bytes(32) }, { time: NOW + 20 }),
    ]);
    for (let i = 0; i < 10; i++) {
      const order = i === 0 ? branches.toReversed() : shuffled(chance, branches);
      expect(headAfter(dnet, [token, create, ...order.flat()])).toBe(branches[0]![1]!.id.toHex());
    }
  }
  const wrong = Array.from({ length: 40 }, (_, i) =>
    step(create, { op: "OP_DNET_KEY", dnet, epoch: 7 }, { time: NOW + i }),
  );
  const right = Array.from({ length: 40 }, (_, i) => step(create, { op: "OP_DNET_POLICY", dnet }, { time: NOW + i }));
  const lowest = right.toSorted((a, b) => compareBytes(a.id, b.id))[0]!;
  for (let i = 0; i < 10; i++) {
    const order = i === 0 ? [...right.filter((each) => each !== lowest), ...wrong, lowest] : [...right, ...wrong];
    expect(headAfter(dnet, [token, create, ...(i === 0 ? order : shuffled(chance, order))])).toBe(lowest.id.toHex());
  }
});

test("where a branch longer than what is kept has lost, what is lower still stands", () => {
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  const rivals = Array.from({ length: 3 }, (_, i) => step(create, { op: "OP_DNET_POLICY", dnet }, { time: NOW + i }));
  const [low, middle, high] = rivals.sort((a, b) => compareBytes(a.id, b.id));
  const branch = [high!];
  while (branch.length < 1_100) branch.push(step(branch.at(-1)!, { op: "OP_DNET_POLICY", dnet }));
  const before = [token, create, ...branch];
  expect(headAfter(dnet, [...before, middle!, low!])).toBe(low!.id.toHex());
  expect(headAfter(dnet, [...before, low!, middle!])).toBe(low!.id.toHex());
}, 20_000);

test("what a cloud has witnessed stands, also where more than is kept came before: rivals of lower ids, or a long branch", () => {
  const chance = new SeededRandom(8);
  const { ovx, keys, steps } = cloud(chance);
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  const attach = step(create, { op: "OP_DNET_OVX", dnet, ovx });
  const before = [...steps, token, create, attach];
  const policy = (spent: Transaction, time = NOW) => step(spent, { op: "OP_DNET_POLICY", dnet }, { time });
  const rivals = Array.from({ length: 20 }, (_, i) => policy(attach, NOW + i));
  rivals.sort((a, b) => compareBytes(a.id, b.id));
  for (const length of [1, 5, 1_100]) {
    const branch = [rivals.at(-1)!];
    while (branch.length < length) branch.push(policy(branch.at(-1)!, NOW + 20));
    const words = wordsOf(ovx, keys[0]!, [...before, ...branch], [dnet]);
    for (const count of [1, 12]) {
      const heard = [...before, ...rivals.slice(0, count), ...branch, ...words];
      expect(headAfter(dnet, heard)).toBe(branch.at(-1)!.id.toHex());
    }
  }
}, 20_000);

/** Two clouds, the first of them attached, and after that two steps, the lower one first, and what breaks a rule after the other. */
function parted(chance: SeededRandom) {
  const [one, other] = [cloud(chance), cloud(chance)];
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  const attach = step(create, { op: "OP_DNET_OVX", dnet, ovx: one.ovx });
  const rivals = [1, 2].map((at) => step(attach, { op: "OP_DNET_POLICY", dnet }, { time: NOW + at }));
  const [low, high] = rivals.sort((a, b) => compareBytes(a.id, b.id)) as [Transaction, Transaction];
  const wrong = [7, 8].map((epoch) => step(high, { op: "OP_DNET_KEY", dnet, epoch }, { time: NOW + 2 }));
  return { one, other, dnet, low, high, wrong, before: [...one.steps, ...other.steps, token, create, attach] };
}

test("what is said of nothing but a step that goes, as it breaks a rule, goes with it, and so does what stood by that", () => {
  const { one, dnet, before, low, high, wrong } = parted(new SeededRandom(10));
  const said = lie(one.ovx, one.keys[0]!, wrong[0]!);
  expect(headAfter(dnet, [...before, low, high, wrong[0]!, said])).toBe(low.id.toHex());
});

test("what goes with another is not taken back twice", () => {
  const { one, other, dnet, before, low, high, wrong } = parted(new SeededRandom(11));
  for (const [first, second] of [wrong, wrong.toReversed()] as [Transaction, Transaction][]) {
    // With the first goes what makes the other cloud one whose word is kept.
    const attach = step(first, { op: "OP_DNET_OVX", dnet, ovx: other.ovx }, { time: NOW + 3 });
    const said = [lie(other.ovx, other.keys[0]!, high), lie(one.ovx, one.keys[0]!, high)];
    expect(headAfter(dnet, [...before, low, high, first, second, attach, ...said])).toBe(high.id.toHex());
  }
});

test("what a cloud has spoken for is kept once it has no word any more, and verifies, however much it is", () => {
  const { one, dnet, before, low } = parted(new SeededRandom(12));
  const rivals = Array.from({ length: 14 }, (_, i) =>
    step(before.at(-1)!, { op: "OP_DNET_POLICY", dnet }, { time: NOW + 5 + i }),
  );
  const said = rivals.map((each, i) => lie(one.ovx, one.keys[0]!, each, 2 * i));
  const words = [...before, ...rivals.flatMap((each, i) => [each, said[i]!]), lie(one.ovx, one.keys[0]!, low), low];
  const lowest = [low, ...rivals].sort((a, b) => compareBytes(a.id, b.id))[0]!;
  expect(headAfter(dnet, [...words, lie(one.ovx, one.keys[0]!, low)])).toBe(lowest.id.toHex());
});

test("who was invited does not fill a record with what stands beside joins that went", () => {
  const [chance, db] = [new SeededRandom(13), new Store(new Database(":memory:"))];
  const [guest, token] = [anyKeyPair(chance), mint()];
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name: "home" });
  const invite = invitation(create, dnet, ip(2), guest);
  for (const each of [token, create, invite]) tell(db, each);
  const bodies = Array.from({ length: 40 }, () => chance.bytes(10_000));
  const joins = bodies.map((body) => ({
    body,
    transaction: join(invite, dnet, ip(2), guest, anyKeyPair(chance), { bodyHash: sha256(body) }),
  }));
  // Each that comes stands in the place of the one before.
  joins.sort((a, b) => compareBytes(b.transaction.id, a.transaction.id));
  for (const { transaction, body } of joins) tell(db, transaction, body);
  expect(db.bytesOf(dnet)).toBeLessThan(10 * 11_000);
  const last = joins.at(-1)!;
  expect(db.body(dnet, sha256(last.body))).toEqual(last.body);
});

test("what proves by a key that a cloud has no word goes with the step that names the key", () => {
  const { ovx, provider, steps } = cloud(new SeededRandom(14));
  const chance = new SeededRandom(15);
  const updates = Array.from({ length: 10 }, () => {
    const keys = anyKeyPair(chance);
    const script = { op: "OP_OVX_UPDATE", ovx, key: keys.publicKey };
    return { keys, step: step(steps[1]!, script, { lock: lockOf(provider), signers: [provider] }) };
  }).sort((a, b) => compareBytes(a.step.id, b.step.id));
  const { keys, step: last } = updates.at(-1)!;
  const blocks = [0, 1].map((size) => decodeStatement(lie(ovx, keys, last, size, 0))!.block);
  const proof = encodeFork({ one: blocks[0]!, other: blocks[1]! });
  const first = [...updates.slice(0, 8), updates.at(-1)!].map((each) => each.step);
  // Of nine that have lost there is room for eight.
  expect(headAfter(ovx, [...steps, ...first, proof, updates[8]!.step])).toBe(updates[0]!.step.id.toHex());
});

test("a random tree of steps, joins, attachments and clouds' own steps ends in one state, whatever came first", () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const chance = new SeededRandom(9_000 + seed);
    const { clouds, dnet, said } = twoFaced(chance);
    const records = [dnet, ...clouds.map(({ ovx }) => ovx)];
    const statements = clouds.flatMap(({ ovx, keys }) => {
      const witness = new Store(new Database(":memory:"));
      const words: Uint8Array[] = [];
      for (const each of shuffled(chance, [...said, ...said, ...said])) {
        if (chance.chance(0.6)) tell(witness, each);
        // A cloud that is two-faced now and then signs with an older key, too.
        if (chance.chance(0.1)) witness.seal(NOW, ovx, chance.pick(keys));
        words.push(...records.flatMap((record) => witness.statementsOf(record, 0).map(({ bytes }) => bytes)));
      }
      return words;
    });
    // And one that says whatever it likes, in blocks that do not touch each other.
    for (const [i, { ovx, keys }] of clouds.entries()) {
      for (let at = 0; i === 0 && at < 8; at++) statements.push(lie(ovx, chance.pick(keys), chance.pick(said), 2 * at));
    }
    const distinct = [...new Map(statements.map((each) => [sha256(each).toHex(), each])).values()];
    const [one, ...rest] = statesOf(chance, [...said, ...distinct], records);
    for (const each of rest) expect({ seed, states: each }).toEqual({ seed, states: one! });
  }
}, 120_000);

test("what breaks a rule in place of an early step costs no more than any other, however long the chain is", () => {
  const [db, token] = [new Store(new Database(":memory:")), mint()];
  const dnet = recordId(token.id);
  const policy = (spent: Transaction, epoch: number | null = null) =>
    step(spent, epoch ? { op: "OP_DNET_KEY", dnet, epoch } : { op: "OP_DNET_POLICY", dnet });
  const chain = [step(token, { op: "OP_DNET_CREATE", dnet, name: "home" })];
  for (const each of [token, ...chain]) tell(db, each);
  const timeOf = (steps: readonly Transaction[], status: string) => {
    const began = performance.now();
    for (const each of steps) expect(tell(db, each)).toBe(status);
    return (performance.now() - began) / steps.length;
  };
  for (let i = 0; i < 3_000; i++) chain.push(policy(chain.at(-1)!));
  const plainMs = timeOf(chain.slice(1), "accepted");
  // Each lower than what stands, so that it is tried: by epochs, of which the next would be 1.
  const wrong = Array.from({ length: 40 }, (_, i) => i).flatMap((at) => {
    const lower = [];
    for (let epoch = 2; lower.length < 4 && epoch < 100; epoch++) {
      const rival = policy(chain[at]!, epoch);
      if (compareBytes(rival.id, chain[at + 1]!.id) < 0) lower.push(rival);
    }
    return lower;
  });
  expect(wrong.length).toBeGreaterThan(80);
  expect(timeOf(wrong, "lost") / plainMs).toBeLessThan(15); // as many as the chain is long, where it is built anew for each
});
