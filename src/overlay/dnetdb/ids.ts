/**
 * How DNetDB's names read: records and transactions in base58, keys as C2PKH, their checksummed hash. Source: architecture §3; Bitcoin's
 * base58 and base58check.
 */
import { decodeBase58, decodeBase58check, encodeBase58, encodeBase58check } from "../../crypto/base58.ts";
import { hash160, sha256 } from "../../crypto/sha256.ts";

export const ID_BYTES = 32;
export const KEY_HASH_BYTES = 20;
/** Makes every C2PKH begin with a D. */
const C2PKH_VERSION = 30;

/** A record is named by the transaction whose output its creation spends. 32 bytes. */
export function recordId(spentTransactionId: Uint8Array): Uint8Array {
  return sha256(spentTransactionId);
}

export function formatId(id: Uint8Array): string {
  return encodeBase58(id);
}

/** Null for anything but 32 bytes in base58. */
export function parseId(text: string): Uint8Array | null {
  const id = decodeBase58(text, 44);
  return id?.length === ID_BYTES ? id : null;
}

/** 20 bytes: RIPEMD-160(SHA-256(public key)). */
export function keyHash(publicKey: Uint8Array): Uint8Array {
  return hash160(publicKey);
}

/** Base58check of version ‖ key hash. */
export function formatC2pkh(hash: Uint8Array): string {
  return encodeBase58check(Uint8Array.of(C2PKH_VERSION, ...hash));
}

/** Null for what has a typo, or is of another kind. */
export function parseC2pkh(text: string): Uint8Array | null {
  const bytes = decodeBase58check(text, 40);
  return bytes?.length === 1 + KEY_HASH_BYTES && bytes[0] === C2PKH_VERSION ? bytes.slice(1) : null;
}
