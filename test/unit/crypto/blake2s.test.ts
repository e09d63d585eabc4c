import { expect, test } from "bun:test";
import { deriveKeys, hash, mac } from "../../../src/crypto/blake2s.ts";

const counting = (from: number, to: number) => Uint8Array.from({ length: to - from }, (_, i) => from + i);

test("the hash of abc is that of RFC 7693 appendix B, in however many parts", () => {
  const digest = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
  expect(hash(Buffer.from("abc")).toHex()).toBe(digest);
  expect(hash(Buffer.from("a"), Buffer.from(""), Buffer.from("bc")).toHex()).toBe(digest);
});

// The values of the next two tests were computed with Python's hashlib and hmac.
test("the mac is keyed BLAKE2s with 16 bytes of output", () => {
  expect(mac(counting(0, 32), counting(0, 116)).toHex()).toBe("072e94ffbfc684bd8ab2a1b9dade2fd5");
  expect(mac(counting(0, 32), counting(0, 50), counting(50, 116)).toHex()).toBe("072e94ffbfc684bd8ab2a1b9dade2fd5");
  expect(mac(counting(0, 16), new Uint8Array(0)).toHex()).toBe("af4e5d3bb230e9ff9096ca6f7c501f76");
});

test("derived keys are HKDF over HMAC-BLAKE2s, the first ones the same however many are asked for", () => {
  const keys = [
    "37f059bb1da97ac4fb74043c3d7befe83a688ccf1ebf27573464a15d6e92992b",
    "7dd7d13ee0d023e5756c27b2a1aee871341654294d978e59395b001bd4ec7f02",
    "eb43cedd3f5c1328e539dbb39c46fef7cec02d6bce7389862d2af76dae53b463",
  ];
  for (const count of [1, 2, 3] as const) {
    const derived = deriveKeys(counting(0, 32), counting(100, 150), count);
    expect(derived.map((key) => key.toHex())).toEqual(keys.slice(0, count));
  }
});
