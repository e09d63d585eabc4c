import { expect, test } from "bun:test";
import { equalInConstantTime } from "../../../src/crypto/constant-time.ts";

test("equal means the same length and the same bytes", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  expect(equalInConstantTime(bytes, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(equalInConstantTime(bytes, Uint8Array.of(1, 2, 4))).toBe(false);
  expect(equalInConstantTime(bytes, Uint8Array.of(1, 2))).toBe(false);
  expect(equalInConstantTime(new Uint8Array(0), new Uint8Array(0))).toBe(true);
});
