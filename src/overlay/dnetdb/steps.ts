/**
 * Steps that are composed and wait for signatures: what goes to a machine with a key, offline perhaps, and back, from one owner
 * to the next. As text it is JSON: {"schema": "dnet.steps/1", "steps": [{transaction, body, script, lock, note, needed,
 * signatures}]}, where transaction and body (or null) are base64 of their bytes, and the rest says the same to a person: what
 * the script is in text, who has to sign, how many of them, and how many have. Reading it holds the one against the other.
 */

import { compareBytes, sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import { parseJsonObject } from "../../base/json.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { MAX_BODY_BYTES } from "./contents.ts";
import { formatC2pkh, keyHash } from "./ids.ts";
import { formatLock, type Lock, parseLock } from "./lock.ts";
import { formatScript } from "./script.ts";
import {
  decodeTransaction,
  encodeTransaction,
  isSignedBy,
  MAX_TRANSACTION_BYTES,
  signTransaction,
  type Transaction,
  withSignatures,
} from "./transaction.ts";

const SCHEMA = "dnet.steps/1";
const MAX_TEXT = 1 << 26;
const MAX_STEPS = 16_384;
const MAX_NOTE = 1_024;

export interface Step {
  readonly transaction: Transaction;
  readonly body: Uint8Array | null;
  /** Of what it spends: whose keys have to sign. */
  readonly lock: Lock;
  /** What it does, in a line. */
  readonly note: string;
}

export function encodeSteps(steps: readonly Step[]): string {
  const rows = steps.map(({ transaction, body, lock, note }) => ({
    transaction: encodeTransaction(transaction).toBase64(),
    body: body?.toBase64() ?? null,
    script: formatScript(transaction.outputs[0]!.script),
    lock: formatLock(lock),
    note,
    needed: lock.needed,
    signatures: transaction.signatures.length,
  }));
  return `${JSON.stringify({ schema: SCHEMA, steps: rows }, null, 2)}\n`;
}

/**
 * Throws DnetError, and nothing else, for what is none, or does not agree with itself, or has a signature that is not its
 * key's.
 */
export function decodeSteps(text: string): Step[] {
  const document = text.length <= MAX_TEXT ? parseJsonObject(text) : null;
  if (document?.["schema"] !== SCHEMA) throw malformed(`it is no file of the schema ${SCHEMA}`);
  const rows = document["steps"];
  if (!Array.isArray(rows) || rows.length === 0 || rows.length > MAX_STEPS) {
    throw malformed(`it has no list of 1 to ${MAX_STEPS} steps`);
  }
  return rows.map((row: unknown, i) => decodeStep(row, `step ${i + 1}`));
}

/** Those that its owner may sign, signed. Throws DnetError when there are none. */
export function signSteps(steps: readonly Step[], keyPair: KeyPair): Step[] {
  const hash = keyHash(keyPair.publicKey);
  const isOurs = ({ lock }: Step): boolean => lock.keyHashes.some((each) => compareBytes(each, hash) === 0);
  if (!steps.some(isOurs)) {
    const owners = [...new Set(steps.flatMap(({ lock }) => lock.keyHashes.map(formatC2pkh)))].join(", ");
    throw new DnetError("NOT_OWNER", `${formatC2pkh(hash)} is no owner here; the owners are ${owners}`, {
      hint: "sign with an owner's key, on the machine that has it",
      failure: "not-authorised",
    });
  }
  return steps.map((step) =>
    isOurs(step) ? { ...step, transaction: signTransaction(step.transaction, keyPair) } : step,
  );
}

/** The same steps with the signatures of both. Throws DnetError when they are not the same steps. */
export function mergeSteps(a: readonly Step[], b: readonly Step[]): Step[] {
  const areSame =
    a.length === b.length && a.every(({ transaction }, i) => sameBytes(transaction.id, b[i]!.transaction.id));
  if (!areSame) {
    throw new DnetError("STEPS_DIFFER", "the two files are of different steps, or of the same in another order", {
      hint: "have each owner sign the same draft",
    });
  }
  return a.map((step, i) => {
    const other = b[i]!;
    const transaction = withSignatures(step.transaction, other.transaction.signatures);
    return { ...step, transaction, body: step.body ?? other.body };
  });
}

/** How many more owners have to sign it. */
export function missingSignatures({ transaction, lock }: Step): number {
  return Math.max(0, lock.needed - transaction.signatures.length);
}

export function isComplete(steps: readonly Step[]): boolean {
  return steps.every((step) => missingSignatures(step) === 0);
}

function decodeStep(row: unknown, which: string): Step {
  if (typeof row !== "object" || row === null) throw malformed(`${which} is no step`);
  const {
    transaction: given,
    body: givenBody,
    script,
    lock: givenLock,
    note,
    needed,
    signatures,
  } = row as {
    readonly [key: string]: unknown;
  };
  const bytes = fromBase64(given, MAX_TRANSACTION_BYTES);
  const transaction = bytes && decodeTransaction(bytes);
  if (!transaction || "version" in transaction) throw malformed(`${which} has no transaction that this version knows`);
  const body = givenBody === null ? null : fromBase64(givenBody, MAX_BODY_BYTES);
  const { bodyHash } = transaction;
  const isBody = bodyHash === null ? givenBody === null : body !== null && sameBytes(sha256(body), bodyHash);
  if (!isBody) throw malformed(`${which} has another body than its transaction's`);
  const { script: meant } = transaction.outputs[0]!;
  if (script !== formatScript(meant)) throw malformed(`${which} says another script than its transaction's`);
  const lock = typeof givenLock === "string" ? parseLock(givenLock.split(" ")) : null;
  // To whom a transfer or a join goes is not who signs it; who signs, the store will hold against what is spent.
  const isFree = meant.op === "OP_DNET_TRANSFER" || meant.op === "OP_DNET_JOIN";
  if (!lock || (!isFree && formatLock(lock) !== formatLock(meant.lock)))
    throw malformed(`${which} says others have to sign it`);
  if (typeof note !== "string" || note.length > MAX_NOTE) throw malformed(`${which} has no note`);
  if (needed !== lock.needed || signatures !== transaction.signatures.length) {
    throw malformed(`${which} counts its signatures wrongly`);
  }
  const isNamed = transaction.signatures.every((each) => {
    const hash = keyHash(each.publicKey);
    return lock.keyHashes.some((one) => compareBytes(one, hash) === 0) && isSignedBy(transaction, each);
  });
  if (!isNamed) throw malformed(`${which} has a signature that is no owner's`);
  return { transaction, body, lock, note };
}

function malformed(why: string): DnetError {
  return new DnetError("STEPS_MALFORMED", `these are no steps to sign: ${why}`);
}

function fromBase64(text: unknown, maxBytes: number): Uint8Array | null {
  if (typeof text !== "string" || text.length > Math.ceil(maxBytes / 3) * 4) return null;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}
