import { expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { dh, dhScalar } from "../../../src/crypto/ed25519-dh.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const group = vectors<{
  ok: { localSecretKey: string; remotePublicKey: string; out: string }[];
  rejectedPublicKeys: string[];
}>("dh");
const keyPairs = vectors<{ publicKey: string; secretKey: string; dhScalar: string }[]>("keyPair");
const scalar = bytes(keyPairs[0]!.dhScalar);

test("scalars are the reference's", () => {
  for (const { secretKey, dhScalar: expected } of keyPairs) expect(dhScalar(bytes(secretKey)).toHex()).toBe(expected);
});

test("agreements are the reference's", () => {
  for (const { localSecretKey, remotePublicKey, out } of group.ok) {
    const local = dhScalar(bytes(localSecretKey));
    expect(dh({ scalar: local, remotePublicKey: bytes(remotePublicKey) })?.toHex()).toBe(out);
  }
});

test("two keys agree on the same point, both ways round", () => {
  const [alice, bob] = [keyPairFromSeed(new Uint8Array(32).fill(1)), keyPairFromSeed(new Uint8Array(32).fill(2))];
  const ours = dh({ scalar: dhScalar(alice.secretKey), remotePublicKey: bob.publicKey });
  expect(ours).not.toBeNull();
  expect(dh({ scalar: dhScalar(bob.secretKey), remotePublicKey: alice.publicKey })).toEqual(ours);
});

test("the keys that the reference refuses are refused", () => {
  expect(group.rejectedPublicKeys.length).toBeGreaterThan(0);
  for (const key of group.rejectedPublicKeys) expect(dh({ scalar, remotePublicKey: bytes(key) })).toBeNull();
});

test("a good key plus any point of small order is refused", () => {
  const good = ed25519.Point.fromBytes(bytes(keyPairs[1]!.publicKey));
  const torsion = ed25519.Point.fromBytes(bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"));
  let dirty = good;
  for (let order = 1; order < 8; order++) {
    dirty = dirty.add(torsion);
    expect(dh({ scalar, remotePublicKey: dirty.toBytes() })).toBeNull();
    expect(dh({ scalar, remotePublicKey: torsion.multiply(BigInt(order)).toBytes() })).toBeNull();
  }
  expect(dirty.add(torsion).toBytes()).toEqual(good.toBytes()); // eight times around
});

test("the sign of x counts: the opposite key agrees on the opposite point", () => {
  const { remotePublicKey, out } = group.ok[0]!;
  const opposite = bytes(remotePublicKey);
  opposite[31]! ^= 0x80;
  const expected = bytes(out);
  expected[31]! ^= 0x80;
  expect(dh({ scalar, remotePublicKey: opposite })).toEqual(expected);
});

test("no bytes make it throw, of whatever length; some are keys, as it happens", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 2000; round++) {
    const length = random.pick([0, 31, 32, 33]);
    const shared = dh({ scalar, remotePublicKey: random.bytes(length) });
    if (shared) expect([length, shared.length]).toEqual([32, 32]);
  }
});
