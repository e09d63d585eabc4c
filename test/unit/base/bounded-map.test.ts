import { expect, test } from "bun:test";
import { BoundedMap } from "../../../src/base/bounded-map.ts";

test("full, the entry that was set longest ago makes room", () => {
  const map = new BoundedMap<string, number>(3);
  for (const key of ["a", "b", "c"]) map.set(key, 1);
  map.get("a"); // reading is not setting
  map.set("d", 1);
  expect([...map]).toEqual([
    ["b", 1],
    ["c", 1],
    ["d", 1],
  ]);
});

test("setting an entry anew displaces nobody, and makes it the last to go", () => {
  const map = new BoundedMap<string, number>(3);
  for (const key of ["a", "b", "c"]) map.set(key, 1);
  map.set("a", 2);
  expect([map.size, map.get("a"), map.has("b")]).toEqual([3, 2, true]);
  map.set("d", 1);
  expect([map.has("a"), map.has("b")]).toEqual([true, false]);
});

test("what is deleted makes room, and a cleared map is empty", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 1);
  expect([map.delete("a"), map.delete("a")]).toEqual([true, false]);
  map.set("c", 1);
  expect([map.has("b"), map.size]).toEqual([true, 2]);
  map.clear();
  expect([map.size, map.get("b")]).toEqual([0, undefined]);
});
