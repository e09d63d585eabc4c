import { expect, test } from "bun:test";
import { hkdfSha256, hmacSha256 } from "../../../src/crypto/hmac-sha256.ts";

const hex = (text: string) => Uint8Array.fromHex(text);
const ascii = (text: string) => new TextEncoder().encode(text);

test("HMAC-SHA-256 as in RFC 4231 §4.2, §4.3, §4.7, in one part or several", () => {
  expect(hmacSha256(hex("0b".repeat(20)), ascii("Hi "), ascii("There")).toHex()).toBe(
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  );
  expect(hmacSha256(ascii("Jefe"), ascii("what do ya want for nothing?")).toHex()).toBe(
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  );
  const long = ascii("Test Using Larger Than Block-Size Key - Hash Key First");
  expect(hmacSha256(hex("aa".repeat(131)), long).toHex()).toBe(
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  );
});

test("HKDF-SHA-256 as in RFC 5869 §A.1 and §A.3", () => {
  const input = hex("0b".repeat(22));
  expect(hkdfSha256(input, hex("000102030405060708090a0b0c"), hex("f0f1f2f3f4f5f6f7f8f9"), 42).toHex()).toBe(
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
  expect(hkdfSha256(input, new Uint8Array(0), new Uint8Array(0), 42).toHex()).toBe(
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  );
});
