import { expect, test } from "bun:test";
import { authorise, closeOvx, createOvx, revoke, updateOvx } from "../../../../src/overlay/dnetdb/desk-ovx.ts";
import { readOvx } from "../../../../src/overlay/dnetdb/ovx-view.ts";
import { lockOf } from "../../../support/dnetdb.ts";
import { Office, refusalOf } from "../../../support/dnetdb-office.ts";

test("DN-56 a cloud or relay is registered with its key and addresses, and what changes replaces what was", () => {
  const office = new Office();
  const { ovx, keyPair } = office.createOvx({
    name: "relay",
    kind: "ovr",
    isListed: false,
    addresses: ["192.0.2.1:1776"],
  });
  expect(readOvx(office.store, ovx)).toMatchObject({
    ...{ id: ovx, name: "relay", kind: "ovr", isListed: false, key: keyPair.publicKey, addresses: ["192.0.2.1:1776"] },
    ...{ authorised: [], height: 0, isClosed: false, lock: lockOf(office.owner) },
  });
  office.carryOut(updateOvx(office, ovx, { addresses: ["dyn.example.org:1776", "[2001:db8::1]:1776"] }));
  const { publicKey: key } = office.anyMember();
  office.carryOut(updateOvx(office, ovx, { isListed: true, key }));
  expect(readOvx(office.store, ovx)).toMatchObject({
    ...{ kind: "ovr", isListed: true, key, addresses: ["dyn.example.org:1776", "[2001:db8::1]:1776"], height: 2 },
  });
});

test("whom it serves: until when and how much; said again it is replaced, revoked it is no more", () => {
  const office = new Office();
  const { ovx } = office.createOvx();
  const [home, work] = [office.createDnet(), office.random.bytes(32)];
  const expiresAt = office.now + 1_000_000;
  office.carryOut(authorise(office, ovx, { dnet: home, expiresAt, quotaBytes: 1_000 }));
  office.carryOut(authorise(office, ovx, { dnet: work, expiresAt: null, quotaBytes: null }));
  office.carryOut(authorise(office, ovx, { dnet: home, expiresAt: null, quotaBytes: 2_000 }));
  const authorised = () =>
    readOvx(office.store, ovx)!.authorised.map(({ dnet, quotaBytes }) => [dnet.toHex(), quotaBytes]);
  expect(new Map(authorised() as [string, number | null][])).toEqual(
    new Map([
      [home.toHex(), 2_000],
      [work.toHex(), null],
    ]),
  );
  office.carryOut(revoke(office, ovx, home));
  expect(authorised()).toEqual([[work.toHex(), null]]);
  expect(refusalOf(() => revoke(office, ovx, home))).toBe("NOT_AUTHORISED");
  expect(refusalOf(() => authorise(office, ovx, { dnet: home, expiresAt: office.now, quotaBytes: null }))).toBe(
    "ALREADY_OVER",
  );
  for (const quotaBytes of [0, -1, 1.5, 2 ** 53]) {
    expect(refusalOf(() => authorise(office, ovx, { dnet: home, expiresAt: null, quotaBytes }))).toBe("QUOTA_INVALID");
  }
});

test("what cannot be is refused: names, keys, addresses, a record that is none, or closed", () => {
  const office = new Office();
  const { publicKey: key } = office.anyMember();
  const fields = {
    lock: lockOf(office.owner),
    name: "cloud",
    kind: "ovc",
    isListed: true,
    key,
    addresses: [],
  } as const;
  const why = (change: object) => refusalOf(() => createOvx(office, { ...fields, ...change }));
  expect(why({})).toBeNull();
  expect(why({ name: "" })).toBe("NAME_INVALID");
  expect(why({ key: new Uint8Array(32) })).toBe("KEY_INVALID");
  expect(why({ addresses: ["cloud.example.org"] })).toBe("ADDRESS_INVALID");
  expect(why({ addresses: ["a.example:1", "a.example:1"] })).toBe("ADDRESS_INVALID");
  expect(why({ addresses: Array.from({ length: 17 }, (_, i) => `a.example:${i + 1}`) })).toBe("TOO_MANY_ADDRESSES");
  const { ovx } = office.createOvx();
  const dnet = office.createDnet();
  expect(refusalOf(() => updateOvx(office, dnet, {}))).toBe("OVX_UNKNOWN");
  expect(refusalOf(() => updateOvx(office, office.random.bytes(32), {}))).toBe("OVX_UNKNOWN");
  office.carryOut(closeOvx(office, ovx));
  expect(refusalOf(() => updateOvx(office, ovx, {}))).toBe("RECORD_CLOSED");
  expect(readOvx(office.store, ovx)).toMatchObject({ isClosed: true });
  expect([dnet, office.random.bytes(32)].map((id) => readOvx(office.store, id))).toEqual([null, null]);
});
