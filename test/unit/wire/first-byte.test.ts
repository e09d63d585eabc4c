import { expect, test } from "bun:test";
import { protocolOf } from "../../../src/wire/first-byte.ts";
import { encodeRequest, INTERNAL, RESPONSE } from "../../../src/wire/rpc.ts";
import { encodeCookieReply, encodeInitiation, encodeResponse } from "../../../src/wire/tunnel.ts";

const ping = (tid: number) => {
  const nothing = { id: null, token: null, target: null, value: null, isBrief: false };
  return encodeRequest({
    tid,
    to: { host: "192.0.2.1", port: 1776 },
    isInternal: true,
    command: INTERNAL.ping,
    ...nothing,
  });
};

test("every message of every protocol is told by how it begins, in either suite", () => {
  for (const suiteBit of [0, 0x80]) {
    const key = new Uint8Array(32);
    const ends = { suiteBit, sender: 1, ephemeral: key };
    const initiation = { ...ends, sealedStatic: new Uint8Array(48), sealedTimestamp: new Uint8Array(28) };
    expect(protocolOf(encodeInitiation(initiation))).toBe("tunnel");
    expect(protocolOf(encodeResponse({ ...ends, receiver: 2, sealedNothing: new Uint8Array(16) }))).toBe("tunnel");
    const cookie = { suiteBit, receiver: 2, nonce: new Uint8Array(24), sealedCookie: key };
    expect(protocolOf(encodeCookieReply(cookie))).toBe("tunnel");
  }
  expect(protocolOf(Uint8Array.of(4, 0, 0, 0))).toBe("tunnel");
  expect(protocolOf(Uint8Array.of(0x84))).toBe("tunnel");
  expect(protocolOf(ping(0))).toBe("dht");
  expect(protocolOf(ping(7))).toBe("dht");
  expect(protocolOf(Uint8Array.of(RESPONSE))).toBe("dht");
  expect(protocolOf(Uint8Array.of(0xff, 1))).toBe("udx");
  expect(protocolOf(Uint8Array.of(0))).toBe("probe");
});

test("what nobody speaks belongs to nobody", () => {
  const spoken = [0, 1, 2, 3, 4, 0x13, ...Array.from({ length: 16 }, (_, i) => 0x80 + i), 0xff];
  const known = Array.from({ length: 256 }, (_, i) => i).filter((first) => protocolOf(Uint8Array.of(first)) !== null);
  expect(known).toEqual(spoken);
  expect(protocolOf(new Uint8Array(0))).toBeNull();
});
