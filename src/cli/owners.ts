/** Who owns a record, in text: one key, or `--needed` of several. */
import { sameBytes } from "../base/bytes.ts";
import { parsePublicKey } from "../base/public-key.ts";
import { formatC2pkh, keyHash, parseC2pkh } from "../overlay/dnetdb/ids.ts";
import { type Lock, lockTo, MAX_KEYS } from "../overlay/dnetdb/lock.ts";
import { UsageError } from "./command.ts";
import { badOption, optionConflict, parseIntegerOption, splitLists } from "./option-values.ts";
import { printable } from "./printable.ts";

export interface Owners {
  readonly lock: Lock;
  /** Of those that were given whole; from a C2PKH no key follows. */
  readonly publicKeys: readonly Uint8Array[];
}

/** `own`: this machine's public key, which it is without `--owners`. Throws UsageError. */
export function parseOwners(lists: readonly string[], needed: string | undefined, own: Uint8Array): Owners {
  const texts = splitLists(lists);
  if (texts.length === 0 && needed !== undefined)
    throw optionConflict("--needed is of several owners", "--owners KEY,KEY,...");
  const owners = texts.length === 0 ? [{ hash: keyHash(own), publicKey: own }] : texts.map(parseOwner);
  const most = owners.length;
  const count =
    needed === undefined
      ? most
      : parseIntegerOption("needed", needed, { least: 1, most, example: most, what: "a number" });
  const lock = lockTo(
    owners.map(({ hash }) => hash),
    count,
  );
  if (!lock) throw badOption("owners", lists.join(","), `1 to ${MAX_KEYS} owners, none twice`, "C2PKH,C2PKH");
  const isOwn = ({ hash }: { readonly hash: Uint8Array }) => sameBytes(hash, keyHash(own));
  return { lock, publicKeys: owners.flatMap((owner) => owner.publicKey ?? (isOwn(owner) ? own : [])) };
}

/** Owners as arguments of a command. */
export function parseOwnerWords(words: readonly string[], needed: string | undefined): Owners {
  return parseOwners(words, needed, new Uint8Array(0));
}

/** Of the JSON object. */
export function ownersFacts({ needed, keyHashes }: Lock): { readonly owners: string[]; readonly needed: number } {
  return { owners: keyHashes.map(formatC2pkh), needed };
}

/** `DFoo...`, or `2 of DFoo..., DBar... (this machine's key)`. `own`: the hash of this machine's. */
export function ownersText({ needed, keyHashes }: Lock, own: Uint8Array | null = null): string {
  const isOwn = (hash: Uint8Array) => own !== null && sameBytes(hash, own);
  const keys = keyHashes.map((hash) => `${formatC2pkh(hash)}${isOwn(hash) ? " (this machine's key)" : ""}`).join(", ");
  return keyHashes.length === 1 ? keys : `${needed} of ${keys}`;
}

function parseOwner(text: string): { readonly hash: Uint8Array; readonly publicKey: Uint8Array | null } {
  const publicKey = parsePublicKey(text);
  const hash = publicKey ? keyHash(publicKey) : parseC2pkh(text);
  if (hash) return { hash, publicKey };
  throw new UsageError(
    "BAD_OWNER",
    `${printable(text)} is no owner's key, or has a typo`,
    "a C2PKH, as dnet wallet show prints it",
  );
}
