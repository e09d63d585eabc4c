import { expect, test } from "bun:test";
import { aes256Gcm, chacha20Poly1305 } from "../../../src/crypto/aead.ts";
import { X25519Key } from "../../../src/crypto/x25519.ts";
import {
  initiate,
  openTimestamp,
  PublicIdentity,
  type ReceivedInitiation,
  type RemoteKeys,
  readInitiation,
  readResponse,
  respond,
} from "../../../src/tunnel/handshake.ts";
import { SUITE_D, SUITE_W, type Suite } from "../../../src/tunnel/suite.ts";
import { decodeInitiation, decodeResponse } from "../../../src/wire/tunnel.ts";
import { SeededRandom } from "../../support/random.ts";

const TIMESTAMP = Uint8Array.from({ length: 12 }, (_, i) => i);

function ends(presharedKeys: [Uint8Array | null, Uint8Array | null] = [null, null]) {
  const random = new SeededRandom(1);
  const [i, r] = [new X25519Key(random.bytes(32)), new X25519Key(random.bytes(32))];
  const staticSecret = i.agree(r.publicKey)!;
  const toR: RemoteKeys = { identity: new PublicIdentity(r.publicKey), staticSecret, presharedKey: presharedKeys[0] };
  const toI: RemoteKeys = { identity: new PublicIdentity(i.publicKey), staticSecret, presharedKey: presharedKeys[1] };
  const start = (suite: Suite) =>
    initiate({ suite, local: i, remote: toR, localIndex: 11, timestamp: TIMESTAMP, ephemeralSecret: random.bytes(32) });
  const answer = (received: ReceivedInitiation) =>
    respond(received, { remote: toI, localIndex: 22, ephemeralSecret: random.bytes(32), now: 500 });
  const read = (suite: Suite, datagram: Uint8Array) => readInitiation(suite, r, decodeInitiation(datagram)!);
  return { i, r, toR, toI, start, answer, read };
}

for (const suite of [SUITE_W, SUITE_D]) {
  test(`suite ${suite.name}: two messages give both ends the keys of one session`, () => {
    const psk = new Uint8Array(32).fill(9);
    const { i, toI, toR, start, answer, read } = ends([psk, psk.slice()]);
    const { pending, datagram } = start(suite);
    const received = read(suite, datagram)!;
    expect(received.publicKey).toEqual(i.publicKey);
    expect(openTimestamp(received, toI)).toEqual(TIMESTAMP);
    const { keys: theirs, datagram: response } = answer(received);
    const ours = readResponse(pending, decodeResponse(response)!, { local: i, remote: toR, now: 600 })!;
    expect(ours).toMatchObject({ suite, localIndex: 11, remoteIndex: 22, isInitiator: true, bornAt: 600 });
    expect(theirs).toMatchObject({ suite, localIndex: 22, remoteIndex: 11, isInitiator: false, bornAt: 500 });
    expect(ours.sendKey).toEqual(theirs.receiveKey);
    expect(ours.receiveKey).toEqual(theirs.sendKey);
    expect(ours.sendKey).not.toEqual(ours.receiveKey);
  });

  test(`suite ${suite.name}: no byte that the handshake protects can be changed`, () => {
    const { i, toI, toR, start, answer, read } = ends();
    const { pending, datagram } = start(suite);
    for (let at = 8; at < 116; at++) {
      const received = read(suite, datagram.with(at, datagram[at]! ^ 0x80));
      expect(received && openTimestamp(received, toI)).toBeNull();
    }
    const received = read(suite, datagram)!;
    openTimestamp(received, toI);
    const { datagram: response } = answer(received);
    const decoded = (at: number) => decodeResponse(response.with(at, response[at]! ^ 0x80))!;
    for (let at = 12; at < 60; at++) {
      expect(readResponse(pending, decoded(at), { local: i, remote: toR, now: 0 })).toBeNull();
    }
    expect(readResponse(pending, decodeResponse(response)!, { local: i, remote: toR, now: 0 })).not.toBeNull();
  });

  test(`suite ${suite.name}: ends with different pre-shared keys get no session`, () => {
    const { i, toI, toR, start, answer, read } = ends([new Uint8Array(32).fill(9), null]);
    const { pending, datagram } = start(suite);
    const received = read(suite, datagram)!;
    expect(openTimestamp(received, toI)).not.toBeNull();
    const response = decodeResponse(answer(received).datagram)!;
    expect(readResponse(pending, response, { local: i, remote: toR, now: 0 })).toBeNull();
  });

  test(`suite ${suite.name}: an ephemeral key of low order gets nowhere`, () => {
    const { i, toI, toR, start, answer, read } = ends();
    const { pending, datagram } = start(suite);
    const forged = datagram.slice();
    forged.fill(0, 8, 40);
    expect(read(suite, forged)).toBeNull();
    const received = read(suite, datagram)!;
    openTimestamp(received, toI);
    const { datagram: response } = answer(received);
    response.fill(0, 12, 44);
    expect(readResponse(pending, decodeResponse(response)!, { local: i, remote: toR, now: 0 })).toBeNull();
  });
}

test("an initiation of one suite is nothing in the other", () => {
  const { start, read } = ends();
  expect(read(SUITE_D, start(SUITE_W).datagram)).toBeNull();
  expect(read(SUITE_W, start(SUITE_D).datagram)).toBeNull();
});

test("the suites have the ciphers that their names say", () => {
  expect([SUITE_W.aead, SUITE_D.aead]).toEqual([chacha20Poly1305, aes256Gcm]);
});

test("the ephemeral secret that was handed in is zeroed", () => {
  const { i, toR } = ends();
  const ephemeralSecret = new Uint8Array(32).fill(5);
  initiate({ suite: SUITE_W, local: i, remote: toR, localIndex: 1, timestamp: TIMESTAMP, ephemeralSecret });
  expect(ephemeralSecret).toEqual(new Uint8Array(32));
});
