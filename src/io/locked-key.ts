/**
 * The seed of an Ed25519 key, locked by a passphrase, as one JSON object:
 *   {"schema": "dnet.locked-key/1", "publicKey": z-base-32, "scrypt": {"n": 131072, "r": 8, "p": 1, "salt": base64},
 *     "nonce": base64, "sealed": base64}
 * scrypt (RFC 7914) makes 32 bytes of the passphrase, in Unicode's form NFKC, and 16 of salt; AES-256-GCM seals the seed
 * under them, with the schema, a zero and the public key as associated data: whose key it is shows without the passphrase,
 * and cannot be changed.
 */

import { scrypt } from "@noble/hashes/scrypt.js";
import { sameBytes } from "../base/bytes.ts";
import { parseJsonObject } from "../base/json.ts";
import { formatPublicKey, parsePublicKey } from "../base/public-key.ts";
import type { Random } from "../base/random.ts";
import { aes256Gcm } from "../crypto/aead.ts";
import { type KeyPair, keyPairFromSeed } from "../crypto/ed25519.ts";

const SCHEMA = "dnet.locked-key/1";
const SEED_BYTES = 32;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
/** 128 MiB and half a second for each guess (OWASP's password storage cheat sheet has the same). */
const COST = { n: 2 ** 17, r: 8, p: 1 };
/** What a file may ask of us: 1 GiB. */
const MAX_BYTES = 2 ** 30;
const MAX_P = 16;

export interface LockedKey {
  readonly publicKey: Uint8Array;
  /** Null for the wrong passphrase. */
  unlock(passphrase: string): KeyPair | null;
}

/** The text of the file. `n`: scrypt's cost, a power of two; less than the default only where the key is worth nothing. */
export function lockKey({ publicKey, secretKey }: KeyPair, passphrase: string, random: Random, n = COST.n): string {
  const cost = { ...COST, n };
  const salt = random.bytes(SALT_BYTES);
  const nonce = random.bytes(aes256Gcm.nonceBytes);
  const seed = secretKey.subarray(0, SEED_BYTES);
  const sealed = aes256Gcm.seal(stretch(passphrase, salt, cost), nonce, seed, associated(publicKey));
  const file = {
    schema: SCHEMA,
    publicKey: formatPublicKey(publicKey),
    scrypt: { ...cost, salt: salt.toBase64() },
    nonce: nonce.toBase64(),
    sealed: sealed.toBase64(),
  };
  return `${JSON.stringify(file)}\n`;
}

/** Null for anything but a locked key whose cost this machine can bear. */
export function parseLockedKey(text: string): LockedKey | null {
  const file = parseJsonObject(text);
  const parameters = file?.["scrypt"] as { readonly [name: string]: unknown } | null | undefined;
  if (file?.["schema"] !== SCHEMA || !parameters) return null;
  const publicKey = typeof file["publicKey"] === "string" ? parsePublicKey(file["publicKey"]) : null;
  const salt = parseBase64(parameters["salt"]);
  const [nonce, sealed] = [parseBase64(file["nonce"]), parseBase64(file["sealed"])];
  const { n, r, p } = parameters as { readonly [name: string]: number };
  const cost = { n: n!, r: r!, p: p! };
  if (!publicKey || !salt || nonce?.length !== aes256Gcm.nonceBytes || !sealed || !isBearable(cost)) return null;
  return {
    publicKey,
    unlock(passphrase) {
      const seed = aes256Gcm.open(stretch(passphrase, salt, cost), nonce, sealed, associated(publicKey));
      const keyPair = seed?.length === SEED_BYTES ? keyPairFromSeed(seed) : null;
      return keyPair && sameBytes(keyPair.publicKey, publicKey) ? keyPair : null;
    },
  };
}

function stretch(passphrase: string, salt: Uint8Array, { n, r, p }: typeof COST): Uint8Array {
  const options = { N: n, r, p, dkLen: KEY_BYTES, maxmem: MAX_BYTES + 2 ** 20 };
  return scrypt(new TextEncoder().encode(passphrase.normalize("NFKC")), salt, options);
}

function isBearable({ n, r, p }: typeof COST): boolean {
  const areCounts = [n, r, p].every((each) => Number.isInteger(each) && each > 0);
  return areCounts && n >= 2 && Number.isInteger(Math.log2(n)) && 128 * n * r <= MAX_BYTES && p <= MAX_P;
}

function associated(publicKey: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([new TextEncoder().encode(`${SCHEMA}\0`), publicKey]));
}

function parseBase64(text: unknown): Uint8Array | null {
  try {
    return typeof text === "string" ? Uint8Array.fromBase64(text) : null;
  } catch {
    return null;
  }
}
