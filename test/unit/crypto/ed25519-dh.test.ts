import { expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { DhKey, dhPoint, dhScalar } from "../../../src/crypto/ed25519-dh.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const { Point } = ed25519;
const bytes = (hex: string) => Uint8Array.fromHex(hex);
const littleEndian = (x: bigint) => bytes(x.toString(16).padStart(64, "0")).reverse();
const group = vectors<{
  ok: { localSecretKey: string; remotePublicKey: string; out: string }[];
  rejectedPublicKeys: string[];
}>("dh");
const keyPairs = vectors<{ publicKey: string; secretKey: string; dhScalar: string }[]>("keyPair");
const secretKey = bytes(keyPairs[0]!.secretKey);
/** Of order 8. */
const torsion = Point.fromBytes(bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"));

function dh(ours: Uint8Array, theirs: Uint8Array): Uint8Array | null {
  const point = dhPoint(theirs);
  return point && new DhKey(ours).agree(point);
}

/** The same by the book: a point is decoded, looked at and multiplied. */
function dhByTheBook(ours: Uint8Array, theirs: Uint8Array): Uint8Array | null {
  try {
    const point = Point.fromBytes(theirs);
    if (point.isSmallOrder() || !point.isTorsionFree()) return null;
    return point.multiply(Point.Fn.create(BigInt(`0x${dhScalar(ours).reverse().toHex()}`))).toBytes();
  } catch {
    return null;
  }
}

test("scalars are the reference's", () => {
  for (const each of keyPairs) expect(dhScalar(bytes(each.secretKey)).toHex()).toBe(each.dhScalar);
});

test("agreements are the reference's", () => {
  for (const { localSecretKey, remotePublicKey, out } of group.ok) {
    expect(dh(bytes(localSecretKey), bytes(remotePublicKey))?.toHex()).toBe(out);
  }
});

test("two keys agree on the same point, both ways round", () => {
  const [alice, bob] = [keyPairFromSeed(new Uint8Array(32).fill(1)), keyPairFromSeed(new Uint8Array(32).fill(2))];
  const ours = dh(alice.secretKey, bob.publicKey);
  expect(ours).not.toBeNull();
  expect(dh(bob.secretKey, alice.publicKey)).toEqual(ours);
});

test("the keys that the reference refuses are refused", () => {
  expect(group.rejectedPublicKeys.length).toBeGreaterThan(0);
  for (const key of group.rejectedPublicKeys) expect(dhPoint(bytes(key))).toBeNull();
});

test("a good key plus any point of small order is refused", () => {
  const good = Point.fromBytes(bytes(keyPairs[1]!.publicKey));
  let dirty = good;
  for (let order = 1; order < 8; order++) {
    dirty = dirty.add(torsion);
    expect(dhPoint(dirty.toBytes())).toBeNull();
    expect(dhPoint(torsion.multiply(BigInt(order)).toBytes())).toBeNull();
  }
  expect(dirty.add(torsion).toBytes()).toEqual(good.toBytes()); // eight times around
});

test("the sign of x counts: the opposite key agrees on the opposite point", () => {
  const { localSecretKey, remotePublicKey, out } = group.ok[0]!;
  const opposite = bytes(remotePublicKey);
  opposite[31]! ^= 0x80;
  const expected = bytes(out);
  expected[31]! ^= 0x80;
  expect(dh(bytes(localSecretKey), opposite)).toEqual(expected);
});

test("any two keys agree on what multiplying by the book gives, whatever the fourth bit and the signs", () => {
  const random = new SeededRandom(2);
  const kinds = new Set<string>();
  for (let round = 0; round < 200; round++) {
    const [ours, theirs] = [keyPairFromSeed(random.bytes(32)), keyPairFromSeed(random.bytes(32)).publicKey];
    const shared = dh(ours.secretKey, theirs)!;
    expect(shared).toEqual(dhByTheBook(ours.secretKey, theirs)!);
    kinds.add([dhScalar(ours.secretKey)[0]! & 8, theirs[31]! & 0x80, shared[31]! & 0x80].join());
  }
  expect(kinds.size).toBe(8);
});

test("any 32 bytes are a key or not as the book says, those at the ends of the field among them", () => {
  const random = new SeededRandom(3);
  const ends = [0n, 2n ** 255n - 19n, 2n ** 255n, 2n ** 256n].flatMap((end) =>
    Array.from({ length: 64 }, (_, i) => end + BigInt(i) - 32n),
  );
  const inRange = ends.filter((x) => x >= 0n && x < 2n ** 256n).map(littleEndian);
  let keys = 0;
  for (const each of [...inRange, ...Array.from({ length: 400 }, () => random.bytes(32))]) {
    const expected = dhByTheBook(secretKey, each);
    expect(dh(secretKey, each)).toEqual(expected);
    if (expected) keys++;
  }
  expect(keys).toBeGreaterThan(20); // one in sixteen
});

test("no bytes of another length are a key", () => {
  const random = new SeededRandom(1);
  for (const length of [0, 31, 33, 64]) expect(dhPoint(random.bytes(length))).toBeNull();
});
