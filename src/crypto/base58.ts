/** Base58 and base58check as Bitcoin has them: text that has no look-alikes, and with a checksum tells a typo. */
import { base58, createBase58check } from "@scure/base";
import { sha256 } from "./sha256.ts";

const base58check = createBase58check((bytes: Uint8Array) => sha256(bytes));

export function encodeBase58(bytes: Uint8Array): string {
  return base58.encode(bytes);
}

/** Null for another alphabet, or more than `maxCharacters`. */
export function decodeBase58(text: string, maxCharacters: number): Uint8Array | null {
  return decode(base58.decode, text, maxCharacters);
}

/** With four bytes of SHA-256 of SHA-256 behind. */
export function encodeBase58check(bytes: Uint8Array): string {
  return base58check.encode(bytes);
}

/** Null also when the checksum is another. */
export function decodeBase58check(text: string, maxCharacters: number): Uint8Array | null {
  return decode(base58check.decode, text, maxCharacters);
}

function decode(decoder: (text: string) => Uint8Array, text: string, maxCharacters: number): Uint8Array | null {
  if (text.length > maxCharacters) return null;
  try {
    return decoder(text);
  } catch {
    return null;
  }
}
