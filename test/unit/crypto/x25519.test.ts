import { expect, test } from "bun:test";
import { X25519Key } from "../../../src/crypto/x25519.ts";

const key = (secret: string) => new X25519Key(Uint8Array.fromHex(secret));

test("agreements are those of RFC 7748 §5.2", () => {
  const vectors = [
    {
      secret: "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
      publicKey: "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
      shared: "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
    },
    {
      secret: "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
      publicKey: "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
      shared: "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    },
  ];
  for (const { secret, publicKey, shared } of vectors) {
    expect(key(secret).agree(Uint8Array.fromHex(publicKey))?.toHex()).toBe(shared);
  }
});

test("two keys agree on the same secret, both ways round", () => {
  const [alice, bob] = [key("01".repeat(32)), key("02".repeat(32))];
  expect(alice.publicKey.length).toBe(32);
  expect(alice.agree(bob.publicKey)).toEqual(bob.agree(alice.publicKey));
});

test("a public key is the agreement with the base point, 9 (RFC 7748 §6.1)", () => {
  const alice = key("77".repeat(32));
  expect(alice.agree(Uint8Array.fromHex(`09${"00".repeat(31)}`))).toEqual(alice.publicKey);
});

test("points of low order agree on nothing", () => {
  const points = [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    `ec${"ff".repeat(30)}7f`,
    `ed${"ff".repeat(30)}7f`,
    `ee${"ff".repeat(30)}7f`,
  ];
  for (const point of points) expect(key("05".repeat(32)).agree(Uint8Array.fromHex(point))).toBeNull();
});

test("a key of another length is our own mistake", () => {
  expect(() => new X25519Key(new Uint8Array(31))).toThrow("32 bytes");
  expect(() => key("05".repeat(32)).agree(new Uint8Array(33))).toThrow("32 bytes");
});
