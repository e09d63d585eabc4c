import { expect, test } from "bun:test";
import { editDistance, nearest } from "../../../src/cli/nearest.ts";

test("the distance counts insertions, deletions, replacements and swaps of neighbours", () => {
  const pairs = [
    ["", "", 0],
    ["show", "show", 0],
    ["show", "shwo", 1],
    ["show", "shows", 1],
    ["down", "dwn", 1],
    ["genkey", "genpsk", 3],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ] as const;
  for (const [a, b, edits] of pairs) {
    expect(editDistance(a, b)).toBe(edits);
    expect(editDistance(b, a)).toBe(edits);
  }
});

test("the nearest word is one that is begun, else one within two edits, else none", () => {
  const words = ["show", "genkey", "genpsk", "foreground"];
  expect(nearest("fore", words)).toBe("foreground");
  expect(nearest("gen", words)).toBeNull(); // two words begin so
  expect(nearest("SHWO", words)).toBe("show");
  expect(nearest("forgroud", words)).toBe("foreground");
  expect(nearest("up", words)).toBeNull();
  expect(nearest("", words)).toBeNull();
  expect(nearest("s".repeat(1e6), words)).toBeNull();
});
