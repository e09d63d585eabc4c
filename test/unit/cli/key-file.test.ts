import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DnetError } from "../../../src/base/error.ts";
import { createKeyFile, readKeyFile, requireKeyPair } from "../../../src/cli/key-file.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { SeededRandom } from "../../support/random.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-key-"));
afterAll(() => rmSync(folder, { recursive: true }));
const SEED = "5e".repeat(32);

function file(name: string, content: string | Uint8Array, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function refusal(read: () => unknown): DnetError {
  try {
    read();
  } catch (error) {
    return error as DnetError;
  }
  throw new Error("it was accepted");
}

test("a key file is 64 hex characters, with or without a line end, in either case", () => {
  const { publicKey } = keyPairFromSeed(Uint8Array.fromHex(SEED));
  expect(readKeyFile(file("a", SEED)).publicKey).toEqual(publicKey);
  expect(readKeyFile(file("b", `${SEED.toUpperCase()}\r\n`)).publicKey).toEqual(publicKey);
});

test("a key that is made is read back, from a file of its user alone", () => {
  const path = join(folder, "new");
  const made = createKeyFile(path, new SeededRandom(1));
  expect(readKeyFile(path)).toEqual(made);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a file that is there already keeps its key", () => {
  const path = file("kept", SEED);
  const refused = refusal(() => createKeyFile(path, new SeededRandom(1)));
  expect(refused).toMatchObject({ code: "BAD_KEY_FILE", failure: "configuration" });
  expect(refused.message).toBe(`${path} exists already; a key in it would be lost`);
  expect(readFileSync(path, "utf8")).toBe(SEED);
});

test("a file that others may read is refused, with the command that mends it", () => {
  for (const mode of [0o640, 0o604, 0o660]) {
    const path = file("open", SEED, mode);
    const refused = refusal(() => readKeyFile(path));
    expect(refused.message).toBe(`${path} is open to others (mode ${mode.toString(8)})`);
    expect(refused.hint).toBe(`chmod 600 ${path}`);
  }
});

test("what is no key is refused without being shown", () => {
  for (const content of ["", "hunter2", SEED.slice(1), `${SEED}00`, `0x${SEED.slice(2)}`, "x".repeat(2_000)]) {
    const refused = refusal(() => readKeyFile(file("bad", content)));
    expect(refused.code).toBe("BAD_KEY_FILE");
    expect(refused.message).toContain("expected 64 hex characters");
    if (content !== "") expect(`${refused.message}${refused.hint}`).not.toContain(content.slice(0, 20));
  }
  expect(refusal(() => readKeyFile(join(folder, "none"))).message).toEndWith("none does not exist");
  chmodSync(folder, 0o700);
  expect(refusal(() => readKeyFile(folder)).message).toContain(`${folder} cannot be read`);
});

test("a command that needs a key says why", () => {
  expect(refusal(() => requireKeyPair(undefined, "it signs"))).toMatchObject({
    code: "MISSING_OPTION",
    message: "--key-file is missing: it signs",
    failure: "usage",
  });
});
