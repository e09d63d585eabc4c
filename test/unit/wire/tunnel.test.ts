import { expect, test } from "bun:test";
import {
  type CookieReply,
  decodeCookieReply,
  decodeInitiation,
  decodeResponse,
  encodeCookieReply,
  encodeInitiation,
  encodeResponse,
  type Initiation,
  macsOf,
  type Response,
  SUITE_D_BIT,
} from "../../../src/wire/tunnel.ts";
import { SeededRandom } from "../../support/random.ts";

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const hex = (value: string, length: number) => value.repeat(length);

const initiation: Initiation = {
  suiteBit: 0,
  sender: 0x04030201,
  ephemeral: filled(32, 0xaa),
  sealedStatic: filled(48, 0xbb),
  sealedTimestamp: filled(28, 0xcc),
};
const response: Response = {
  suiteBit: SUITE_D_BIT,
  sender: 0x04030201,
  receiver: 0xfffefdfc,
  ephemeral: filled(32, 0xaa),
  sealedNothing: filled(16, 0xbb),
};
const cookieReply: CookieReply = {
  suiteBit: 0,
  receiver: 0xfffefdfc,
  nonce: filled(24, 0xaa),
  sealedCookie: filled(32, 0xbb),
};

const kinds = [
  {
    name: "an initiation",
    bytes: encodeInitiation(initiation),
    hex: `0100000001020304${hex("aa", 32)}${hex("bb", 48)}${hex("cc", 28)}${hex("00", 32)}`,
    message: initiation,
    decode: decodeInitiation,
  },
  {
    name: "a response",
    bytes: encodeResponse(response),
    hex: `8200000001020304fcfdfeff${hex("aa", 32)}${hex("bb", 16)}${hex("00", 32)}`,
    message: response,
    decode: decodeResponse,
  },
  {
    name: "a cookie reply",
    bytes: encodeCookieReply(cookieReply),
    hex: `03000000fcfdfeff${hex("aa", 24)}${hex("bb", 32)}`,
    message: cookieReply,
    decode: decodeCookieReply,
  },
];

for (const { name, bytes, hex, message, decode } of kinds) {
  test(`${name} has the bytes of the WireGuard paper and comes back from them`, () => {
    expect(bytes.toHex()).toBe(hex);
    expect(decode(bytes) as object).toEqual(message);
  });

  test(`nothing but a whole message is taken for ${name}`, () => {
    for (let end = 0; end < bytes.length; end++) expect(decode(bytes.subarray(0, end))).toBeNull();
    expect(decode(Buffer.concat([bytes, filled(1, 0)]))).toBeNull();
    for (const reserved of [1, 2, 3]) expect(decode(bytes.with(reserved, 1))).toBeNull();
    for (let kind = 0; kind < 256; kind++) {
      const isKind = (kind & 0x7f) === (bytes[0]! & 0x7f);
      expect(decode(bytes.with(0, kind)) !== null).toBe(isKind);
    }
  });
}

test("no bytes make a decoder throw", () => {
  const random = new SeededRandom(1);
  for (let round = 0; round < 3000; round++) {
    const bytes = random.bytes(random.pick([random.below(200), 148, 92, 64]));
    if (random.chance(0.5)) bytes.set([random.pick([1, 2, 3, 0x81, 0x82, 0x83]), 0, 0, 0].slice(0, bytes.length));
    for (const decode of [decodeInitiation, decodeResponse, decodeCookieReply]) decode(bytes);
  }
});

test("the macs are the last 32 bytes, and each covers what stands before it", () => {
  const { coveredByMac1, mac1, coveredByMac2, mac2 } = macsOf(encodeInitiation(initiation));
  expect([coveredByMac1.length, mac1.byteOffset, mac1.length]).toEqual([116, 116, 16]);
  expect([coveredByMac2.length, mac2.byteOffset, mac2.length]).toEqual([132, 132, 16]);
});
