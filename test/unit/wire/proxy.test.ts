import { expect, test } from "bun:test";
import { decodeProxyMessage, encodeProxyMessage, type ProxyMessage } from "../../../src/wire/proxy.ts";
import { SeededRandom } from "../../support/random.ts";

const random = new SeededRandom(1);
const MESSAGES: readonly ProxyMessage[] = [
  { type: "challenge", random: random.bytes(32) },
  { type: "hello", publicKey: random.bytes(32), signature: random.bytes(64) },
  { type: "open", socket: 0 },
  { type: "close", socket: 65_535 },
  { type: "opened", socket: 3, port: 40_000 },
  { type: "datagram", socket: 7, address: { host: "192.0.2.1", port: 1776 }, hops: 5, bytes: random.bytes(40) },
  { type: "datagram", socket: 7, address: { host: "192.0.2.1", port: 1776 }, hops: 0, bytes: new Uint8Array(0) },
];

test("OM-40 the proxy's messages round-trip, and each has one encoding", () => {
  for (const message of MESSAGES) expect(decodeProxyMessage(encodeProxyMessage(message))).toEqual(message);
  expect(encodeProxyMessage(MESSAGES[5]!).subarray(0, 10).toHex()).toBe("050700c0000201f00605");
});

test("OM-40 what is cut short, longer, of another version or type is none; noise is never thrown at", () => {
  for (const message of MESSAGES) {
    const bytes = encodeProxyMessage(message);
    const least = message.type === "datagram" ? 10 : bytes.length;
    for (let length = 0; length < least; length++) expect(decodeProxyMessage(bytes.subarray(0, length))).toBeNull();
    if (message.type !== "datagram") expect(decodeProxyMessage(new Uint8Array([...bytes, 0]))).toBeNull();
  }
  const hello = encodeProxyMessage(MESSAGES[1]!);
  hello[1] = 2;
  expect(decodeProxyMessage(hello)).toBeNull();
  for (let i = 0; i < 2_000; i++) decodeProxyMessage(random.bytes(i % 120));
});
