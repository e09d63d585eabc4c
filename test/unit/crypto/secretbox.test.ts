import { expect, test } from "bun:test";
import { blake2b256Keyed } from "../../../src/crypto/blake2b.ts";
import { NS_INITIATOR, NS_RESPONDER, NS_SEND } from "../../../src/crypto/namespaces.ts";
import { BOX_NONCE_BYTES, openBox, sealBox } from "../../../src/crypto/secretbox.ts";
import { vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

const holepunch = vectors<{
  holepunchSecret: string;
  list: { nonce: string; plaintext: string; boxed: string }[];
  token: { localSecret: string; tokens: { host: string; token: string }[] };
}>("holepunchPayloads");
const holepunchSecret = bytes(holepunch.holepunchSecret);

test("boxes are the reference's: hole punch payloads, each behind its nonce", () => {
  for (const { nonce, plaintext, boxed } of holepunch.list) {
    const sealed = bytes(boxed).subarray(BOX_NONCE_BYTES);
    expect(boxed.startsWith(nonce)).toBe(true);
    expect(sealBox(holepunchSecret, bytes(nonce), bytes(plaintext))).toEqual(sealed);
    expect(openBox(holepunchSecret, bytes(nonce), sealed)).toEqual(bytes(plaintext));
  }
});

test("hole punch tokens are keyed hashes of the address in text", () => {
  const { localSecret, tokens } = holepunch.token;
  for (const { host, token } of tokens) {
    expect(blake2b256Keyed(bytes(localSecret), new TextEncoder().encode(host)).toHex()).toBe(token);
  }
});

interface MessagesVector {
  handshakeHash: string;
  isInitiator: boolean;
  encryptKey: string;
  decryptKey: string;
  initialCounter: string;
  messages: { plaintext: string; envelope: string }[];
}

test("boxes are the reference's: unordered messages of a secret stream, whose nonce is a counter", () => {
  for (const vector of vectors<MessagesVector[]>("secretStreamMessages")) {
    const hash = bytes(vector.handshakeHash);
    const fromInitiator = blake2b256Keyed(hash, NS_INITIATOR, NS_SEND);
    const fromResponder = blake2b256Keyed(hash, NS_RESPONDER, NS_SEND);
    const ours = vector.isInitiator ? fromInitiator : fromResponder;
    expect(ours.toHex()).toBe(vector.encryptKey);
    expect((vector.isInitiator ? fromResponder : fromInitiator).toHex()).toBe(vector.decryptKey);

    let counter: Uint8Array = bytes(vector.initialCounter);
    for (const { plaintext, envelope } of vector.messages) {
      counter = incremented(counter);
      const nonce = new Uint8Array(BOX_NONCE_BYTES);
      nonce.set(counter);
      const sealed = sealBox(ours, nonce, bytes(plaintext));
      expect(counter.toHex() + sealed.toHex()).toBe(envelope);
      expect(openBox(ours, nonce, sealed)).toEqual(bytes(plaintext));
    }
  }
});

test("nothing but what was sealed opens", () => {
  const { nonce, boxed } = holepunch.list[0]!;
  const sealed = bytes(boxed).subarray(BOX_NONCE_BYTES);
  for (let at = 0; at < sealed.length; at++) {
    expect(openBox(holepunchSecret, bytes(nonce), sealed.with(at, sealed[at]! ^ 0x10))).toBeNull();
  }
  for (let end = 0; end < sealed.length; end++) {
    expect(openBox(holepunchSecret, bytes(nonce), sealed.subarray(0, end))).toBeNull();
  }
  expect(openBox(holepunchSecret.with(3, 0), bytes(nonce), sealed)).toBeNull();
  expect(openBox(holepunchSecret, bytes(nonce).with(3, 0), sealed)).toBeNull();
});

function incremented(counter: Uint8Array): Uint8Array {
  const next = new Uint8Array(counter);
  const view = new DataView(next.buffer);
  view.setBigUint64(0, view.getBigUint64(0, true) + 1n, true);
  return next;
}
