import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DnetError } from "../../../src/base/error.ts";
import { formatPublicKey } from "../../../src/base/public-key.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { lockKey, parseLockedKey } from "../../../src/io/locked-key.ts";
import { openStateDirectory } from "../../../src/io/state-directory.ts";
import { Wallet } from "../../../src/io/wallet.ts";
import { formatC2pkh, keyHash } from "../../../src/overlay/dnetdb/ids.ts";
import { SeededRandom } from "../../support/random.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-wallet-"));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;
const newState = () => openStateDirectory(join(folder, String(++made)));
const wallet = (state = newState(), seed = ++made) => new Wallet(state, new SeededRandom(seed));

function failure(act: () => unknown): DnetError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(DnetError);
    return error as DnetError;
  }
  throw new Error("it was accepted");
}

test("both keys are made on first use, 0600 in a directory of 0700, and stay", () => {
  const state = newState();
  const first = wallet(state);
  const keys = [first.ownerPublicKey, first.nodeKeyPair.publicKey];
  for (const path of [state.ownerKey, state.nodeKey]) expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(state.path).mode & 0o777).toBe(0o700);
  expect(readFileSync(state.nodeKey, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
  const again = wallet(state);
  expect([again.ownerPublicKey, again.nodeKeyPair.publicKey]).toEqual(keys);
  expect(first.ownerPublicKey).not.toEqual(first.nodeKeyPair.publicKey);
  expect(readdirSync(state.path).sort()).toEqual(["node.key", "owner.key"]);
});

test("a key that others can read is refused, with the command that mends it; so is what is no key, and none is shown", () => {
  const state = newState();
  wallet(state).read("owner");
  chmodSync(state.ownerKey, 0o640);
  const open = failure(() => wallet(state).ownerPublicKey);
  expect(open).toMatchObject({ failure: "permission", hint: `chmod 600 ${state.ownerKey}` });
  expect(open.message).toBe(`${state.ownerKey} is open to others (mode 640)`);
  chmodSync(state.ownerKey, 0o600);
  for (const text of ["hunter2", "f".repeat(63), "{}", '{"schema":"dnet.locked-key/1"}']) {
    writeFileSync(state.ownerKey, text);
    const { message } = failure(() => wallet(state).ownerPublicKey);
    expect(message).toBe(`${state.ownerKey} has ${text.length} characters that are no key`);
  }
});

test("a passphrase locks the owner's key and nothing else does; whose it is shows without", () => {
  const state = newState();
  const open = wallet(state);
  const { publicKey, secretKey } = open.ownerKeyPair(null);
  open.setPassphrase(null, "correct horse");
  const text = readFileSync(state.ownerKey, "utf8");
  expect(text).not.toContain(secretKey.subarray(0, 32).toHex());
  expect(JSON.parse(text)).toMatchObject({ schema: "dnet.locked-key/1", scrypt: { n: 131072, r: 8, p: 1 } });
  // The same lock, at a cost that a test can bear several times.
  writeFileSync(state.ownerKey, lockKey({ publicKey, secretKey }, "correct horse", new SeededRandom(1), 2));
  const locked = wallet(state);
  expect([locked.isLocked, locked.ownerPublicKey, locked.keyPairs.length]).toEqual([true, publicKey, 1]);
  expect(failure(() => locked.ownerKeyPair(null))).toMatchObject({ code: "WALLET_LOCKED", failure: "not-authorised" });
  const wrong = failure(() => locked.ownerKeyPair("wrong horse"));
  expect([wrong.code, wrong.message.includes("horse")]).toEqual(["WRONG_PASSPHRASE", false]);
  expect(locked.ownerKeyPair("correct horse").secretKey).toEqual(secretKey);
  locked.setPassphrase("correct horse", null);
  expect(readFileSync(state.ownerKey, "utf8")).toBe(`${secretKey.subarray(0, 32).toHex()}\n`);
});

test("a locked key whose public key, cost or sealed bytes were changed does not open, and none asks for more than 1 GiB", () => {
  const keyPair = keyPairFromSeed(new Uint8Array(32).fill(7));
  const text = lockKey(keyPair, "pass", new SeededRandom(1), 2);
  expect(parseLockedKey(text)!.unlock("pass")).toEqual(keyPair);
  // One passphrase in two forms of Unicode.
  const accented = lockKey(keyPair, "caf\u00e9", new SeededRandom(1), 2);
  expect(parseLockedKey(accented)!.unlock("cafe\u0301")).toEqual(keyPair);
  const file = JSON.parse(text);
  const other = formatPublicKey(keyPairFromSeed(new Uint8Array(32).fill(8)).publicKey);
  const changed = [
    { ...file, publicKey: other },
    { ...file, sealed: file.sealed.replace(/^./, "_").replace("_", "B") },
  ];
  for (const each of changed) expect(parseLockedKey(JSON.stringify(each))?.unlock("pass") ?? null).toBeNull();
  const costs = [{ n: 2 ** 21 }, { n: 3 }, { n: 0 }, { n: "2" }, { r: 1e9 }, { p: 17 }, { p: 0.5 }, { salt: "!" }];
  for (const cost of costs) {
    expect(parseLockedKey(JSON.stringify({ ...file, scrypt: { ...file.scrypt, ...cost } }))).toBeNull();
  }
  for (let end = 0; end < text.length - 1; end++) expect(parseLockedKey(text.slice(0, end))).toBeNull();
});

test("what one wallet exports another imports, locked or not; a key that is there stays beside", () => {
  const [from, to] = [wallet(), newState()];
  from.setPassphrase(null, "p");
  const { text, publicKey } = from.read("owner");
  const target = wallet(to);
  expect(target.import("owner", text, { replaces: false })).toBe(true);
  expect([target.ownerPublicKey, target.isLocked]).toEqual([publicKey, true]);
  expect(target.import("owner", text, { replaces: false })).toBe(false);
  const next = wallet().read("owner");
  const taken = failure(() => target.import("owner", next.text, { replaces: false }));
  expect([taken.code, taken.hint]).toEqual(["KEY_EXISTS", "--replace, which keeps that one in a file beside it"]);
  expect(target.import("owner", next.text, { replaces: true })).toBe(true);
  expect(target.ownerPublicKey).toEqual(next.publicKey);
  expect(readFileSync(`${to.ownerKey}.${formatC2pkh(keyHash(publicKey))}`, "utf8")).toBe(text);
  expect(failure(() => target.import("node", text, { replaces: true })).message).toContain("is locked");
  expect(failure(() => target.import("owner", "none", { replaces: true })).message).not.toContain("none");
});
