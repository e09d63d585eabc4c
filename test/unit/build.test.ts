import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { version } from "../../package.json";

const ROOT = dirname(dirname(import.meta.dir));
const folder = mkdtempSync(join(tmpdir(), "dnet-build-"));
afterAll(() => rmSync(folder, { recursive: true }));

function build(name: string): string {
  const out = join(folder, name);
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, join(ROOT, "build.ts"), "--out", out], { cwd: folder });
  expect({ exitCode, stderr: stderr.toString() }).toMatchObject({ exitCode: 0 });
  return join(out, "dnet");
}

test("the same input gives the same bytes, without a path of this machine, that run alone", () => {
  const [first, second] = [build("a"), build("b")];
  const bytes = readFileSync(first);
  expect(bytes.equals(readFileSync(second))).toBe(true);
  expect(bytes.includes(ROOT)).toBe(false);
  expect(bytes.includes(folder)).toBe(false);
  // Where `src/io/workers.ts` looks for them: a signature is verified as well without its Worker, only not as soon.
  for (const name of ["datapath", "verify"]) expect(bytes.includes(`/$bunfs/root/${name}/worker.js`)).toBe(true);

  const alone = join(folder, "alone");
  mkdirSync(alone);
  renameSync(first, join(alone, "dnet"));
  const run = (...words: string[]) => {
    const { exitCode, stdout } = Bun.spawnSync([join(alone, "dnet"), ...words], { cwd: alone, env: {} });
    return { exitCode, stdout: stdout.toString() };
  };
  expect(JSON.parse(run("version", "--json").stdout)).toMatchObject({ version, bun: Bun.version });
  expect(run("licenses").stdout).toContain("Permission is hereby granted");
  expect(Uint8Array.fromBase64(run("tunnel", "genkey").stdout.trim())).toHaveLength(32);
  expect(run("nonsense").exitCode).toBe(2);

  const foreign = join(alone, "foreign.js");
  writeFileSync(foreign, "console.log('foreign code runs');");
  const preloaded = Bun.spawnSync([join(alone, "dnet"), "version"], { env: { BUN_OPTIONS: `--preload=${foreign}` } });
  expect(preloaded.stdout.toString()).not.toContain("foreign code");
  const asBun = Bun.spawnSync([join(alone, "dnet"), foreign], { env: { BUN_BE_BUN: "1" } });
  expect([asBun.exitCode, asBun.stdout.toString()]).toEqual([2, ""]);
}, 60_000);
