/**
 * One step of a record: it spends the output before it, and says what is next. All numbers little-endian.
 *   version     u8 = 1
 *   time        u64      ms since 1970, as its signer says
 *   inputs      u8       0 or 1, then transaction 32 ‖ output u8
 *   outputs     u8       1 to 2, then each amount u32 in units of 0.0001 ‖ script length u16 ‖ script
 *   body        u8       0, or 1 and SHA-256 of the body 32
 *   signatures  u8       0 to 16, then each public key 32 ‖ signature 64, by ascending keys
 * The id is SHA-256 of a domain and all but the signatures, so that who signs, of k of n, changes nothing that others refer to. What is
 * signed is another domain and the id. One meaning has one encoding: anything else is refused.
 */
import { compareBytes } from "../../base/bytes.ts";
import { PUBLIC_KEY_BYTES } from "../../base/public-key.ts";
import { type KeyPair, sign, verify } from "../../crypto/ed25519.ts";
import { sha256 } from "../../crypto/sha256.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { ID_BYTES } from "./ids.ts";
import { MAX_KEYS } from "./lock.ts";
import { readU64, writeU64 } from "./operands.ts";
import { decodeScript, encodeScript, MAX_SCRIPT_BYTES, type Script } from "./script.ts";

export const VERSION = 1;
const ID_DOMAIN = new TextEncoder().encode("dnetdb transaction 1\0");
const SIGN_DOMAIN = new TextEncoder().encode("dnetdb signature 1\0");
const SIGNATURE_BYTES = 64;
const MAX_OUTPUTS = 2;
/** Two outputs, sixteen signatures: what any transaction of this version fits into, and the most that is kept of another's. */
export const MAX_TRANSACTION_BYTES = 4_096;
/** The one amount there is: 0.0001. */
export const AMOUNT = 1;

export interface Output {
  /** In units of 0.0001. */
  readonly amount: number;
  readonly script: Script;
}

/** An output of an earlier transaction. */
export interface OutputReference {
  readonly transaction: Uint8Array;
  readonly output: number;
}

export interface Unsigned {
  /** Ms since 1970. */
  readonly time: number;
  /** Null for what begins a chain. */
  readonly input: OutputReference | null;
  readonly outputs: readonly Output[];
  readonly bodyHash: Uint8Array | null;
}

export interface Signature {
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  readonly bytes: Uint8Array;
}

export interface Transaction extends Unsigned {
  readonly id: Uint8Array;
  /** By ascending keys. */
  readonly signatures: readonly Signature[];
}

/** What a later version wrote: kept and passed on, and not understood. Its id is of all its bytes. */
export interface UnknownTransaction {
  readonly version: number;
  readonly id: Uint8Array;
}

/** Not signed by anyone yet. */
export function draft(unsigned: Unsigned): Transaction {
  return { ...unsigned, id: idOf(encodeCore(unsigned)), signatures: [] };
}

/** The same with one signature more; one more of a key that has signed changes nothing. */
export function signTransaction(transaction: Transaction, { publicKey, secretKey }: KeyPair): Transaction {
  const bytes = sign(signable(transaction.id), secretKey);
  return withSignatures(transaction, [{ publicKey, bytes }]);
}

/** The same with these signatures too, as when k of n sign one after another. */
export function withSignatures(transaction: Transaction, more: readonly Signature[]): Transaction {
  const all = [...transaction.signatures];
  for (const signature of more) {
    if (!all.some(({ publicKey }) => compareBytes(publicKey, signature.publicKey) === 0)) all.push(signature);
  }
  return { ...transaction, signatures: all.sort((a, b) => compareBytes(a.publicKey, b.publicKey)) };
}

export function isSignedBy(transaction: Transaction, { publicKey, bytes }: Signature): boolean {
  return verify(bytes, signable(transaction.id), publicKey);
}

export function encodeTransaction(transaction: Transaction): Uint8Array {
  const w = new Writer().fixed(encodeCore(transaction)).u8(transaction.signatures.length);
  for (const { publicKey, bytes } of transaction.signatures) w.fixed(publicKey).fixed(bytes);
  return w.finish();
}

/** Null for anything but one whole transaction in its one encoding. What it is made of is copied. */
export function decodeTransaction(given: Uint8Array): Transaction | UnknownTransaction | null {
  if (given.length > MAX_TRANSACTION_BYTES) return null;
  const bytes = given.slice();
  const r = new Reader(bytes);
  const version = r.u8();
  if (r.ok && version !== VERSION) return { version, id: idOf(bytes) };
  const unsigned = readCore(r);
  if (!unsigned) return null;
  const core = bytes.subarray(0, bytes.length - r.remaining);
  const signatures = readSignatures(r);
  return signatures && r.ok && r.remaining === 0 ? { ...unsigned, id: idOf(core), signatures } : null;
}

function encodeCore({ time, input, outputs, bodyHash }: Unsigned): Uint8Array {
  const w = new Writer().u8(VERSION);
  writeU64(w, time);
  if (input) w.u8(1).fixed(input.transaction).u8(input.output);
  else w.u8(0);
  w.u8(outputs.length);
  for (const { amount, script } of outputs) {
    const bytes = encodeScript(script);
    w.u32(amount).u16(bytes.length).fixed(bytes);
  }
  if (bodyHash) w.u8(1).fixed(bodyHash);
  else w.u8(0);
  return w.finish();
}

/** After the version. */
function readCore(r: Reader): Unsigned | null {
  const time = readU64(r);
  const inputs = r.u8();
  const input = inputs === 1 ? { transaction: r.fixed(ID_BYTES), output: r.u8() } : null;
  const count = r.u8();
  if (time === undefined || inputs > 1 || count < 1 || count > MAX_OUTPUTS) return null;
  const outputs: Output[] = [];
  while (outputs.length < count) {
    const [amount, length] = [r.u32(), r.u16()];
    const script = length <= MAX_SCRIPT_BYTES ? decodeScript(r.fixed(length)) : null;
    if (!script) return null;
    outputs.push({ amount, script });
  }
  const hasBody = r.u8();
  const bodyHash = hasBody === 1 ? r.fixed(ID_BYTES) : null;
  return r.ok && hasBody <= 1 ? { time, input, outputs, bodyHash } : null;
}

function readSignatures(r: Reader): Signature[] | null {
  const count = r.u8();
  if (count > MAX_KEYS) return null;
  const signatures = Array.from({ length: count }, () => ({
    publicKey: r.fixed(PUBLIC_KEY_BYTES),
    bytes: r.fixed(SIGNATURE_BYTES),
  }));
  const isAscending = signatures.every(
    ({ publicKey }, i) => i === 0 || compareBytes(signatures[i - 1]!.publicKey, publicKey) < 0,
  );
  return r.ok && isAscending ? signatures : null;
}

function idOf(bytes: Uint8Array): Uint8Array {
  return sha256(ID_DOMAIN, bytes);
}

function signable(id: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([SIGN_DOMAIN, id]));
}
