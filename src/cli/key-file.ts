/** A file with the secret of an Ed25519 key: the 32 bytes of its seed in hex, in a file that is its owner's alone. */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { readToEnd } from "./bounded-read.ts";
import { UsageError } from "./command.ts";
import { printable } from "./printable.ts";

// 64 characters and a line end; whoever has a kilobyte has something else.
const MAX_FILE_BYTES = 1024;
const SEED_BYTES = 32;

/** Throws DnetError, which never shows what is in the file. */
export function readKeyFile(path: string): KeyPair {
  const fd = open(path, constants.O_RDONLY, "existing");
  try {
    const { mode } = fstatSync(fd);
    if (mode & 0o077) {
      throw refused(path, `is open to others (mode ${(mode & 0o777).toString(8)})`, `chmod 600 ${printable(path)}`);
    }
    const bytes = readToEnd(fd, MAX_FILE_BYTES);
    const text = bytes ? new TextDecoder().decode(bytes).trim() : "";
    if (!/^[0-9a-f]{64}$/i.test(text)) {
      const found = bytes ? `${text.length} characters` : `more than ${MAX_FILE_BYTES} bytes`;
      throw refused(path, `has ${found} that are no key; expected 64 hex characters`, MAKE_ONE);
    }
    return keyPairFromSeed(Uint8Array.fromHex(text));
  } catch (error) {
    if (error instanceof DnetError) throw error;
    throw refused(path, `cannot be read: ${(error as Error).message}`, MAKE_ONE, error);
  } finally {
    closeSync(fd);
  }
}

/** Of the `--key-file` option. Throws UsageError when it was not given, with the reason that it is needed. */
export function requireKeyPair(path: string | undefined, reason: string): KeyPair {
  if (path !== undefined) return readKeyFile(path);
  throw new UsageError("MISSING_OPTION", `--key-file is missing: ${reason}`, `--key-file FILE; ${MAKE_ONE}`);
}

/** Makes the file, which must not be there, with a new key. Throws DnetError. */
export function createKeyFile(path: string, random: Random): KeyPair {
  const seed = random.bytes(SEED_BYTES);
  const fd = open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, "new");
  try {
    writeSync(fd, `${seed.toHex()}\n`);
  } finally {
    closeSync(fd);
  }
  return keyPairFromSeed(seed);
}

const MAKE_ONE = "dnet dht keygen FILE makes one";

function open(path: string, flags: number, kind: "existing" | "new"): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") throw refused(path, "exists already; a key in it would be lost", "another name", cause);
    if (code === "ENOENT" && kind === "existing") throw refused(path, "does not exist", MAKE_ONE, cause);
    throw refused(path, `cannot be opened: ${message}`, "a path that you may use", cause);
  }
}

function refused(path: string, flaw: string, hint: string, cause?: unknown): DnetError {
  return new DnetError("BAD_KEY_FILE", `${printable(path)} ${flaw}`, { failure: "configuration", hint, cause });
}
