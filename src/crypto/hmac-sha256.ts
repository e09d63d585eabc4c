/** HMAC (RFC 2104) and HKDF (RFC 5869) over SHA-256, by the runtime's own library. */
import { createHmac, hkdfSync } from "node:crypto";

/** 32 bytes, of the parts one after another. */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return new Uint8Array(hmac.digest());
}

/** `length` bytes, 8,160 at most. `info` says what for. */
export function hkdfSha256(input: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", input, salt, info, length));
}
