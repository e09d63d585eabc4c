/** What only a process of its own shows: exit codes, pipes and standard input. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const MAIN = join(dirname(dirname(import.meta.dir)), "src", "main.ts");
const folder = mkdtempSync(join(tmpdir(), "dnet-main-"));
afterAll(() => rmSync(folder, { recursive: true }));

function dnet(words: string[], stdin = "") {
  const env = { ...process.env, DNET_RUN_DIR: join(folder, "run") };
  const argv = [process.execPath, MAIN, ...words];
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, { stdin: Buffer.from(stdin), env });
  return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
}

test("the exit code and both streams reach the shell", () => {
  expect(dnet(["version"])).toMatchObject({ exitCode: 0, stderr: "" });
  expect(dnet(["versoin"])).toMatchObject({ exitCode: 2, stdout: "" });
  expect(dnet(["tunnel", "show", "wg0"])).toMatchObject({ exitCode: 3, stdout: "" });
});

test("keys go through a pipe, and standard input is bounded", () => {
  const key = dnet(["tunnel", "genkey"]).stdout;
  expect(dnet(["tunnel", "pubkey"], key).stdout).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
  expect(dnet(["tunnel", "pubkey"], "x".repeat(5000)).stderr).toStartWith("error INPUT_TOO_LONG: ");
});

test("a pipe whose reader has gone ends the words, quietly", () => {
  const line = `"${process.execPath}" "${MAIN}" licenses | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = Bun.spawnSync(["bash", "-c", line]);
  expect(stdout.toString().split("\n").slice(1)).toEqual(["0", ""]);
  expect(stderr.toString()).toBe("");
});

test("a result that a full disk does not take is an error; words for people are lost", () => {
  const line = `"${process.execPath}" "${MAIN}" version > /dev/full; echo $?; "${process.execPath}" "${MAIN}" x 2> /dev/full; echo $?`;
  const { stdout, stderr } = Bun.spawnSync(["bash", "-c", line]);
  expect(stdout.toString()).toBe("1\n2\n");
  expect(stderr.toString()).toStartWith("error OUTPUT_FAILED: the result cannot be written: ENOSPC");
});

test("nothing is coloured in a pipe", () => {
  expect(dnet(["tunnel", "--help"]).stdout).not.toContain("\x1b");
});
