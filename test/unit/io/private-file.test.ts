import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrivateFile, readPrivateFile, writePrivateFile } from "../../../src/io/private-file.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-private-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test("a file is made once, replaced as one step, and its owner's alone", () => {
  expect(readPrivateFile(at("a"), 10)).toBeNull();
  expect(createPrivateFile(at("a"), "one")).toBe(true);
  expect(createPrivateFile(at("a"), "two")).toBe(false);
  expect(readPrivateFile(at("a"), 10)).toBe("one");
  writePrivateFile(at("a"), "three");
  expect(readPrivateFile(at("a"), 10)).toBe("three");
  expect(statSync(at("a")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["a"]);
});

test("what is open to others, too large, or no file is refused by its name", () => {
  createPrivateFile(at("open"), "");
  for (const mode of [0o604, 0o640, 0o620]) {
    chmodSync(at("open"), mode);
    expect(() => readPrivateFile(at("open"), 10)).toThrow(`${at("open")} is open to others (mode ${mode.toString(8)})`);
  }
  createPrivateFile(at("long"), "12345678901");
  expect(() => readPrivateFile(at("long"), 10)).toThrow("has more than 10 bytes");
  mkdirSync(at("folder"), { mode: 0o700 });
  expect(() => readPrivateFile(at("folder"), 10)).toThrow("is not a file");
  expect(() => writePrivateFile(at("none/x"), "")).toThrow("cannot be written");
  expect(() => writePrivateFile(at("folder"), "")).toThrow("cannot be written");
});

test("a link in the place of a file is replaced, not followed", () => {
  createPrivateFile(at("target"), "kept");
  symlinkSync(at("target"), at("link"));
  expect(createPrivateFile(at("link"), "x")).toBe(false);
  writePrivateFile(at("link"), "new");
  expect([readFileSync(at("target"), "utf8"), readFileSync(at("link"), "utf8")]).toEqual(["kept", "new"]);
});
