import { parsePublicKey } from "../base/public-key.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { UsageError } from "./command.ts";
import { printable } from "./printable.ts";

export interface Target {
  /** 32 of them. */
  readonly bytes: Uint8Array;
  readonly hex: string;
  /** For the person, who may have mistyped a key: what it was taken for. */
  readonly words: string;
}

/** Any text is a target: 32 bytes in hex or z-base-32 are themselves, all else is hashed. `name` is how to call it. */
export function parseTarget(name: string, text: string): Target {
  const literal = parsePublicKey(text);
  const bytes = literal ?? blake2b256(new TextEncoder().encode(text));
  const hex = bytes.toHex();
  const origin = literal ? "" : `, the BLAKE2b-256 of "${printable(text)}"`;
  return { bytes, hex, words: `${name} ${hex}${origin}\n` };
}

/** 32 bytes, where no text may stand for its hash. Throws UsageError. */
export function parseBytes32(name: string, text: string): Uint8Array {
  const bytes = parsePublicKey(text);
  if (bytes) return bytes;
  const shown = printable(text) || "empty";
  const message = `${name} is ${shown}; expected 64 hex characters, or 52 of z-base-32`;
  throw new UsageError("BAD_ARGUMENT", message, `${name} as it was printed, whole`);
}
