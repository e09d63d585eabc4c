import { expect, test } from "bun:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { keyPairFromSeed, sign, verify } from "../../../src/crypto/ed25519.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const concat = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

const keyPairs = vectors<{ seed: string; publicKey: string; secretKey: string; target: string }[]>("keyPair");
const alice = keyPairFromSeed(bytes(keyPairs[0]!.seed));
const message = new TextEncoder().encode("a message");

test("key pairs and their targets are the reference's", () => {
  for (const { seed, publicKey, secretKey, target } of keyPairs) {
    const keyPair = keyPairFromSeed(bytes(seed));
    expect(keyPair).toEqual({ publicKey: bytes(publicKey), secretKey: bytes(secretKey) });
    expect(blake2b256(keyPair.publicKey).toHex()).toBe(target);
  }
});

test("signatures are those of RFC 8032 §7.1", () => {
  const rfc = [
    {
      seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      message: "",
      signature:
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24" +
        "655141438e7a100b",
    },
    {
      seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      message: "72",
      signature:
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee" +
        "b00d291612bb0c00",
    },
  ];
  for (const { seed, publicKey, message, signature } of rfc) {
    const keyPair = keyPairFromSeed(bytes(seed));
    expect(keyPair.publicKey.toHex()).toBe(publicKey);
    expect(sign(bytes(message), keyPair.secretKey).toHex()).toBe(signature);
    expect(verify(bytes(signature), bytes(message), bytes(publicKey))).toBe(true);
  }
});

test("nothing but the signature of this message with this key is one", () => {
  const signature = sign(message, alice.secretKey);
  expect(verify(signature, message, alice.publicKey)).toBe(true);
  for (let bit = 0; bit < 8 * signature.length; bit++)
    expect(verify(flip(signature, bit), message, alice.publicKey)).toBe(false);
  for (let bit = 0; bit < 8 * message.length; bit++)
    expect(verify(signature, flip(message, bit), alice.publicKey)).toBe(false);
  for (let bit = 0; bit < 256; bit++) expect(verify(signature, message, flip(alice.publicKey, bit))).toBe(false);
});

test("an S beyond the order of the group is refused, though the equation holds", () => {
  const signature = sign(message, alice.secretKey);
  const s = littleEndian(signature.subarray(32)) + ed25519.Point.CURVE().n;
  expect(verify(concat(signature.subarray(0, 32), toLittleEndian(s)), message, alice.publicKey)).toBe(false);
});

// With the identity as the key, R = S·B satisfies the equation for every message: noble, when told to be lax, takes it.
test("a key of small order would verify anything, and is refused", () => {
  const forged = concat(ed25519.Point.BASE.toBytes(), toLittleEndian(1n));
  const identity = `01${"00".repeat(31)}`;
  const identityBeyondField = `ee${"ff".repeat(30)}7f`;
  for (const key of [identity, identityBeyondField]) {
    expect(ed25519.verify(forged, message, bytes(key), { zip215: true })).toBe(true);
    expect(verify(forged, message, bytes(key))).toBe(false);
  }
});

test("keys and commitments beyond the field or of small order are refused", () => {
  const signature = sign(message, alice.secretKey);
  const weak = [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    `01${"00".repeat(30)}80`,
    `ec${"ff".repeat(30)}7f`,
    `${"ff".repeat(32)}`,
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  ];
  for (const point of weak) {
    expect(verify(signature, message, bytes(point))).toBe(false);
    expect(verify(concat(bytes(point), signature.subarray(32)), message, alice.publicKey)).toBe(false);
  }
});

test("no bytes make it throw, of whatever length", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 2000; round++) {
    const signature = random.bytes(random.pick([0, 1, 63, 64, 65]));
    const publicKey = random.bytes(random.pick([0, 31, 32, 33]));
    expect(verify(signature, random.bytes(random.below(100)), publicKey)).toBe(false);
  }
});

test("a seed or a secret key of another length is our own mistake", () => {
  expect(() => keyPairFromSeed(new Uint8Array(31))).toThrow("32 bytes");
  expect(() => sign(message, new Uint8Array(32))).toThrow("64 bytes");
});

function flip(original: Uint8Array, bit: number): Uint8Array {
  return original.with(bit >> 3, original[bit >> 3]! ^ (1 << (bit & 7)));
}

function littleEndian(original: Uint8Array): bigint {
  return BigInt(`0x${original.toReversed().toHex()}`);
}

function toLittleEndian(value: bigint): Uint8Array {
  return bytes(value.toString(16).padStart(64, "0")).toReversed();
}
