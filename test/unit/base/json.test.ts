import { expect, test } from "bun:test";
import { parseJsonObject } from "../../../src/base/json.ts";

test("an object is read; what is none, or no JSON, is null", () => {
  expect(parseJsonObject('{"a":[1]}')).toEqual({ a: [1] });
  for (const text of ["", "{", "[]", "null", "1", '"a"', `${"[".repeat(100_000)}`])
    expect(parseJsonObject(text)).toBeNull();
});
