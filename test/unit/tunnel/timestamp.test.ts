import { expect, test } from "bun:test";
import { encodeTimestamp, isLater, timestampStep } from "../../../src/tunnel/timestamp.ts";

const at = (unixMs: number) => encodeTimestamp(timestampStep(unixMs));

test("a timestamp is TAI64N, with its nanoseconds in steps of 2^24", () => {
  // 2^62 + 10 + 1,767,225,600 s; 0.5 s are 29 whole steps.
  expect(at(1_767_225_600_500).toHex()).toBe("400000006955b90a1d000000");
  expect(at(1_767_225_600_999.9).toHex()).toBe("400000006955b90a3b000000");
});

test("moments within one step look the same, later steps are later", () => {
  expect(at(1000)).toEqual(at(1016));
  expect(isLater(at(1016), at(1000))).toBe(false);
  expect(isLater(at(1017), at(1000))).toBe(true);
  expect(isLater(at(1000), at(1017))).toBe(false);
  expect(isLater(at(2000), at(1999))).toBe(true);
});

test("each number gives a later timestamp than the one before, across seconds too", () => {
  const first = timestampStep(5_000);
  for (let step = first; step < first + 200; step++) {
    expect(isLater(encodeTimestamp(step + 1), encodeTimestamp(step))).toBe(true);
  }
});
