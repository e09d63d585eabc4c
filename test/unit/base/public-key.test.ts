import { expect, test } from "bun:test";
import { decodeZ32, encodeZ32, formatPublicKey, parsePublicKey } from "../../../src/base/public-key.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const { keyIds, decodeAccepts, decodeRejects, z32 } = vectors<{
  keyIds: { key: string; z32: string; hex: string }[];
  decodeAccepts: { input: string; key: string }[];
  decodeRejects: string[];
  z32: { hex: string; z32: string }[];
}>("address");
const key = keyIds[0]!;

test("keys in text are the reference's, in z-base-32 and in hex", () => {
  for (const id of keyIds) {
    expect(formatPublicKey(bytes(id.key))).toBe(id.z32);
    expect(parsePublicKey(id.z32)).toEqual(bytes(id.key));
    expect(parsePublicKey(id.hex)).toEqual(bytes(id.key));
  }
});

test("what the reference accepts is accepted, and what it refuses refused", () => {
  for (const { input, key } of decodeAccepts) expect(parsePublicKey(input)?.toHex()).toBe(key);
  for (const input of decodeRejects) expect(parsePublicKey(input)).toBeNull();
});

test("pear:// goes, and with it all from the next slash on", () => {
  for (const text of [`pear://${key.z32}`, `pear://${key.hex}/`, `pear://${key.z32}/a/b`]) {
    expect(parsePublicKey(text)?.toHex()).toBe(key.key);
  }
  for (const text of ["pear://", "pear:///", `pear:/${key.z32}`, `PEAR://${key.z32}`, `pear://pear://${key.z32}`]) {
    expect(parsePublicKey(text)).toBeNull();
  }
});

test("nothing but a key alone is one", () => {
  const others = [`${key.z32}/path`, ` ${key.z32}`, `${key.hex}\n`, `0x${key.hex}`, key.hex.replace(/..$/, "zz")];
  for (const text of others) expect(parsePublicKey(text)).toBeNull();
});

test("z-base-32 is the reference's", () => {
  for (const { hex, z32: text } of z32) {
    expect(encodeZ32(bytes(hex))).toBe(text);
    expect(decodeZ32(text)).toEqual(bytes(hex));
  }
});

test("any bytes come back from their text", () => {
  const random = new SeededRandom(1);
  for (let length = 0; length < 100; length++) {
    const original = random.bytes(length);
    expect(decodeZ32(encodeZ32(original))).toEqual(original);
  }
});

test("each byte string has one text: other lengths, letters and fillings are refused", () => {
  for (const text of ["y", "yyy", "yyyyyy", "l", "1Y", "1y ", "1é", "1😀"]) expect(decodeZ32(text)).toBeNull();
  const last = key.z32.at(-1)!;
  const accepted = [..."ybndrfg8ejkmcpqxot1uwisza345h769"].filter((letter) => decodeZ32(key.z32.slice(0, -1) + letter));
  expect(accepted).toContain(last);
  expect(accepted).toHaveLength(2); // the last letter has one bit of the key
});
