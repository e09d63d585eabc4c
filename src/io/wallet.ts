/**
 * This machine's two keys, each in a file of its own (mode 0600), made on first use:
 *   owner.key   signs the records that its person owns; 64 hex characters, or locked by a passphrase (`locked-key.ts`)
 *   node.key    what the machine is as a member; 64 hex characters, because a machine starts alone
 * Both are seeds of Ed25519, as `dnet dht keygen` makes them. A key is never overwritten: a replaced one stays beside.
 */
import { existsSync } from "node:fs";
import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";
import { formatC2pkh, keyHash } from "../overlay/dnetdb/ids.ts";
import { type LockedKey, lockKey, parseLockedKey } from "./locked-key.ts";
import { createPrivateFile, readPrivateFile, writePrivateFile } from "./private-file.ts";
import type { StateDirectory } from "./state-directory.ts";

export type KeyName = "owner" | "node";

/** A locked key has 400 characters. */
const MAX_FILE_BYTES = 4_096;
const SEED_BYTES = 32;

/** What a key's file holds. */
export interface StoredKey {
  readonly publicKey: Uint8Array;
  /** Null while it is locked. */
  readonly keyPair: KeyPair | null;
  readonly locked: LockedKey | null;
  /** As it stands in the file: a secret. */
  readonly text: string;
}

export class Wallet {
  readonly #state: StateDirectory;
  readonly #random: Random;
  #owner: StoredKey | null = null;
  #node: KeyPair | null = null;

  constructor(state: StateDirectory, random: Random) {
    this.#state = state;
    this.#random = random;
  }

  /** Made on first use. Throws DnetError. */
  get nodeKeyPair(): KeyPair {
    this.#node ??= this.read("node").keyPair;
    if (this.#node) return this.#node;
    throw lockedNode(this.path("node"));
  }

  /** Made on first use; known without the passphrase. Throws DnetError. */
  get ownerPublicKey(): Uint8Array {
    return this.#ownerKey().publicKey;
  }

  get isLocked(): boolean {
    return this.#ownerKey().locked !== null;
  }

  /** Those that are to be had without a passphrase: what a private dnet's key may be wrapped for. */
  get keyPairs(): KeyPair[] {
    const { keyPair } = this.#ownerKey();
    return keyPair ? [this.nodeKeyPair, keyPair] : [this.nodeKeyPair];
  }

  /** `passphrase`: null when none was given. Throws DnetError when it is missing, or wrong. */
  ownerKeyPair(passphrase: string | null): KeyPair {
    const key = this.#ownerKey();
    const keyPair = key.keyPair ?? unlock(key.locked!, passphrase, this.path("owner"));
    this.#owner = { ...key, keyPair };
    return keyPair;
  }

  /** Locks the owner's key by `next`, or, when that is null, leaves it open. Throws DnetError for a wrong `current`. */
  setPassphrase(current: string | null, next: string | null): void {
    const keyPair = this.ownerKeyPair(current);
    writePrivateFile(this.path("owner"), next === null ? seedText(keyPair) : lockKey(keyPair, next, this.#random));
    this.#owner = null;
  }

  /**
   * Takes over the text of a key's file; false when that key is here already. Another one is kept beside when `replaces`.
   * Throws DnetError.
   */
  import(name: KeyName, text: string, { replaces }: { readonly replaces: boolean }): boolean {
    const key = parseKey(text, "what is to be imported");
    if (name === "node" && key.locked) throw lockedNode("what is to be imported");
    const before = existsSync(this.path(name)) ? this.read(name) : null;
    if (before && sameBytes(before.publicKey, key.publicKey)) return false;
    if (before && !replaces) throw taken(this.path(name), before);
    if (before) createPrivateFile(`${this.path(name)}.${addressOf(before)}`, before.text);
    writePrivateFile(this.path(name), key.text);
    this.#owner = this.#node = null;
    return true;
  }

  /** Made on first use. Throws DnetError. */
  read(name: KeyName): StoredKey {
    const path = this.path(name);
    const text = readPrivateFile(path, MAX_FILE_BYTES);
    if (text !== null) return parseKey(text, path);
    createPrivateFile(path, seedText(keyPairFromSeed(this.#random.bytes(SEED_BYTES))));
    return parseKey(readPrivateFile(path, MAX_FILE_BYTES)!, path); // whoever was first
  }

  path(name: KeyName): string {
    return name === "owner" ? this.#state.ownerKey : this.#state.nodeKey;
  }

  #ownerKey(): StoredKey {
    this.#owner ??= this.read("owner");
    return this.#owner;
  }
}

/** `source` begins a sentence of what is wrong. Never says what is in the file. */
function parseKey(text: string, source: string): StoredKey {
  const trimmed = text.trim();
  if (/^[0-9a-f]{64}$/i.test(trimmed)) {
    const keyPair = keyPairFromSeed(Uint8Array.fromHex(trimmed));
    return { publicKey: keyPair.publicKey, keyPair, locked: null, text };
  }
  const locked = parseLockedKey(trimmed);
  if (locked) return { publicKey: locked.publicKey, keyPair: null, locked, text };
  throw new DnetError("BAD_KEY_FILE", `${source} has ${trimmed.length} characters that are no key`, {
    failure: "configuration",
    hint: "64 hex characters, or a file that dnet wallet export wrote",
  });
}

function unlock(locked: LockedKey, passphrase: string | null, path: string): KeyPair {
  const keyPair = passphrase === null ? null : locked.unlock(passphrase);
  if (keyPair) return keyPair;
  const [code, flaw, hint] =
    passphrase === null
      ? [
          "WALLET_LOCKED",
          "is locked by a passphrase",
          "--passphrase-file FILE, or --passphrase-file - for standard input",
        ]
      : ["WRONG_PASSPHRASE", "has another passphrase", "again; nothing was changed"];
  throw new DnetError(code, `${path} ${flaw}`, { failure: "not-authorised", hint });
}

function lockedNode(source: string): DnetError {
  return new DnetError("BAD_KEY_FILE", `${source} is locked; a machine could not start with it alone`, {
    failure: "configuration",
    hint: "a node's key without a passphrase",
  });
}

function taken(path: string, before: StoredKey): DnetError {
  return new DnetError("KEY_EXISTS", `${path} has another key already, ${addressOf(before)}`, {
    failure: "configuration",
    hint: "--replace, which keeps that one in a file beside it",
  });
}

function addressOf({ publicKey }: StoredKey): string {
  return formatC2pkh(keyHash(publicKey));
}

function seedText({ secretKey }: KeyPair): string {
  return `${secretKey.subarray(0, SEED_BYTES).toHex()}\n`;
}
