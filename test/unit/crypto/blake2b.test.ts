import { expect, test } from "bun:test";
import {
  blake2b256,
  blake2b256Keyed,
  blake2b512,
  hkdfBlake2b512,
  hmacBlake2b512,
} from "../../../src/crypto/blake2b.ts";
import { vectors } from "../../support/vectors.ts";

interface Hashed {
  data: string;
  out: string;
}
type Keyed = Hashed & { key: string };

const hash = vectors<{
  blake2b256: Hashed[];
  blake2b256Keyed: Keyed[];
  blake2b512: Hashed[];
  hmacBlake2b512: Keyed[];
  hkdf: { chainingKey: string; ikm: string; out1: string; out2: string }[];
}>("hash");
const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** The same bytes in none, one, two and many parts. */
function* splits(data: Uint8Array): Generator<Uint8Array[]> {
  if (data.length === 0) yield [];
  yield [data];
  yield [data.subarray(0, 5), data.subarray(5)];
  yield Array.from(data, (_, i) => data.subarray(i, i + 1));
}

test("hashes are the reference's, in however many parts", () => {
  for (const { data, out } of hash.blake2b256) {
    for (const parts of splits(bytes(data))) expect(blake2b256(...parts)).toEqual(bytes(out));
  }
  for (const { data, out } of hash.blake2b512) {
    for (const parts of splits(bytes(data))) expect(blake2b512(...parts)).toEqual(bytes(out));
  }
});

test("keyed hashes and HMACs are the reference's, with keys of 32 and of 64 bytes", () => {
  expect(hash.blake2b256Keyed.map(({ key }) => key.length / 2)).toEqual([32, 64]);
  for (const { key, data, out } of hash.blake2b256Keyed) {
    for (const parts of splits(bytes(data))) expect(blake2b256Keyed(bytes(key), ...parts)).toEqual(bytes(out));
  }
  for (const { key, data, out } of hash.hmacBlake2b512) {
    for (const parts of splits(bytes(data))) expect(hmacBlake2b512(bytes(key), ...parts)).toEqual(bytes(out));
  }
});

test("the two outputs of the HKDF are the reference's", () => {
  for (const { chainingKey, ikm, out1, out2 } of hash.hkdf) {
    expect(hkdfBlake2b512(bytes(chainingKey), bytes(ikm))).toEqual([bytes(out1), bytes(out2)]);
  }
});

test("a hash is plain bytes of its own, not a Buffer whose slices are views", () => {
  const digest = blake2b256(bytes("00"));
  expect(Object.getPrototypeOf(digest)).toBe(Uint8Array.prototype);
  expect(digest.buffer.byteLength).toBe(32);
});
