/**
 * Public keys in text: z-base-32 (52 characters, what we print) or hex (64). Source: hypercore-id-encoding 1.3 index.js, z32 1
 * index.js; specification §16.
 */
export const PUBLIC_KEY_BYTES = 32;

const Z32_CHARACTERS = 52;
const HEX = /^[0-9a-f]{64}$/i;
const PEAR = "pear://";

/** The 32 bytes of a key in either form; null when it is neither. `pear://<key>/any/path` stands for its key. */
export function parsePublicKey(text: string): Uint8Array | null {
  const key = text.startsWith(PEAR) ? text.slice(PEAR.length).split("/", 1)[0]! : text;
  if (HEX.test(key)) return Uint8Array.fromHex(key);
  return key.length === Z32_CHARACTERS ? decodeZ32(key) : null;
}

export function formatPublicKey(key: Uint8Array): string {
  return encodeZ32(key);
}

const ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769";

/** Five bits a character, highest first; the last character is filled up with zeros. */
export function encodeZ32(bytes: Uint8Array): string {
  let text = "";
  let [bits, count] = [0, 0]; // not yet written; of `bits` the lowest `count` count
  for (const byte of bytes) {
    bits = ((bits << 8) | byte) & 0xfff;
    for (count += 8; count >= 5; count -= 5) text += ALPHABET[(bits >> (count - 5)) & 31];
  }
  return count === 0 ? text : text + ALPHABET[(bits << (5 - count)) & 31];
}

/**
 * null for anything that `encodeZ32` does not write, capitals included.
 * Differs: the reference ignores the filling of the last character, so that one key had sixteen texts.
 */
export function decodeZ32(text: string): Uint8Array | null {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let [bits, count, at] = [0, 0, 0];
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    bits = ((bits << 5) | value) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes[at++] = bits >> count;
  }
  const isWhole = count < 5 && (bits & ((1 << count) - 1)) === 0;
  return isWhole ? bytes : null;
}
