import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { openStateDirectory } from "../../../src/io/state-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-state-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a chosen directory is made with its parents, mode 0700, and may be relative", () => {
  const path = join(folder, "a", "b");
  expect(openStateDirectory(relative(process.cwd(), path))).toEqual({
    path,
    dnetDb: join(path, "dnetdb.sqlite"),
    ownerKey: join(path, "owner.key"),
    nodeKey: join(path, "node.key"),
    dnets: join(path, "dnets.json"),
    socket: join(path, "dnetdb.sock"),
  });
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

test("one that others can look into is refused", () => {
  chmodSync(openStateDirectory(join(folder, "open")).path, 0o755);
  expect(() => openStateDirectory(join(folder, "open"))).toThrow("is open to others (mode 755)");
});

test("an empty name is not the current directory", () => {
  expect(() => openStateDirectory("")).toThrow(expect.objectContaining({ code: "STATE_DIRECTORY_UNNAMED" }));
});
