import { expect, test } from "bun:test";
import { counted, countedBytes } from "../../../src/base/counted.ts";

test("so many of a word, and bytes exactly, in the largest unit of which they are a whole number", () => {
  expect([counted(1, "node"), counted(0, "node")]).toEqual(["1 node", "0 nodes"]);
  expect([1, 999, 1_000, 1_500, 20_000_000_000, 20_000_000_001, 5e15].map(countedBytes)).toEqual([
    ...["1 byte", "999 bytes", "1 kB", "1500 bytes", "20 GB", "20000000001 bytes", "5000 TB"],
  ]);
});
