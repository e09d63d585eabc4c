import { expect, test } from "bun:test";
import { keyPairFromSeed } from "../../../../src/crypto/ed25519.ts";
import { defaultRange4, parseRange4 } from "../../../../src/overlay/dnetdb/addresses.ts";
import {
  attach,
  checkRoom,
  closeDnet,
  createDnet,
  detach,
  rekey,
  setPolicy,
  transfer,
} from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { closeOvx } from "../../../../src/overlay/dnetdb/desk-ovx.ts";
import type { InvitationView, MemberView } from "../../../../src/overlay/dnetdb/dnet-view.ts";
import { NO_SECRETS } from "../../../../src/overlay/dnetdb/network-key.ts";
import { MOST_AHEAD_MS } from "../../../../src/overlay/dnetdb/rules.ts";
import { lockOf } from "../../../support/dnetdb.ts";
import { Office, refusalOf } from "../../../support/dnetdb-office.ts";

test("a dnet is private or public, with a range of its own or the default one or none, and has the name it was given", () => {
  const office = new Office();
  for (const isPrivate of [true, false]) {
    const options = { lock: lockOf(office.owner), isPrivate };
    const usual = office.carryOut(createDnet(office, { ...options, name: "home", range4: "default" }));
    expect(usual.range4).toEqual(defaultRange4(usual.dnet));
    expect(office.read(usual.dnet)).toMatchObject({ name: "home", isPrivate, range4: usual.range4, members: [] });
    const range4 = parseRange4("192.168.7.0/24")!;
    const own = office.carryOut(createDnet(office, { ...options, name: "Büro", range4 }));
    expect(office.read(own.dnet)).toMatchObject({ name: "Büro", range4 });
    const none = office.carryOut(createDnet(office, { ...options, name: "six", range4: null }));
    expect(office.read(none.dnet).range4).toBeNull();
  }
});

test("two of one owner in the same millisecond are two", () => {
  const office = new Office();
  const options = { lock: lockOf(office.owner), name: "home", isPrivate: false, range4: null } as const;
  const one = office.carryOut(createDnet(office, options));
  office.now -= 1_000;
  const two = office.carryOut(createDnet(office, options));
  expect(two.dnet).not.toEqual(one.dnet);
});

test("names have at most 63 bytes, and the characters of names", () => {
  const office = new Office();
  const create = (name: string) =>
    createDnet(office, { lock: lockOf(office.owner), name, isPrivate: true, range4: null });
  for (const name of ["x".repeat(63), "é".repeat(31), "a.b_c-d"]) expect(refusalOf(() => create(name))).toBeNull();
  for (const name of ["", "-", "x".repeat(64), "é".repeat(32), "a b", "a\n"])
    expect(refusalOf(() => create(name))).toBe("NAME_INVALID");
});

test("a new network key is another, one epoch on; a public dnet has none", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const first = office.networkKey!;
  const { networkKey } = office.carryOut(rekey(office, dnet));
  expect([first.epoch, networkKey!.epoch]).toEqual([0, 1]);
  expect(networkKey!.key).not.toEqual(first.key);
  expect(refusalOf(() => rekey(office, office.createDnet({ isPrivate: false })))).toBe("DNET_PUBLIC");
});

test("one who is invited gets each new network key while clouds may take a join, and can still join", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const expiresAt = office.now + 1_000_000;
  const { invitation } = office.carryOut(invite(office, dnet, { name: "bob", address: null, expiresAt }));
  office.carryOut(rekey(office, dnet));
  office.carryOut(rekey(office, dnet));
  const bob = office.anyMember();
  const joined = join(office, invitation, { nodeKey: bob, name: null });
  expect(joined.networkKey).toEqual(office.networkKey);
  office.now = expiresAt + MOST_AHEAD_MS;
  office.carryOut(rekey(office, dnet));
  const seedPair = keyPairFromSeed(invitation.seed);
  expect(office.read(dnet, { networkKey: null, keyPairs: [seedPair] })).toMatchObject({
    reads: "past",
    networkKey: { epoch: 2 },
  });
});

test("a dnet that cannot be read cannot be changed where that needs reading; handed on and closed it can", () => {
  const office = new Office();
  const dnet = office.createDnet();
  const { ovx } = office.createOvx();
  const blind = { ...office, store: office.store, now: office.now, secrets: NO_SECRETS };
  const sealed = [
    () => rekey(blind, dnet),
    () => attach(blind, dnet, ovx),
    () => setPolicy(blind, dnet, "{}"),
    () => addMembers(blind, dnet, [{ publicKey: office.owner.publicKey, name: null, address: null }]),
    () => invite(blind, dnet, { name: null, address: null, expiresAt: null }),
  ];
  for (const work of sealed) expect(refusalOf(work)).toBe("DNET_SEALED");
  expect(refusalOf(() => transfer(blind, dnet, lockOf(office.anyMember())))).toBeNull();
  expect(refusalOf(() => closeDnet(blind, dnet))).toBeNull();
});

test("clouds and relays: attached once, detached once, known before, and not closed", () => {
  for (const isPrivate of [true, false]) {
    const office = new Office();
    const dnet = office.createDnet({ isPrivate });
    const { ovx } = office.createOvx();
    const { ovx: gone } = office.createOvx();
    office.carryOut(closeOvx(office, gone));
    expect(refusalOf(() => attach(office, dnet, office.random.bytes(32)))).toBe("OVX_UNKNOWN");
    expect(refusalOf(() => attach(office, dnet, dnet))).toBe("OVX_UNKNOWN");
    expect(refusalOf(() => attach(office, dnet, gone))).toBe("RECORD_CLOSED");
    expect(refusalOf(() => detach(office, dnet, ovx))).toBe("NOT_ATTACHED");
    office.carryOut(attach(office, dnet, ovx));
    expect(refusalOf(() => attach(office, dnet, ovx))).toBe("ALREADY_ATTACHED");
    const { networkKey } = office.carryOut(detach(office, dnet, ovx));
    expect([networkKey === null, office.read(dnet).ovxs]).toEqual([!isPrivate, []]);
    office.carryOut(attach(office, dnet, ovx));
  }
});

test("a policy is what its text says, and what is none is refused", () => {
  for (const isPrivate of [true, false]) {
    const office = new Office();
    const dnet = office.createDnet({ isPrivate });
    expect(office.read(dnet).policy).toMatchObject({ needConfirmation: true });
    office.carryOut(setPolicy(office, dnet, '{"needConfirmation":false,"later":1}'));
    expect(office.read(dnet).policy).toMatchObject({ needConfirmation: false, witnesses: 1, later: 1 });
    expect(refusalOf(() => setPolicy(office, dnet, "[]"))).toBe("POLICY_INVALID");
  }
});

test("a closed dnet takes no more steps, an unknown one none; it is not handed to whose it is", () => {
  const office = new Office();
  const dnet = office.createDnet();
  expect(refusalOf(() => transfer(office, dnet, lockOf(office.owner)))).toBe("SAME_OWNER");
  office.carryOut(closeDnet(office, dnet));
  expect(office.read(dnet).isClosed).toBe(true);
  for (const work of [() => closeDnet(office, dnet), () => rekey(office, dnet)])
    expect(refusalOf(work)).toBe("RECORD_CLOSED");
  expect(refusalOf(() => closeDnet(office, office.random.bytes(32)))).toBe("DNET_UNKNOWN");
});

test("a private dnet has no more members than can be given a new network key", () => {
  const office = new Office();
  const view = office.read(office.createDnet());
  const full = { ...view, members: new Array<MemberView>(15_990), invitations: new Array<InvitationView>(9) };
  expect([1, 2].map((more) => refusalOf(() => checkRoom(full, more)))).toEqual([null, "TOO_MANY_MEMBERS"]);
  expect(refusalOf(() => checkRoom({ ...full, isPrivate: false }, 2))).toBeNull();
});

test("a step is no earlier than the one before, whatever the clock says", () => {
  const office = new Office();
  const dnet = office.createDnet();
  office.now -= 3_600_000;
  office.carryOut(rekey(office, dnet));
  expect(office.store.view(dnet)!.height).toBe(1);
});
