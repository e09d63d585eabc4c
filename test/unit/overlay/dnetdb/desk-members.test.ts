import { expect, test } from "bun:test";
import { formatIp, parseIp } from "../../../../src/base/ip.ts";
import type { KeyPair } from "../../../../src/crypto/ed25519.ts";
import { memberIp6, parseRange4 } from "../../../../src/overlay/dnetdb/addresses.ts";
import { attach, closeDnet, rekey } from "../../../../src/overlay/dnetdb/desk-dnet.ts";
import { addMembers, invite, join, removeAddress, removeMembers } from "../../../../src/overlay/dnetdb/desk-members.ts";
import { formatInvitation, parseInvitation } from "../../../../src/overlay/dnetdb/invitation.ts";
import { Office, refusalOf } from "../../../support/dnetdb-office.ts";

const ip = (text: string) => parseIp(text)!;
const RANGE = parseRange4("10.7.0.0/29")!;

function office(isPrivate: boolean, range4: typeof RANGE | null = RANGE) {
  const desk = new Office();
  const dnet = desk.createDnet({ isPrivate, range4 });
  const draftOf = (address: string | null, name: string | null = null, keyPair = desk.anyMember()) =>
    addMembers(desk, dnet, [{ publicKey: keyPair.publicKey, name, address: address === null ? null : ip(address) }]);
  const add = (address: string | null, name: string | null = null, keyPair = desk.anyMember()): KeyPair => {
    desk.carryOut(draftOf(address, name, keyPair));
    return keyPair;
  };
  const addresses = () => desk.read(dnet).members.map((member) => formatIp(member.addresses[0]!));
  return { desk, dnet, add, draftOf, addresses };
}

for (const isPrivate of [true, false]) {
  const kind = isPrivate ? "private" : "public";

  test(`DN-20 a member without an address gets the lowest that is free, and it is told which: ${kind}`, () => {
    const { desk, dnet, add, draftOf, addresses } = office(isPrivate);
    add(null);
    add("10.7.0.3");
    expect(draftOf(null).addresses.map(formatIp)).toEqual(["10.7.0.2"]);
    const members = Array.from({ length: 4 }, () => ({
      publicKey: desk.anyMember().publicKey,
      name: null,
      address: null,
    }));
    expect(desk.carryOut(addMembers(desk, dnet, members)).addresses.map(formatIp)).toEqual([
      ...["10.7.0.2", "10.7.0.4", "10.7.0.5", "10.7.0.6"],
    ]);
    expect(refusalOf(() => draftOf(null))).toBe("RANGE_FULL");
    expect(addresses()).toHaveLength(6);
    desk.carryOut(removeAddress(desk, dnet, ip("10.7.0.4")));
    expect(draftOf(null).addresses.map(formatIp)).toEqual(["10.7.0.4"]);
  });

  test(`DN-20 where there is no IPv4 range, it is the IPv6 address that follows from the key: ${kind}`, () => {
    const { desk, dnet, add, draftOf } = office(isPrivate, null);
    const alice = add(null);
    expect(desk.read(dnet).members[0]!.addresses).toEqual([memberIp6(dnet, alice.publicKey)]);
    expect(refusalOf(() => draftOf("10.7.0.1"))).toBe("OUT_OF_RANGE");
    const { invitation, address } = desk.carryOut(invite(desk, dnet, { name: null, address: null, expiresAt: null }));
    const bob = desk.anyMember();
    desk.accept(join(desk, invitation, { nodeKey: bob, name: null }).steps);
    expect(desk.read(dnet).members[1]!.addresses).toEqual([address, memberIp6(dnet, bob.publicKey)]);
  });

  test(`DN-21 an explicit address of either family is used as it is, if it is one of the dnet's: ${kind}`, () => {
    const { desk, dnet, add, draftOf } = office(isPrivate);
    const six = formatIp(memberIp6(dnet, desk.owner.publicKey));
    add("10.7.0.5");
    add(six);
    expect(desk.read(dnet).members.map((member) => formatIp(member.addresses[0]!))).toEqual(["10.7.0.5", six]);
    for (const far of [
      "10.7.0.0",
      "10.7.0.7",
      "10.7.0.8",
      "10.6.0.1",
      "127.0.0.1",
      "fd00::1",
      "2001:db8::1",
      "::ffff:10.7.0.1",
    ]) {
      expect([far, refusalOf(() => draftOf(far))]).toEqual([far, "OUT_OF_RANGE"]);
    }
  });

  test(`DN-22 an address is nobody's twice: not a member's, not an invitation's, not one that follows from another's key: ${kind}`, () => {
    const { desk, dnet, add, draftOf } = office(isPrivate);
    const alice = add("10.7.0.1", "alice");
    desk.carryOut(invite(desk, dnet, { name: "bob", address: ip("10.7.0.2"), expiresAt: null }));
    const six = formatIp(memberIp6(dnet, alice.publicKey));
    for (const taken of ["10.7.0.1", "10.7.0.2", six]) expect(refusalOf(() => draftOf(taken))).toBe("ADDRESS_TAKEN");
    expect(() => draftOf("10.7.0.1")).toThrow("10.7.0.1 is taken: it belongs to alice");
    expect(() => draftOf("10.7.0.2")).toThrow("10.7.0.2 is taken: it belongs to bob, who is invited");
    const inOne = ["10.7.0.3", "10.7.0.3"].map((address) => ({
      publicKey: desk.anyMember().publicKey,
      name: null,
      address: ip(address),
    }));
    expect(refusalOf(() => addMembers(desk, dnet, inOne))).toBe("ADDRESS_TAKEN");
    const other = desk.createDnet({ isPrivate, range4: RANGE });
    desk.carryOut(addMembers(desk, other, [{ publicKey: alice.publicKey, name: "alice", address: ip("10.7.0.1") }]));
  });

  test(`a member is not named twice, nor is a name: ${kind}`, () => {
    const { desk, dnet, add, draftOf } = office(isPrivate);
    const alice = add(null, "alice");
    desk.carryOut(invite(desk, dnet, { name: "bob", address: null, expiresAt: null }));
    expect(refusalOf(() => draftOf(null, "alice", alice))).toBe("ALREADY_A_MEMBER");
    expect(refusalOf(() => draftOf("10.7.0.5", "alice", alice))).toBeNull();
    expect(refusalOf(() => draftOf("10.7.0.5", "alicia", alice))).toBe("ALREADY_NAMED");
    const names = {
      alice: "NAME_TAKEN",
      Alice: "NAME_TAKEN",
      BOB: "NAME_TAKEN",
      carol: null,
      "a b": "NAME_INVALID",
      [`${"x".repeat(64)}`]: "NAME_INVALID",
    };
    for (const [name, why] of Object.entries(names)) {
      expect(refusalOf(() => draftOf(null, name))).toBe(why);
      expect(refusalOf(() => invite(desk, dnet, { name, address: null, expiresAt: null }))).toBe(why);
    }
    const twice = [alice, alice].map(() => ({ publicKey: desk.owner.publicKey, name: null, address: null }));
    expect(refusalOf(() => addMembers(desk, dnet, twice))).toBe("ALREADY_A_MEMBER");
    expect(refusalOf(() => draftOf(null, null, { ...alice, publicKey: new Uint8Array(32) }))).toBe("KEY_INVALID");
  });

  test(`who is removed goes with all addresses, which are free again; who has another stays: ${kind}`, () => {
    const { desk, dnet, add, addresses } = office(isPrivate);
    const alice = add("10.7.0.1", "alice");
    add("10.7.0.2", null, alice);
    const bob = add(null, "bob");
    const old = desk.networkKey;
    const { networkKey } = desk.carryOut(removeAddress(desk, dnet, ip("10.7.0.1")));
    expect([networkKey, addresses(), desk.read(dnet).members[0]!.name]).toEqual([
      null,
      ["10.7.0.2", "10.7.0.3"],
      "alice",
    ]);
    desk.carryOut(removeMembers(desk, dnet, [alice.publicKey, alice.publicKey]));
    expect(addresses()).toEqual(["10.7.0.3"]);
    expect(desk.networkKey === old).toBe(!isPrivate);
    expect(refusalOf(() => removeMembers(desk, dnet, [alice.publicKey]))).toBe("NOT_A_MEMBER");
    expect(refusalOf(() => removeAddress(desk, dnet, ip("10.7.0.1")))).toBe("ADDRESS_UNKNOWN");
    expect(refusalOf(() => removeAddress(desk, dnet, memberIp6(dnet, bob.publicKey)))).toBe("ADDRESS_UNKNOWN");
    desk.carryOut(removeAddress(desk, dnet, ip("10.7.0.3")));
    expect([addresses(), desk.read(dnet).epoch]).toEqual([[], isPrivate ? 2 : 0]);
  });

  test(`DN-26 who has an invitation joins by it, once, and is told where it is: ${kind}`, () => {
    const { desk, dnet, add } = office(isPrivate);
    add(null, "alice");
    const { ovx, keyPair } = desk.createOvx({ addresses: ["a.example:1", "b.example:2"] });
    desk.carryOut(attach(desk, dnet, ovx));
    const { invitation, address } = desk.carryOut(invite(desk, dnet, { name: null, address: null, expiresAt: null }));
    expect(invitation.clouds).toEqual(
      ["a.example:1", "b.example:2"].map((each) => ({ address: each, key: keyPair.publicKey })),
    );
    const handed = parseInvitation(formatInvitation(invitation))!;
    const bob = desk.anyMember();
    expect(desk.read(dnet).invitations).toMatchObject([{ address, name: null, expiresAt: null }]);
    expect(refusalOf(() => join(desk, handed, { nodeKey: bob, name: "Alice" }))).toBe("NAME_TAKEN");
    const joined = join(desk, handed, { nodeKey: bob, name: "bob" });
    expect([joined.address, joined.networkKey]).toEqual([address, isPrivate ? desk.networkKey : null]);
    desk.accept(joined.steps);
    const { members, invitations } = desk.read(dnet);
    expect(members[1]).toMatchObject({ publicKey: bob.publicKey, name: "bob", how: "joined" });
    expect(invitations).toEqual([]);
    expect(refusalOf(() => join(desk, handed, { nodeKey: desk.anyMember(), name: null }))).toBe("INVITATION_USED");
  });

  test(`an invitation that is over, withdrawn, unknown, or another's brings nobody in: ${kind}`, () => {
    const { desk, dnet, add } = office(isPrivate);
    const alice = add(null, "alice");
    const nodeKey = desk.anyMember();
    const expiresAt = desk.now + 10_000;
    const { invitation } = desk.carryOut(invite(desk, dnet, { name: "bob", address: ip("10.7.0.4"), expiresAt }));
    const why = (given = invitation, as = nodeKey) => refusalOf(() => join(desk, given, { nodeKey: as, name: null }));
    expect(why()).toBeNull();
    expect(why({ ...invitation, seed: desk.random.bytes(32) })).toBe("INVITATION_UNKNOWN");
    expect(why({ ...invitation, transaction: desk.random.bytes(32) })).toBe("INVITATION_UNKNOWN");
    expect(why({ ...invitation, transaction: desk.store.view(dnet)!.head, seed: desk.random.bytes(32) })).toBe(
      "INVITATION_UNKNOWN",
    );
    expect(why({ ...invitation, dnet: desk.random.bytes(32) })).toBe("DNET_UNKNOWN");
    expect(why(invitation, alice)).toBe("ALREADY_A_MEMBER");
    desk.now = expiresAt;
    expect(why()).toBeNull();
    desk.now = expiresAt + 1;
    expect(why()).toBe("INVITATION_EXPIRED");
    expect(refusalOf(() => invite(desk, dnet, { name: null, address: null, expiresAt: desk.now }))).toBe(
      "ALREADY_OVER",
    );
    const { networkKey } = desk.carryOut(removeAddress(desk, dnet, ip("10.7.0.4")));
    expect(networkKey === null).toBe(!isPrivate);
    expect(why()).toBe("INVITATION_WITHDRAWN");
    const { invitation: late } = desk.carryOut(invite(desk, dnet, { name: null, address: null, expiresAt: null }));
    desk.carryOut(closeDnet(desk, dnet));
    expect(why(late)).toBe("RECORD_CLOSED");
  });
}

test("DN-54 a member that asked for the address which follows from another's key is removed like any, and gets no later key", () => {
  for (const isOnly of [false, true]) {
    const { desk, dnet, add } = office(true);
    const late = desk.anyMember();
    const asked = formatIp(memberIp6(dnet, late.publicKey));
    const member = add(isOnly ? asked : "10.7.0.2");
    if (!isOnly) add(asked, null, member);
    add("10.7.0.4", null, late);
    desk.carryOut(removeMembers(desk, dnet, [member.publicKey]));
    const keys = desk.read(dnet).members.map(({ publicKey }) => publicKey);
    expect(keys).toEqual([late.publicKey]);
    desk.carryOut(rekey(desk, dnet));
    expect(desk.read(dnet, { networkKey: null, keyPairs: [member] }).reads).not.toBe("everything");
    expect(desk.read(dnet, { networkKey: null, keyPairs: [late] }).reads).toBe("everything");
  }
});

test("DN-54 an invitation that was withdrawn opens nothing of the new epoch, and who joins in private tells nobody its key", () => {
  const { desk, dnet } = office(true);
  const { invitation } = desk.carryOut(invite(desk, dnet, { name: "bob", address: ip("10.7.0.4"), expiresAt: null }));
  const bob = desk.anyMember();
  const [step] = join(desk, invitation, { nodeKey: bob, name: null }).steps;
  const { publicKey } = bob;
  expect(Buffer.from(step!.body!).includes(Buffer.from(publicKey))).toBe(false);
  expect(step!.transaction.outputs[0]!.script).toMatchObject({ member: { kind: "tag" }, lock: step!.lock });
  desk.carryOut(removeAddress(desk, dnet, ip("10.7.0.4")));
  desk.carryOut(rekey(desk, dnet));
  const secrets = { networkKey: invitation.networkKey, keyPairs: [bob] };
  expect(desk.read(dnet, secrets)).toMatchObject({ reads: "past", networkKey: { epoch: 0 } });
});
