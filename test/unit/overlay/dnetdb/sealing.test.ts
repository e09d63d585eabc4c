import { expect, test } from "bun:test";
import { keyPairFromSeed } from "../../../../src/crypto/ed25519.ts";
import { type Body, decodeBody } from "../../../../src/overlay/dnetdb/contents.ts";
import { deriveKey } from "../../../../src/overlay/dnetdb/network-key.ts";
import {
  epochKeys,
  memberTag,
  openPart,
  sealBody,
  slotTag,
  unwrapForOne,
  unwrapMember,
  unwrapOvx,
  wrapForAll,
  wrapForOne,
} from "../../../../src/overlay/dnetdb/sealing.ts";
import { anyKeyPair } from "../../../support/dnetdb.ts";
import { SeededRandom } from "../../../support/random.ts";

const random = new SeededRandom(1);
const [dnet, other] = [random.bytes(32), random.bytes(32)];
const networkKey = { epoch: 3, key: random.bytes(32) };
const ring = new Map([[3, epochKeys(dnet, networkKey)]]);
const parts = { open: random.bytes(10), admission: random.bytes(32), members: random.bytes(50) };

test("DN-54 sealed parts are opened by their key, in their dnet, op, epoch and place, and otherwise not", () => {
  const body = decodeBody(sealBody(random, dnet, "OP_DNET_NODE", networkKey, parts))!;
  expect(body).toMatchObject({ epoch: 3, open: parts.open });
  for (const part of ["admission", "members"] as const) {
    expect(openPart(body, part, dnet, "OP_DNET_NODE", ring)).toEqual(parts[part]);
    expect(openPart(body, part, other, "OP_DNET_NODE", ring)).toBeNull();
    expect(openPart(body, part, dnet, "OP_DNET_JOIN", ring)).toBeNull();
    expect(openPart(body, part, dnet, "OP_DNET_NODE", new Map())).toBeNull();
    const later: Body = { ...body, epoch: 4 };
    expect(openPart(later, part, dnet, "OP_DNET_NODE", new Map([[4, ring.get(3)!]]))).toBeNull();
    for (let at = 0; at < body[part].length; at++) {
      const bytes = body[part].with(at, body[part][at]! ^ 1);
      expect(openPart({ ...body, [part]: bytes }, part, dnet, "OP_DNET_NODE", ring)).toBeNull();
    }
    for (let end = 1; end < body[part].length; end++) {
      expect(openPart({ ...body, [part]: body[part].subarray(0, end) }, part, dnet, "OP_DNET_NODE", ring)).toBeNull();
    }
  }
  const swapped = { ...body, members: body.admission };
  const both = new Map([[3, { admission: ring.get(3)!.admission, body: ring.get(3)!.admission }]]);
  expect(openPart(swapped, "members", dnet, "OP_DNET_NODE", both)).toBeNull();
});

test("DN-54 with the admission key alone the members' part stays sealed", () => {
  const body = decodeBody(sealBody(random, dnet, "OP_DNET_NODE", networkKey, parts))!;
  const admission = new Map([[3, { admission: deriveKey(dnet, networkKey.key, "admission"), body: null }]]);
  expect(openPart(body, "admission", dnet, "OP_DNET_NODE", admission)).toEqual(parts.admission);
  expect(openPart(body, "members", dnet, "OP_DNET_NODE", admission)).toBeNull();
});

test("a public dnet's body is in clear, and an empty part is empty in any", () => {
  const clear = decodeBody(sealBody(random, dnet, "OP_DNET_NODE", null, parts))!;
  expect(clear).toEqual({ epoch: null, ...parts });
  expect(openPart(clear, "members", dnet, "OP_DNET_NODE", new Map())).toEqual(parts.members);
  const empty = decodeBody(sealBody(random, dnet, "OP_DNET_OVX", networkKey, {}))!;
  expect(empty.members.length + empty.admission.length).toBe(0);
});

test("a key wrapped for one is unwrapped by that one, for that dnet and epoch", () => {
  const [alice, bob] = [anyKeyPair(random), anyKeyPair(random)];
  const at = { dnet, epoch: 3 };
  const wrap = wrapForOne(random, at, alice.publicKey, networkKey.key)!;
  expect(unwrapForOne(wrap, at, alice)).toEqual(networkKey.key);
  expect(unwrapForOne(wrap, at, bob)).toBeNull();
  expect(unwrapForOne(wrap, { dnet: other, epoch: 3 }, alice)).toBeNull();
  expect(unwrapForOne(wrap, { dnet, epoch: 4 }, alice)).toBeNull();
  expect(unwrapForOne({ ...wrap, ephemeral: new Uint8Array(32) }, at, alice)).toBeNull();
  expect(wrapForOne(random, at, new Uint8Array(32), networkKey.key)).toBeNull();
});

test("DN-54 a key wrapped for all: each member gets the network key, each cloud the admission key, and nobody else anything", () => {
  const members = Array.from({ length: 20 }, () => anyKeyPair(random));
  const clouds = Array.from({ length: 3 }, () => ({ ovx: random.bytes(32), keyPair: anyKeyPair(random) }));
  const at = { dnet, epoch: 3 };
  const wraps = wrapForAll(
    random,
    at,
    networkKey.key,
    [...members, members[0]!, { publicKey: new Uint8Array(32) }].map(({ publicKey }) => publicKey),
    clouds.map(({ ovx, keyPair }) => ({ ovx, key: keyPair.publicKey })),
  );
  expect([wraps.members.length, wraps.ovxs.length]).toEqual([20, 3]);
  for (const member of members) expect(unwrapMember(wraps, at, member)).toEqual(networkKey.key);
  const admission = deriveKey(dnet, networkKey.key, "admission");
  for (const { ovx, keyPair } of clouds) {
    expect(unwrapOvx(wraps, at, ovx, keyPair)).toEqual(admission);
    expect(unwrapMember(wraps, at, keyPair)).toBeNull();
  }
  expect(unwrapMember(wraps, at, anyKeyPair(random))).toBeNull();
  expect(unwrapOvx(wraps, at, clouds[0]!.ovx, clouds[1]!.keyPair)).toBeNull();
});

test("DN-54 no key and nonce are used twice where a cloud has a member's key, as its machine's or as its provider says", () => {
  const [member, ovx, at] = [anyKeyPair(random), random.bytes(32), { dnet, epoch: 3 }];
  const wraps = wrapForAll(random, at, networkKey.key, [member.publicKey], [{ ovx, key: member.publicKey }]);
  const admission = deriveKey(dnet, networkKey.key, "admission");
  expect([unwrapMember(wraps, at, member), unwrapOvx(wraps, at, ovx, member)]).toEqual([networkKey.key, admission]);
  // With the same, whoever is admitted would learn the network key from what everyone has.
  const [ofMember, ofOvx] = [wraps.members[0]!.wrapped, wraps.ovxs[0]!.wrapped];
  const guess = admission.map((byte, i) => byte ^ ofOvx[i]! ^ ofMember[i]!);
  expect(guess).not.toEqual(networkKey.key);
});

test("tags tell the same address and the same key, and not one from the other, nor in another dnet", () => {
  const [one, two] = [random.bytes(32), random.bytes(32)];
  const value = keyPairFromSeed(random.bytes(32)).publicKey;
  const tags = [slotTag(one, value), memberTag(one, value), slotTag(two, value), memberTag(two, value)];
  expect(new Set(tags.map(({ tag }) => tag.toHex())).size).toBe(4);
  const threes = new Uint8Array(32).fill(3);
  const [slot, member] = [slotTag(threes, Uint8Array.of(10, 7, 0, 1)), memberTag(threes, new Uint8Array(32).fill(9))];
  expect([slot, member].map(({ tag }) => tag.toHex())).toEqual([
    "8bab83781a95ad07534e8c6399c6bf77",
    "e82cf55c7144b97e894229911d8a92bc",
  ]);
});
