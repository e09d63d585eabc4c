import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { CookieIssuer, hasValidMac1, MessageSigner } from "../../../src/tunnel/cookies.ts";
import { PublicIdentity } from "../../../src/tunnel/handshake.ts";
import { COOKIE_REPLY_BYTES, decodeCookieReply, INITIATION_BYTES, macsOf } from "../../../src/wire/tunnel.ts";
import { SeededRandom } from "../../support/random.ts";

const FROM: Address = { host: "192.0.2.1", port: 1000 };
const TO = { suiteBit: 0, sender: 7 };

function ends() {
  const identity = new PublicIdentity(new Uint8Array(32).fill(3));
  const signer = new MessageSigner(identity);
  const issuer = new CookieIssuer(identity, new SeededRandom(1));
  const sign = (now: number) => {
    const datagram = new Uint8Array(INITIATION_BYTES).fill(now & 0xff, 0, 116);
    signer.sign(now, datagram);
    return datagram;
  };
  return { identity, signer, issuer, sign };
}

test("mac1 covers all that stands before it, under the receiver's public key", () => {
  const { identity, sign } = ends();
  const datagram = sign(0);
  expect(hasValidMac1(datagram, identity)).toBe(true);
  expect(hasValidMac1(datagram, new PublicIdentity(new Uint8Array(32).fill(4)))).toBe(false);
  for (let at = 0; at < 132; at++) expect(hasValidMac1(datagram.with(at, datagram[at]! ^ 1), identity)).toBe(false);
});

test("who received the cookie at its address can sign with it, and from there alone", () => {
  const { signer, issuer, sign } = ends();
  const first = sign(0);
  expect(macsOf(first).mac2).toEqual(new Uint8Array(16));
  expect(issuer.hasValidMac2(0, FROM, first)).toBe(false);
  const reply = issuer.reply(0, FROM, TO, first);
  expect(reply.length).toBe(COOKIE_REPLY_BYTES);
  expect(signer.takeCookie(10, decodeCookieReply(reply)!)).toBe(true);
  const second = sign(20);
  expect(issuer.hasValidMac2(20, FROM, second)).toBe(true);
  expect(issuer.hasValidMac2(20, { ...FROM, port: 1001 }, second)).toBe(false);
  expect(issuer.hasValidMac2(20, { ...FROM, host: "192.0.2.2" }, second)).toBe(false);
  for (let at = 0; at < 148; at++) expect(issuer.hasValidMac2(20, FROM, second.with(at, second[at]! ^ 1))).toBe(false);
});

test("a cookie reply is good once, for the last message signed, and only whole", () => {
  const { signer, issuer, sign } = ends();
  const [older, newer] = [sign(0), sign(1)];
  expect(signer.takeCookie(1, decodeCookieReply(issuer.reply(0, FROM, TO, older))!)).toBe(false);
  const reply = issuer.reply(0, FROM, TO, newer);
  for (let at = 8; at < 64; at++) {
    expect(signer.takeCookie(1, decodeCookieReply(reply.with(at, reply[at]! ^ 1))!)).toBe(false);
  }
  expect(signer.takeCookie(1, decodeCookieReply(reply)!)).toBe(true);
  expect(signer.takeCookie(1, decodeCookieReply(reply)!)).toBe(false);
});

test("a cookie is used for 120 s, and its secret lives for 120 s", () => {
  const { signer, issuer, sign } = ends();
  signer.takeCookie(50_000, decodeCookieReply(issuer.reply(0, FROM, TO, sign(0)))!);
  expect(issuer.hasValidMac2(119_999, FROM, sign(119_999))).toBe(true);
  const late = sign(169_999);
  expect(macsOf(late).mac2).not.toEqual(new Uint8Array(16));
  expect(issuer.hasValidMac2(120_000, FROM, late)).toBe(false);
  expect(macsOf(sign(170_000)).mac2).toEqual(new Uint8Array(16));
});
