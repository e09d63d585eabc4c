/** A store, told transactions: what it accepts, what it refuses and by which name, and what it says then. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { compareBytes } from "../../../../src/base/bytes.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { sha256 } from "../../../../src/crypto/sha256.ts";
import { ula48 } from "../../../../src/overlay/dnetdb/addresses.ts";
import { keyHash, recordId } from "../../../../src/overlay/dnetdb/ids.ts";
import { lockTo } from "../../../../src/overlay/dnetdb/lock.ts";
import type { Slot } from "../../../../src/overlay/dnetdb/operands.ts";
import { REFUSALS } from "../../../../src/overlay/dnetdb/rules.ts";
import type { Script } from "../../../../src/overlay/dnetdb/script.ts";
import { MAX_LATER, Store } from "../../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { anyKeyPair, lockOf } from "../../../support/dnetdb.ts";
import {
  BODY,
  invitation,
  ip,
  join,
  key,
  membersOf,
  mint,
  NOW,
  owner,
  step,
  tell,
} from "../../../support/dnetdb-steps.ts";
import { SeededRandom } from "../../../support/random.ts";

const random = new SeededRandom(1);
const [other, alice, bob] = [anyKeyPair(random), anyKeyPair(random), anyKeyPair(random)];
const anyKey = random.bytes(32);
/** A member's address in the dnet's own IPv6. */
const ip6 = (dnet: Uint8Array, last: number): Slot => ({
  kind: "address",
  ip: Uint8Array.of(...ula48(dnet).bytes.slice(0, 15), last),
});
const store = () => new Store(new Database(":memory:"));

/** A dnet that is created and nothing more. */
function created(name: string | null = "home") {
  const db = store();
  const token = mint();
  const dnet = recordId(token.id);
  const create = step(token, { op: "OP_DNET_CREATE", dnet, name });
  const say = (transaction: Transaction, body?: Uint8Array | null) => tell(db, transaction, body);
  expect([say(token), say(create)]).toEqual(["accepted", "accepted"]);
  return { db, dnet, create, say };
}

test("DN-01 DN-04 a record begins with its owner's token, and each step spends the one before; its head and height say where it is", () => {
  const { db, dnet, create, say } = created();
  const add = step(create, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) });
  expect(say(add)).toBe("accepted");
  expect(say(add)).toBe("known");
  expect(db.view(dnet)).toMatchObject({
    name: "home",
    isDnet: true,
    head: add.id,
    height: 1,
    epoch: 0,
    isClosed: false,
  });
  expect(db.transactionsOf(dnet).slice(1)).toEqual([create, add].map(encodeTransaction));
});

test("DN-02 DN-05 who is not the owner changes nothing, and no other amount or destination passes", () => {
  const { db, dnet, create, say } = created();
  const add = { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) };
  const lock = lockOf(owner);
  expect(say(step(create, add, { signers: [] }))).toBe("UNSIGNED");
  expect(say(step(create, add, { signers: [other] }))).toBe("WRONG_SIGNER");
  expect(say(step(create, add, { signers: [owner, other] }))).toBe("WRONG_SIGNER");
  expect(say(step(create, add, { lock: lockOf(other) }))).toBe("WRONG_DESTINATION");
  for (const amount of [0, 2]) {
    expect(say(step(create, add, { outputs: [{ amount, script: { ...add, lock } as never }] }))).toBe("WRONG_AMOUNT");
  }
  const good = step(create, add);
  const forged = {
    ...good,
    signatures: [{ ...good.signatures[0]!, bytes: good.signatures[0]!.bytes.map((byte) => byte ^ 1) }],
  };
  expect(say(forged)).toBe("FORGED");
  expect([db.view(dnet)!.height, membersOf(db, dnet)]).toEqual([0, []]);
});

test("k of n owners: fewer are refused, as many pass, whoever they are", () => {
  const db = store();
  const owners = [owner, other, alice];
  const lock = lockTo(
    owners.map(({ publicKey }) => keyHash(publicKey)),
    2,
  )!;
  const say = (transaction: Transaction) => db.accept(NOW, encodeTransaction(transaction), null);
  const token = mint(lock, [owner, other]);
  expect(say(step(null, { op: "OP_MINT" }, { lock, signers: [owner] }))).toMatchObject({ why: "UNSIGNED" });
  expect(say(token).status).toBe("accepted");
  const create = step(
    token,
    { op: "OP_OVX_CREATE", ovx: recordId(token.id), name: "cloud", key: anyKey },
    { lock, signers: [alice, other] },
  );
  expect(say(create).status).toBe("accepted");
});

test("DN-04 two steps from one output: one stands, the same on every replica, and the other is kept as evidence if the owner signed both", () => {
  for (const isOther of [false, true]) {
    const { db, dnet, create, say } = created();
    const one = step(create, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) });
    const two = step(create, { op: "OP_DNET_NODE", dnet, slot: ip(3), member: key(bob) });
    const stranger = step(create, { op: "OP_DNET_CLOSE", dnet }, { signers: [other] });
    const [low, high] = compareBytes(one.id, two.id) < 0 ? [one, two] : [two, one];
    const said = isOther ? [say(high), say(low), say(high)] : [say(low), say(high), say(high)];
    expect(said).toEqual(isOther ? ["accepted", "accepted", "known"] : ["accepted", "lost", "known"]);
    expect(say(stranger)).toBe("WRONG_SIGNER");
    expect(db.evidence(dnet).map(({ id }) => id)).toEqual([high.id]);
    expect(db.transactionsOf(dnet).at(-1)).toEqual(encodeTransaction(low));
    expect(membersOf(db, dnet)).toEqual([
      low === one ? { slot: ip(2), member: key(alice) } : { slot: ip(3), member: key(bob) },
    ]);
  }
});

test("DN-22 DN-23 an address has one holder in a dnet; in another it is free, and so it is once its holder is removed", () => {
  const { db, dnet, create, say } = created();
  const one = step(create, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) });
  expect(say(one)).toBe("accepted");
  expect(say(step(one, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(bob) }))).toBe("ADDRESS_TAKEN");
  expect(say(invitation(one, dnet, ip(2), other))).toBe("ADDRESS_TAKEN");
  const six = ip6(dnet, 2);
  const both = step(one, { op: "OP_DNET_NODE", dnet, slot: six, member: key(alice) });
  expect(say(both)).toBe("accepted");
  expect(db.slotsOf(dnet, key(alice))).toEqual([ip(2), six]);
  const removed = step(both, { op: "OP_DNET_NODE_REMOVE", dnet, slot: ip(2) });
  expect(say(removed)).toBe("accepted");
  expect(say(step(removed, { op: "OP_DNET_NODE_REMOVE", dnet, slot: ip(2) }))).toBe("ADDRESS_UNKNOWN");
  expect(say(step(removed, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(bob) }))).toBe("accepted");
  expect(db.slotsOf(dnet, key(bob))).toEqual([ip(2)]);
  const elsewhere = created();
  const same = step(elsewhere.create, { op: "OP_DNET_NODE", dnet: elsewhere.dnet, slot: ip(2), member: key(bob) });
  expect(elsewhere.say(same)).toBe("accepted");
});

test("DN-26 an invitation is joined once, by whoever holds its key, at the address that it reserves", () => {
  const { db, dnet, create, say } = created();
  const guest = anyKeyPair(random);
  const invite = invitation(create, dnet, ip(9), guest);
  expect(say(invite)).toBe("accepted");
  expect(membersOf(db, dnet)).toEqual([{ slot: ip(9), member: null }]);
  const join = (who: KeyPair, fields: object = {}) =>
    step(
      invite,
      { op: "OP_DNET_JOIN", dnet, slot: ip(9), member: key(who) },
      { lock: lockOf(who), signers: [guest], output: 1, ...fields },
    );
  expect(say(join(alice, { signers: [alice] }))).toBe("WRONG_SIGNER");
  expect(say(join(alice, { lock: lockOf(bob) }))).toBe("WRONG_DESTINATION");
  expect(say(join(alice, { output: 0 }))).toBe("WRONG_OP");
  const elsewhere = step(
    invite,
    { op: "OP_DNET_JOIN", dnet, slot: ip(8), member: key(alice) },
    { lock: lockOf(alice), signers: [guest], output: 1 },
  );
  expect(say(elsewhere)).toBe("ADDRESS_UNKNOWN");
  const joins = [join(alice), join(bob)].sort((a, b) => compareBytes(a.id, b.id));
  expect(joins.map((each) => say(each))).toEqual(["accepted", "lost"]);
  const { member } = joins[0]!.outputs[0]!.script as Script<"OP_DNET_JOIN">;
  expect(membersOf(db, dnet)).toEqual([{ slot: ip(9), member }]);
  expect(db.view(dnet)).toMatchObject({ head: invite.id, height: 1 }); // the owner goes on from where he was
});

test("a removal wins over a join that arrives late, and whoever has the address then keeps it", () => {
  for (const isLate of [false, true]) {
    const { db, dnet, create, say } = created();
    const guest = anyKeyPair(random);
    const invite = invitation(create, dnet, ip(9), guest);
    const join = step(
      invite,
      { op: "OP_DNET_JOIN", dnet, slot: ip(9), member: key(alice) },
      { lock: lockOf(alice), signers: [guest], output: 1 },
    );
    const removal = step(invite, { op: "OP_DNET_NODE_REMOVE", dnet, slot: ip(9) });
    const again = step(removal, { op: "OP_DNET_NODE", dnet, slot: ip(9), member: key(bob) });
    const order = isLate ? [invite, removal, again, join] : [invite, join, removal, again];
    expect(order.map((each) => say(each))).toEqual(["accepted", "accepted", "accepted", "accepted"]);
    expect(membersOf(db, dnet)).toEqual([{ slot: ip(9), member: key(bob) }]);
  }
});

test("DN-08 DN-10 DN-11 DN-12 DN-15 clouds are attached by a dnet's owner, and authorise it by their own", () => {
  const { db, dnet, create, say } = created();
  const token = mint(lockOf(other), [other]);
  const ovx = recordId(token.id);
  const ofOther = { lock: lockOf(other), signers: [other] };
  const cloud = step(token, { op: "OP_OVX_CREATE", ovx, name: "cloud", key: anyKey }, ofOther);
  expect([say(token), say(cloud)]).toEqual(["accepted", "accepted"]);
  expect(db.view(ovx)).toMatchObject({ name: "cloud", isDnet: false });
  const auth = { op: "OP_OVX_AUTH", ovx, dnet, expiresAt: NOW + 1, quotaBytes: null };
  expect(say(step(cloud, auth, { ...ofOther, signers: [owner] }))).toBe("WRONG_SIGNER");
  expect(say(step(cloud, { op: "OP_OVX_REVOKE", ovx, dnet }, ofOther))).toBe("NOT_AUTHORISED");
  const authorised = step(cloud, auth, ofOther);
  expect([say(authorised), db.isAuthorised(ovx, dnet)]).toEqual(["accepted", true]);
  expect(say(step(authorised, { op: "OP_OVX_REVOKE", ovx, dnet }, ofOther))).toBe("accepted");
  expect(db.isAuthorised(ovx, dnet)).toBe(false);
  const attach = step(create, { op: "OP_DNET_OVX", dnet, ovx });
  expect([say(attach), db.isAttached(dnet, ovx)]).toEqual(["accepted", true]);
  expect(say(step(attach, { op: "OP_DNET_OVX", dnet, ovx }))).toBe("ATTACHED_TWICE");
  const detach = step(attach, { op: "OP_DNET_OVX_REMOVE", dnet, ovx });
  expect([say(detach), db.isAttached(dnet, ovx)]).toEqual(["accepted", false]);
  expect(say(step(detach, { op: "OP_DNET_OVX_REMOVE", dnet, ovx }))).toBe("NOT_ATTACHED");
});

test("a record goes to another owner by a transfer, whose the next step is; and after the close there is none", () => {
  const { db, dnet, create, say } = created();
  const gone = step(create, { op: "OP_DNET_TRANSFER", dnet }, { lock: lockOf(other) });
  expect(say(gone)).toBe("accepted");
  const key1 = { op: "OP_DNET_KEY", dnet, epoch: 1 };
  expect(say(step(gone, key1))).toBe("WRONG_DESTINATION");
  const ofOther = { lock: lockOf(other), signers: [other] };
  expect(say(step(gone, { ...key1, epoch: 2 }, ofOther))).toBe("WRONG_EPOCH");
  const rotated = step(gone, key1, ofOther);
  const close = step(rotated, { op: "OP_DNET_CLOSE", dnet }, ofOther);
  expect([say(rotated), say(close)]).toEqual(["accepted", "accepted"]);
  expect(db.view(dnet)).toMatchObject({ epoch: 1, isClosed: true });
  expect(say(step(close, { op: "OP_DNET_POLICY", dnet }, ofOther))).toBe("CLOSED");
});

test("steps that do not fit what they spend, or spend nothing that is here, are refused by name", () => {
  const { dnet, create, say } = created();
  const token = mint();
  expect(say(step(token, { op: "OP_DNET_CREATE", dnet: recordId(token.id), name: "x" }))).toBe("UNKNOWN_INPUT");
  expect(say(token)).toBe("accepted");
  expect(say(step(token, { op: "OP_DNET_CREATE", dnet, name: "x" }))).toBe("WRONG_ID");
  expect(say(step(token, { op: "OP_DNET_POLICY", dnet }))).toBe("WRONG_OP");
  expect(say(step(create, { op: "OP_DNET_CREATE", dnet: recordId(create.id), name: "x" }))).toBe("WRONG_OP");
  expect(say(step(create, { op: "OP_OVX_UPDATE", ovx: dnet, key: anyKey }))).toBe("WRONG_OP");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet: new Uint8Array(32) }))).toBe("WRONG_RECORD");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet }, { input: null }))).toBe("WRONG_INPUT");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet }, { bodyHash: null }))).toBe("WRONG_BODY");
  expect(say(step(create, { op: "OP_DNET_CLOSE", dnet }, { bodyHash: sha256(BODY) }))).toBe("WRONG_BODY");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet }), new TextEncoder().encode("another"))).toBe("WRONG_HASH");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet }, { time: NOW - 10_000_000 }))).toBe("ABSURD_TIME");
  expect(say(step(create, { op: "OP_DNET_POLICY", dnet }, { time: NOW + 10_000_000 }))).toBe("ABSURD_TIME");
  const invite = { op: "OP_DNET_INVITE", dnet, slot: ip(1), expiresAt: null };
  expect(say(step(create, invite))).toBe("WRONG_OUTPUTS");
  expect(
    say(step(create, { op: "OP_DNET_NODE", dnet, slot: { kind: "tag", tag: new Uint8Array(16) }, member: key(alice) })),
  ).toBe("WRONG_FORM");
});

test("DN-22 an address that is not of a public dnet is refused, and so is a creation whose body, which has the range, is not there", () => {
  const { dnet, create, say } = created();
  const at = (...bytes: number[]): Slot => ({ kind: "address", ip: Uint8Array.of(...bytes) });
  for (const slot of [at(11, 0, 0, 1), at(10, 0, 0, 0), at(10, 255, 255, 255), at(0xfd, ...new Uint8Array(14), 2)]) {
    expect(say(step(create, { op: "OP_DNET_NODE", dnet, slot, member: key(alice) }))).toBe("OUT_OF_RANGE");
    expect(say(invitation(create, dnet, slot, bob))).toBe("OUT_OF_RANGE");
  }
  const token = mint();
  const without = step(token, { op: "OP_DNET_CREATE", dnet: recordId(token.id), name: "x" });
  expect([say(token), say(without, null), say(without)]).toEqual(["accepted", "NO_BODY", "accepted"]);
});

test("an invitation that is over cannot be joined by", () => {
  const { dnet, create, say } = created();
  const guest = anyKeyPair(random);
  const invite = invitation(create, dnet, ip(9), guest, NOW + 1_000);
  const [late, inTime] = [NOW + 1_001, NOW + 1_000].map((time) => join(invite, dnet, ip(9), guest, alice, { time }));
  expect([say(invite), say(late!), say(inTime!)]).toEqual(["accepted", "EXPIRED", "accepted"]);
});

test("DN-54 in a private dnet addresses and keys are tags, and the rules hold all the same", () => {
  const { db, dnet, create, say } = created(null);
  const tag = (byte: number) => ({ kind: "tag", tag: new Uint8Array(16).fill(byte) }) as const;
  expect(say(step(create, { op: "OP_DNET_NODE", dnet, slot: ip(2), member: key(alice) }))).toBe("WRONG_FORM");
  expect(say(step(create, { op: "OP_DNET_NODE", dnet, slot: tag(1), member: key(alice) }))).toBe("WRONG_FORM");
  const add = step(create, { op: "OP_DNET_NODE", dnet, slot: tag(1), member: tag(2) });
  expect(say(add)).toBe("accepted");
  expect(say(step(add, { op: "OP_DNET_NODE", dnet, slot: tag(1), member: tag(3) }))).toBe("ADDRESS_TAKEN");
  expect([db.view(dnet)!.name, membersOf(db, dnet)]).toEqual([null, [{ slot: tag(1), member: tag(2) }]]);
});

test("replicas that hear the same in any order, some of it twice, end in the same state", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const chance = new SeededRandom(seed);
    const { dnet, create, db: first, say } = created();
    const said: Transaction[] = [];
    const guests: { readonly invite: Transaction; readonly slot: Slot; readonly guest: KeyPair }[] = [];
    let head = create;
    const go = (next: Transaction) => {
      if (say(next) !== "accepted") return;
      said.push(next);
      if (next.outputs[0]!.script.op !== "OP_DNET_JOIN") head = next;
    };
    for (let i = 0; i < 30; i++) {
      const slot = ip(1 + chance.below(6));
      const who = chance.pick([alice, bob, other]);
      const kind = chance.below(5);
      if (kind === 0) go(step(head, { op: "OP_DNET_NODE", dnet, slot, member: key(who) }));
      else if (kind === 1) go(step(head, { op: "OP_DNET_NODE_REMOVE", dnet, slot }));
      else if (kind === 2) {
        const guest = anyKeyPair(chance);
        const invite = invitation(head, dnet, slot, guest);
        go(invite);
        guests.push({ invite, slot, guest });
      } else if (kind === 3 && guests.length > 0) {
        const { invite, slot: reserved, guest } = guests.splice(chance.below(guests.length), 1)[0]!;
        const script = { op: "OP_DNET_JOIN", dnet, slot: reserved, member: key(who) };
        go(step(invite, script, { lock: lockOf(who), signers: [guest], output: 1 }));
      } else go(step(head, { op: "OP_DNET_POLICY", dnet }));
    }
    const state = (db: Store) => [
      db.view(dnet),
      membersOf(db, dnet),
      db.transactionsOf(dnet).map((bytes) => bytes.toHex()),
    ];
    for (let replica = 0; replica < 3; replica++) {
      const database = new Database(":memory:");
      const db = new Store(database);
      db.accept(NOW, first.transaction(create.input!.transaction)!, null);
      db.accept(NOW, encodeTransaction(create), BODY);
      const waiting = [...said, ...said.slice(0, 10)];
      for (let tries = 0; waiting.length > 0 && tries < 20_000; tries++) {
        const [next] = waiting.splice(chance.below(waiting.length), 1);
        const verdict = db.accept(NOW, encodeTransaction(next!), next!.bodyHash && BODY);
        if (verdict.status === "refused") waiting.push(next!);
      }
      expect([seed, waiting.length, state(db)]).toEqual([seed, 0, state(first)]);
    }
  }
});

test("what a later version wrote is kept; what is no transaction is refused", () => {
  const db = store();
  const bytes = Uint8Array.of(9, 1, 2, 3);
  expect([db.accept(NOW, bytes, null).status, db.accept(NOW, bytes, null).status]).toEqual(["kept", "known"]);
  expect(db.accept(NOW, Uint8Array.of(1, 2, 3), null)).toMatchObject({ status: "refused", why: "MALFORMED" });
});

test("of later versions so many are kept: anyone can write them, and they cost nothing", () => {
  const database = new Database(":memory:");
  const later = (i: number) => Uint8Array.of(9, i >> 8, i);
  const fill = (db: Store, from: number, to: number) => {
    for (let i = from; i < to; i++) db.accept(NOW, later(i), null);
  };
  fill(new Store(database), 0, 10);
  const db = new Store(database); // counts those that are there
  fill(db, 10, MAX_LATER);
  expect(db.accept(NOW, later(MAX_LATER), null)).toMatchObject({ status: "refused", why: "TOO_MANY_LATER" });
  expect(db.accept(NOW, later(0), null).status).toBe("known");
  expect(db.accept(NOW, encodeTransaction(mint()), null).status).toBe("accepted");
});

test("who tells a step without its body does not keep the body from us", () => {
  const { db, create, dnet, say } = created();
  const policy = step(create, { op: "OP_DNET_POLICY", dnet }, { bodyHash: sha256(Uint8Array.of(1, 2)) });
  expect([say(policy, null), db.body(dnet, policy.bodyHash!)]).toEqual(["accepted", null]);
  expect([say(policy, Uint8Array.of(1, 3)), db.body(dnet, policy.bodyHash!)]).toEqual(["known", null]);
  expect([say(policy, Uint8Array.of(1, 2)), db.body(dnet, policy.bodyHash!)]).toEqual(["known", Uint8Array.of(1, 2)]);
});

test("DN-22 an IPv4 address has no second form, in which it could be given twice", () => {
  const { create, dnet, say } = created();
  const mapped = Uint8Array.of(...new Uint8Array(10), 0xff, 0xff, 10, 0, 0, 2);
  const twice = step(create, { op: "OP_DNET_NODE", dnet, slot: { kind: "address", ip: mapped }, member: key(alice) });
  expect(say(twice)).toBe("MALFORMED");
});

test("a store is found again as it was, and one of a later version is not touched", () => {
  const database = new Database(":memory:");
  const db = new Store(database);
  const token = mint();
  db.accept(NOW, encodeTransaction(token), null);
  expect(new Store(database).accept(NOW, encodeTransaction(token), null).status).toBe("known");
  database.run("PRAGMA user_version = 99");
  expect(() => new Store(database)).toThrow(expect.objectContaining({ code: "STORE_TOO_NEW" }));
});

test("every refusal says what it means", () => {
  for (const [code, words] of Object.entries(REFUSALS)) expect([code, words.length > 10]).toEqual([code, true]);
});
