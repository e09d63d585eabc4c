import { expect, test } from "bun:test";
import { compareBytes } from "../../../../src/base/bytes.ts";
import { parsePrefix } from "../../../../src/base/ip.ts";
import * as contents from "../../../../src/overlay/dnetdb/contents.ts";
import { SeededRandom } from "../../../support/random.ts";

const random = new SeededRandom(1);
const sorted = (count: number, length: number) =>
  Array.from({ length: count }, () => random.bytes(length)).sort(compareBytes);
const part = () => random.bytes(random.below(40));

interface Codec<Content> {
  readonly encode: (content: Content) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Content | null;
  readonly any: () => Content;
}
const codec = <Content>(given: Codec<Content>) => given as Codec<unknown>;

const CODECS: { readonly [name: string]: Codec<unknown> } = {
  body: codec({
    encode: contents.encodeBody,
    decode: contents.decodeBody,
    any: () => ({ epoch: random.pick([null, 0, 7, 2 ** 32 - 1]), open: part(), admission: part(), members: part() }),
  }),
  create: codec({
    encode: contents.encodeCreate,
    decode: contents.decodeCreate,
    any: () => ({
      name: random.pick(["home", "網", "x".repeat(63)]),
      range4: random.pick([null, parsePrefix("10.7.0.0/16"), parsePrefix("192.168.4.4/30")]),
      slotKey: random.chance(0.5) ? random.bytes(32) : null,
    }),
  }),
  place: codec({
    encode: contents.encodePlace,
    decode: contents.decodePlace,
    any: () => ({ ip: random.bytes(random.pick([4, 16])), name: random.pick([null, "alice"]) }),
  }),
  invite: codec({
    encode: contents.encodeInvite,
    decode: contents.decodeInvite,
    any: () => ({
      ip: random.bytes(random.pick([4, 16])),
      name: random.pick([null, "alice"]),
      seedKey: random.bytes(32),
    }),
  }),
  ovx: codec({
    encode: contents.encodeOvx,
    decode: contents.decodeOvx,
    any: () => ({
      kind: random.pick(["ovc", "ovr"] as const),
      isListed: random.chance(0.5),
      addresses: ["a.example:1776", "192.0.2.1:80", "[::1]:1"].slice(random.below(4)),
    }),
  }),
  "key for one": codec({
    encode: contents.encodeKeyForOne,
    decode: contents.decodeKeyForOne,
    any: () => ({ ephemeral: random.bytes(32), wrapped: random.bytes(48) }),
  }),
  "key for one who joins": codec({
    encode: contents.encodeKeyForOne,
    decode: (bytes) => contents.decodeKeyForOne(bytes, true),
    any: () => ({ ephemeral: random.bytes(32), wrapped: random.bytes(80) }),
  }),
  wraps: codec({
    encode: contents.encodeWraps,
    decode: contents.decodeWraps,
    any: () => ({
      ephemeral: random.bytes(32),
      members: sorted(random.below(5), 16).map((tag) => ({ tag, wrapped: random.bytes(48) })),
      ovxs: sorted(random.below(5), 32).map((ovx) => ({ ovx, wrapped: random.bytes(48) })),
    }),
  }),
};

for (const [name, { encode, decode, any }] of Object.entries(CODECS)) {
  test(`${name}: comes back from its bytes; a part of them, or more, is none; one meaning has one encoding, and nothing is thrown at`, () => {
    for (let round = 0; round < 60; round++) {
      const content = any();
      const bytes = encode(content);
      expect(decode(bytes)).toEqual(content);
      for (let end = 0; end < bytes.length; end++) expect(decode(bytes.subarray(0, end))).toBeNull();
      expect(decode(Uint8Array.of(...bytes, 0))).toBeNull();
      for (let at = 0; at < bytes.length; at++) {
        const changed = bytes.with(at, bytes[at]! ^ (1 << random.below(8)));
        const decoded = decode(changed);
        if (decoded !== null) expect(encode(decoded)).toEqual(changed);
      }
    }
    for (let round = 0; round < 2_000; round++) {
      const bytes = random.bytes(random.below(200));
      if (random.chance(0.5)) bytes.set(random.bytes(Math.min(9, bytes.length)).map((byte) => byte & 3));
      const decoded = decode(bytes);
      if (decoded !== null) expect(encode(decoded)).toEqual(bytes);
    }
  });
}

test("a body has its bytes, and is no longer than a body may be", () => {
  const body = { epoch: 5, open: Uint8Array.of(1), admission: Uint8Array.of(), members: Uint8Array.of(2, 3) };
  expect(contents.encodeBody(body).toHex()).toBe("0105000000010000000100000000020000000203");
  const long = { ...body, open: new Uint8Array(contents.MAX_BODY_BYTES) };
  expect(contents.decodeBody(contents.encodeBody(long))).toBeNull();
});

test("names, ranges, counts and addresses that cannot be are refused", () => {
  const create = { name: "home", range4: null, slotKey: null };
  for (const text of ["10.0.0.0/7", "8.8.8.0/24", "10.7.0.1/16"]) {
    expect(contents.decodeCreate(contents.encodeCreate({ ...create, range4: parsePrefix(text) }))).toBeNull();
  }
  for (const name of ["", "-x", "x".repeat(64), "é".repeat(32)]) {
    expect(contents.decodeCreate(contents.encodeCreate({ ...create, name }))).toBeNull();
  }
  const tag = random.bytes(16);
  const twice = [tag, tag].map((each) => ({ tag: each, wrapped: random.bytes(48) }));
  expect(
    contents.decodeWraps(contents.encodeWraps({ ephemeral: random.bytes(32), members: twice, ovxs: [] })),
  ).toBeNull();
  const ovx = { kind: "ovc", isListed: true } as const;
  for (const addresses of [
    ["a.example:1", "a.example:1"],
    ["a.example"],
    Array.from({ length: 17 }, (_, i) => `a:${i + 1}`),
  ]) {
    expect(contents.decodeOvx(contents.encodeOvx({ ...ovx, addresses }))).toBeNull();
  }
});

test("HOST:PORT is a DNS name, an IPv4 address or one of IPv6 in brackets, with a port", () => {
  for (const good of [
    "a:1",
    "cloud.example.org:1776",
    "192.0.2.1:65535",
    "[2001:db8::1]:80",
    "my-host_1.dyn.example:8443",
  ]) {
    expect(contents.isHostPort(good)).toBe(true);
  }
  const bad = [
    ...[
      "",
      "a",
      "a:",
      ":1",
      "a:0",
      "a:01",
      "a:65536",
      "a:1x",
      "a b:1",
      "-a.example:1",
      "a-.example:1",
      "a..example:1",
      "a.:1",
    ],
    ...[
      "192.0.2.256:1",
      "192.0.2:1",
      "1:1",
      "[192.0.2.1]:1",
      "[::1:1",
      "::1:1",
      "[g::]:1",
      "é.example:1",
      "http://a:1",
      "a:1\n",
    ],
    ...[`${"a".repeat(64)}.example:1`, `${"a.".repeat(126)}example:1`],
  ];
  for (const text of bad) expect([text, contents.isHostPort(text)]).toEqual([text, false]);
});
