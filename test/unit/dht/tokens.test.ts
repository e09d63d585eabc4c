import { expect, test } from "bun:test";
import { Tokens } from "../../../src/dht/tokens.ts";
import { vectors } from "../../support/vectors.ts";

const vector = vectors<{
  secret0: string;
  secret1: string;
  tokens: { host: string; tokenFromSecret0: string; tokenFromSecret1: string }[];
  afterRotation: { secret0: string; secret1: string };
}>("token");
const bytes = (hex: string) => Uint8Array.fromHex(hex);
const [first, second] = vector.tokens.map(({ host }) => host) as [string, string];

function tokens(now = 0): Tokens {
  return new Tokens(now, bytes(vector.secret0), bytes(vector.secret1));
}

test("OM-37 tokens are the reference's: issued under the newer secret, accepted under both", () => {
  for (const { host, tokenFromSecret0, tokenFromSecret1 } of vector.tokens) {
    expect(tokens().issue(0, host).toHex()).toBe(tokenFromSecret1);
    expect(tokens().accepts(0, host, bytes(tokenFromSecret0))).toBe(true);
    expect(tokens().accepts(0, host, bytes(tokenFromSecret1))).toBe(true);
  }
});

test("OM-37 a token is good for its own host alone, and only whole and unchanged", () => {
  const issuer = tokens();
  const token = issuer.issue(0, first);
  expect(issuer.accepts(0, second, token)).toBe(false);
  for (let at = 0; at < 32; at++) expect(issuer.accepts(0, first, token.with(at, token[at]! ^ 1))).toBe(false);
  for (const length of [0, 31, 33]) expect(issuer.accepts(0, first, new Uint8Array(length))).toBe(false);
  expect(issuer.accepts(0, first, new Uint8Array(32))).toBe(false);
});

test("the secrets after 7.5 s are the reference's", () => {
  const rotated = tokens();
  const { secret0, secret1 } = vector.afterRotation;
  const fresh = new Tokens(0, bytes(secret0), bytes(secret1));
  expect(rotated.issue(7_499, first).toHex()).toBe(tokens().issue(0, first).toHex());
  expect(rotated.issue(7_500, first).toHex()).toBe(fresh.issue(0, first).toHex());
  expect(rotated.accepts(7_500, second, new Tokens(0, bytes(secret1), bytes(secret0)).issue(0, second))).toBe(true);
});

test("OM-37 a token lives for 7.5 to 15 s, by when it was issued", () => {
  for (const [issuedAt, lastAt] of [
    [0, 14_999],
    [7_499, 14_999],
    [7_500, 22_499],
  ] as const) {
    const issuer = tokens();
    const token = issuer.issue(issuedAt, first);
    expect(issuer.accepts(lastAt, first, token)).toBe(true);
    expect(issuer.accepts(lastAt + 1, first, token)).toBe(false);
  }
});

test("OM-37 a token lives no longer for being looked at seldom", () => {
  // The secrets change when they are next used; how late that is must not carry over to the changes after it.
  const issuer = tokens();
  const token = issuer.issue(0, first);
  expect(issuer.accepts(14_900, first, token)).toBe(true);
  expect(issuer.accepts(15_000, first, token)).toBe(false);
});

test("OM-37 after a long silence no token of before is good", () => {
  for (const silence of [15_000, 22_500, 3_600_000]) {
    const issuer = tokens();
    const token = issuer.issue(0, first);
    expect(issuer.accepts(silence, first, token)).toBe(false);
    const next = issuer.issue(silence, first);
    expect(issuer.accepts(silence + 7_499, first, next)).toBe(true);
  }
});

test("tokens that are remembered are the ones that would be made anew, however many hosts ask", () => {
  const issuer = tokens();
  const host = (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
  const once = issuer.issue(0, host(0)).toHex();
  for (let i = 0; i < 5_000; i++) issuer.issue(0, host(i));
  expect(issuer.issue(0, host(0)).toHex()).toBe(once);
});
