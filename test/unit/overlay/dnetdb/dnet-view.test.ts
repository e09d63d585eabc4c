/** A dnet as each reads it: its owner, a member, a cloud, one who was removed, a stranger. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { sameBytes } from "../../../../src/base/bytes.ts";
import { formatIp } from "../../../../src/base/ip.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { isInRange, memberIp6 } from "../../../../src/overlay/dnetdb/addresses.ts";
import { attach, detach, rekey, setPolicy } from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join, removeMembers } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { authorise, updateOvx } from "../../../../src/overlay/dnetdb/desk-ovx.ts";
import {
  currentKey,
  type DnetView,
  findMember,
  readDnet,
  readDnetAt,
  storeAt,
} from "../../../../src/overlay/dnetdb/dnet-view.ts";
import { formatC2pkh, keyHash } from "../../../../src/overlay/dnetdb/ids.ts";
import { NO_SECRETS, type Secrets } from "../../../../src/overlay/dnetdb/network-key.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { decodeTransaction, type Transaction } from "../../../../src/overlay/dnetdb/transaction.ts";
import { Office } from "../../../support/dnetdb-office.ts";

const only = (...keyPairs: KeyPair[]): Secrets => ({ networkKey: null, keyPairs });
const add = (office: Office, dnet: Uint8Array, name: string | null, keyPair = office.anyMember()) => {
  office.carryOut(addMembers(office, dnet, [{ publicKey: keyPair.publicKey, name, address: null }]));
  return keyPair;
};
const namesOf = ({ members }: DnetView) => members.map(({ name }) => name);
const keysOf = ({ members }: DnetView) => members.map(({ publicKey }) => publicKey.toHex());

test("DN-54 a private dnet is read with the newest network key alone, whatever keys it had before", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "alice");
  office.carryOut(rekey(office, dnet));
  add(office, dnet, "bob");
  office.carryOut(rekey(office, dnet));
  const view = office.read(dnet, { networkKey: office.networkKey, keyPairs: [] });
  expect(view).toMatchObject({ name: "home", isPrivate: true, reads: "everything", epoch: 2, sealed: 0, flaws: [] });
  expect(namesOf(view)).toEqual(["alice", "bob"]);
  const [member] = view.members;
  expect(member).toMatchObject({
    publicKey: alice.publicKey,
    c2pkh: formatC2pkh(keyHash(alice.publicKey)),
    how: "added",
  });
  expect(member!.addresses.map(formatIp)).toEqual([`10.${dnet[0]}.0.1`, formatIp(memberIp6(dnet, alice.publicKey))]);
});

test("DN-28 DN-55 a member reads all of it with its own key alone, added or joined, before a new network key and after", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const [alice, bob] = [add(office, dnet, "alice"), office.anyMember()];
  const { invitation } = office.carryOut(invite(office, dnet, { name: "bob", address: null, expiresAt: null }));
  office.accept(join(office, invitation, { nodeKey: bob, name: null }).steps);
  const stranger = office.anyMember();
  for (let epoch = 0; epoch < 3; epoch++) {
    for (const keyPair of [alice, bob]) {
      expect(office.read(dnet, only(keyPair))).toEqual(office.read(dnet));
      expect(currentKey(office.store, dnet, only(stranger, keyPair))).toEqual(office.networkKey);
    }
    expect(office.read(dnet, only(stranger))).toMatchObject({ reads: "nothing", name: null, members: [], sealed: 2 });
    office.carryOut(rekey(office, dnet));
  }
});

test("DN-55 who joined before a new network key whose owner had not heard of it reads all of it with its own key alone", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const [alice, bob, stranger] = [add(office, dnet, "alice"), office.anyMember(), office.anyMember()];
  const expiresAt = office.now + 60_000;
  const { invitation } = office.carryOut(invite(office, dnet, { name: "bob", address: null, expiresAt }));
  const { steps } = join(office, invitation, { nodeKey: bob, name: null });
  const old = office.networkKey;
  office.now = expiresAt + 3_600_000; // the invitation is over; a cloud may have taken the join before that
  office.carryOut(rekey(office, dnet));
  office.carryOut(removeMembers(office, dnet, [alice.publicKey]));
  office.accept(steps);
  expect(office.read(dnet, only(bob))).toEqual(office.read(dnet));
  expect(office.read(dnet, { networkKey: old, keyPairs: [bob] })).toEqual(office.read(dnet));
  expect(office.read(dnet, { networkKey: old, keyPairs: [stranger, bob] })).toEqual(office.read(dnet));
  // The seed is sealed for bob alone: who was removed meanwhile, and knows the key that bob joined with, has nothing of it.
  expect(office.read(dnet, { networkKey: old, keyPairs: [alice] })).toMatchObject({ reads: "past" });
  expect(office.read(dnet, only(stranger))).toMatchObject({ reads: "nothing" });
  office.carryOut(removeMembers(office, dnet, [bob.publicKey]));
  expect(office.read(dnet, { networkKey: old, keyPairs: [bob] })).toMatchObject({ reads: "past" });
});

test("an owner that is no member reads it with the owner's key, also when a new network key was made since", () => {
  const office = new Office();
  const dnet = office.createDnet();
  add(office, dnet, "alice");
  expect(office.read(dnet, only(office.owner))).toEqual(office.read(dnet));
  office.carryOut(rekey(office, dnet));
  expect(office.read(dnet, only(office.owner))).toEqual(office.read(dnet));
});

test("DN-54 a stranger's replica sees ids, tags and how many, and nothing else", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "alice-the-first");
  office.carryOut(setPolicy(office, dnet, '{"dns":{"domain":"secret.example"}}'));
  const view = office.read(dnet, NO_SECRETS);
  expect(view).toMatchObject({
    name: null,
    range4: null,
    slotKey: null,
    networkKey: null,
    reads: "nothing",
    sealed: 1,
  });
  const all = Buffer.concat([...office.store.transactionsOf(dnet), ...bodiesOf(office, dnet)]).toString("latin1");
  for (const secret of ["home", "alice-the-first", "secret.example"]) expect(all.includes(secret)).toBe(false);
  for (const secret of [alice.publicKey, office.networkKey!.key, Uint8Array.of(10, dnet[0]!, 0, 1)]) {
    expect(all.includes(Buffer.from(secret).toString("latin1"))).toBe(false);
  }
});

test("DN-54 a cloud that is attached sees whose keys are admitted, also after a new network key, and neither names nor addresses", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "alice");
  office.carryOut(setPolicy(office, dnet, "{}"));
  office.carryOut(rekey(office, dnet));
  const { ovx, keyPair } = office.createOvx();
  office.carryOut(attach(office, dnet, ovx));
  const bob = add(office, dnet, "bob");
  for (let round = 0; round < 2; round++) {
    const view = office.read(dnet, only(keyPair));
    expect(view).toMatchObject({
      reads: "keys",
      name: null,
      networkKey: null,
      slotKey: null,
      range4: null,
      policy: null,
      sealed: 0,
    });
    expect(keysOf(view)).toEqual([alice, bob].map(({ publicKey }) => publicKey.toHex()));
    expect(namesOf(view)).toEqual([null, null]);
    expect(view.members[0]!.addresses).toEqual([memberIp6(dnet, alice.publicKey)]);
    office.carryOut(rekey(office, dnet));
  }
});

test("a cloud that is detached does not see who is admitted later", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const { ovx, keyPair } = office.createOvx();
  add(office, dnet, "alice");
  office.carryOut(attach(office, dnet, ovx));
  office.carryOut(detach(office, dnet, ovx));
  const carol = add(office, dnet, "carol");
  expect(office.read(dnet, only(keyPair))).toMatchObject({ reads: "nothing", members: [] });
  expect(keysOf(office.read(dnet))).toContain(carol.publicKey.toHex());
});

test("DN-54 who was removed reads the past, with the key it has and with its own, and nothing of the new epoch", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const [alice, bob] = [add(office, dnet, "alice"), add(office, dnet, "bob")];
  const old = office.networkKey;
  office.carryOut(removeMembers(office, dnet, [alice.publicKey]));
  add(office, dnet, "carol");
  office.carryOut(setPolicy(office, dnet, '{"needConfirmation":false}'));
  expect(office.networkKey!.epoch).toBe(1);
  const removed = [
    { networkKey: old, keyPairs: [alice] },
    { networkKey: old, keyPairs: [] },
  ];
  for (const secrets of removed) {
    const view = office.read(dnet, secrets);
    expect(view).toMatchObject({ reads: "past", sealed: 1, policy: null, networkKey: old });
    expect(namesOf(view)).toEqual(["bob"]);
  }
  expect(office.read(dnet, only(alice))).toMatchObject({ reads: "nothing", sealed: 2 });
  expect(namesOf(office.read(dnet, only(bob)))).toEqual(["bob", "carol"]);
});

test("DN-53 a public dnet reads the same to everyone, and each record has its own members and no others", () => {
  const office = new Office();
  const [home, work] = [office.createDnet({ isPrivate: false }), office.createDnet({ isPrivate: false, name: "work" })];
  const [alice, bob] = [add(office, home, "alice"), add(office, work, "bob")];
  expect(office.read(home)).toEqual(office.read(home, only(bob)));
  expect([keysOf(office.read(home)), keysOf(office.read(work))]).toEqual([
    [alice.publicKey.toHex()],
    [bob.publicKey.toHex()],
  ]);
  expect(office.read(home)).toMatchObject({
    name: "home",
    isPrivate: false,
    reads: "everything",
    networkKey: null,
    slotKey: null,
  });
});

test("DN-20 DN-21 one key with several addresses is one member, at all of them", () => {
  for (const isPrivate of [true, false]) {
    const office = new Office();
    const dnet = office.createDnet({ isPrivate });
    const alice = add(office, dnet, "alice");
    const more = [
      Uint8Array.of(10, dnet[0]!, 7, 7),
      memberIp6(dnet, alice.publicKey),
      memberIp6(dnet, office.owner.publicKey),
    ];
    for (const address of more) {
      office.carryOut(addMembers(office, dnet, [{ publicKey: alice.publicKey, name: null, address }]));
    }
    const { members, flaws } = office.read(dnet);
    expect(flaws).toEqual([]);
    expect(members).toHaveLength(1);
    const first = Uint8Array.of(10, dnet[0]!, 0, 1);
    expect(members[0]!.addresses).toEqual([first, more[0]!, more[2]!, memberIp6(dnet, alice.publicKey)]);
    expect(members[0]!.addresses.every((ip) => isInRange(dnet, office.read(dnet).range4, ip))).toBe(true);
  }
});

test("a member is found by its name, key, C2PKH or address", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "Alice");
  add(office, dnet, "bob");
  const view = office.read(dnet);
  const member = view.members[0]!;
  const texts = ["alice", "Alice", alice.publicKey.toHex(), member.c2pkh, ...member.addresses.map(formatIp)];
  for (const text of texts) expect(findMember(view, text)?.name).toBe("Alice");
  for (const text of ["", "carol", "10.0.0", `${member.c2pkh}x`]) expect(findMember(view, text)).toBeNull();
});

test("what serves it: attached, authorised or not, and what its own record says; unknown here, it is named alone", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const { ovx, keyPair } = office.createOvx({ addresses: ["192.0.2.1:1776", "[2001:db8::1]:1776"] });
  const { ovx: relay } = office.createOvx({ kind: "ovr", name: "relay", isListed: false });
  office.carryOut(attach(office, dnet, ovx));
  office.carryOut(attach(office, dnet, relay));
  const expiresAt = office.now + 1_000_000;
  office.carryOut(authorise(office, relay, { dnet, expiresAt, quotaBytes: 5_000 }));
  const view = office.read(dnet);
  expect(view.ovxs).toEqual([
    {
      ...{ id: ovx, name: "cloud", kind: "ovc", isListed: true, key: keyPair.publicKey, isClosed: false },
      ...{
        addresses: ["192.0.2.1:1776", "[2001:db8::1]:1776"],
        isAuthorised: false,
        expiresAt: null,
        quotaBytes: null,
      },
    },
    expect.objectContaining({
      id: relay,
      kind: "ovr",
      isListed: false,
      isAuthorised: true,
      expiresAt,
      quotaBytes: 5_000,
    }),
  ]);
  const other = new Store(new Database(":memory:"));
  for (const bytes of office.store.transactionsOf(dnet)) other.accept(office.now, bytes, null);
  expect(readDnet(other, dnet, NO_SECRETS)!.ovxs[0]).toMatchObject({
    id: ovx,
    name: null,
    kind: null,
    key: null,
    addresses: [],
  });
});

test("DN-47 without its bodies a record is still there: a public one's members without names, a private one's counted", () => {
  for (const isPrivate of [true, false]) {
    const office = new Office();
    const dnet = office.createDnet({ isPrivate });
    const alice = add(office, dnet, "alice");
    const bare = new Store(new Database(":memory:"));
    for (const bytes of office.store.transactionsOf(dnet)) {
      const isCreation = !isPrivate && office.store.latest(dnet, "OP_DNET_CREATE")!.toHex() === bytes.toHex();
      bare.accept(office.now, bytes, isCreation ? bodiesOf(office, dnet)[0]! : null);
    }
    const view = readDnet(bare, dnet, office.secrets)!;
    if (isPrivate) expect(view).toMatchObject({ members: [], sealed: 1 });
    else expect(view.members).toMatchObject([{ publicKey: alice.publicKey, name: null }]);
  }
});

test("DN-28 DN-47 a fresh replica with the live bodies alone reads the same, and so does one that has dropped the others", () => {
  for (const isPrivate of [true, false]) {
    const office = new Office();
    const dnet = office.createDnet({ isPrivate });
    const [alice, bob] = [add(office, dnet, "alice"), office.anyMember()];
    add(office, dnet, "carol");
    const { ovx } = office.createOvx();
    office.carryOut(updateOvx(office, ovx, { isListed: false }));
    office.carryOut(attach(office, dnet, ovx));
    for (const name of ["bob", "dave"]) {
      const { invitation } = office.carryOut(invite(office, dnet, { name, address: null, expiresAt: null }));
      if (name === "bob") office.accept(join(office, invitation, { nodeKey: bob, name: "mallory" }).steps);
    }
    for (const text of ['{"n":1}', '{"n":2}']) office.carryOut(setPolicy(office, dnet, text));
    office.carryOut(removeMembers(office, dnet, [alice.publicKey]));
    const before = office.read(dnet);
    expect(namesOf(before).sort()).toEqual(["bob", "carol"]);
    expect(office.store.collectBodies()).toBeGreaterThan(0);
    expect(office.read(dnet)).toEqual(before);
    const fresh = new Store(new Database(":memory:"));
    for (const record of [ovx, dnet]) {
      for (const bytes of office.store.transactionsOf(record)) {
        const { bodyHash } = decodeTransaction(bytes) as Transaction;
        const isCreation = sameBytes(bytes, office.store.latest(record, "OP_DNET_CREATE") ?? new Uint8Array(0));
        fresh.accept(office.now, bytes, isCreation ? office.store.body(record, bodyHash!) : null);
      }
      for (const hash of fresh.missingBodies(record, 1_000)) fresh.acceptBody(record, office.store.body(record, hash)!);
    }
    for (const secrets of [office.secrets, only(bob)]) expect(readDnet(fresh, dnet, secrets)).toEqual(before);
  }
});

test("who joins is called what the owner has said, whatever it says itself", () => {
  const office = new Office();
  const dnet = office.createDnet({ isPrivate: false });
  add(office, dnet, "alice");
  const bob = office.anyMember();
  const { invitation } = office.carryOut(invite(office, dnet, { name: "bob", address: null, expiresAt: null }));
  expect(join(office, invitation, { nodeKey: bob, name: "alice" }).name).toBe("bob");
  office.accept(join(office, invitation, { nodeKey: bob, name: "alice" }).steps);
  expect(namesOf(office.read(dnet))).toEqual(["alice", "bob"]);
  expect(office.read(dnet).members[1]!.how).toBe("joined");
});

test("as it was at a moment: who had not come yet is not there, who has gone since is, and what served it then", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "alice");
  const { ovx } = office.createOvx();
  office.carryOut(attach(office, dnet, ovx));
  const moment = office.now - 1;
  office.carryOut(removeMembers(office, dnet, [alice.publicKey]));
  const bob = add(office, dnet, "bob");
  const at = (when: number) => readDnetAt(office.store, dnet, when, office.secrets, new Database(":memory:"));
  expect(namesOf(office.read(dnet))).toEqual(["bob"]);
  expect(namesOf(at(moment)!)).toEqual(["alice"]);
  expect(at(moment)).toMatchObject({ height: 2, epoch: 0, reads: "everything", ovxs: [{ name: "cloud" }] });
  expect(at(office.now)).toEqual(office.read(dnet));
  expect(at(0)).toBeNull();
  const asBob = readDnetAt(office.store, dnet, moment, only(bob), new Database(":memory:"))!;
  expect([asBob.reads, namesOf(asBob)]).toEqual(["everything", ["alice"]]);
  expect(storeAt(office.store, ovx, moment, new Database(":memory:")).view(ovx)).toMatchObject({ name: "cloud" });
});

test("the network key of another dnet, or a wrong one, opens nothing and stops nothing", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const alice = add(office, dnet, "alice");
  for (const epoch of [0, 1, 4_000_000_000]) {
    const networkKey = { epoch, key: office.random.bytes(32) };
    expect(office.read(dnet, { networkKey, keyPairs: [] })).toMatchObject({ reads: "nothing", networkKey: null });
    expect(office.read(dnet, { networkKey, keyPairs: [alice] })).toEqual(office.read(dnet));
  }
});

test("no such dnet is no view; nor is a cloud one", () => {
  const office = new Office();
  const { ovx } = office.createOvx();
  expect([office.random.bytes(32), ovx].map((id) => readDnet(office.store, id, NO_SECRETS))).toEqual([null, null]);
});

function bodiesOf({ store }: Office, record: Uint8Array): Uint8Array[] {
  return store.stepsOf(record, 0, 1_000).flatMap(({ body }) => (body && store.body(record, body)) || []);
}
