import { expect, test } from "bun:test";
import { blake2b256Keyed } from "../../../src/crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { NS_INITIATOR, NS_PEER_HANDSHAKE, NS_PEER_HOLEPUNCH, NS_RESPONDER } from "../../../src/crypto/namespaces.ts";
import { NoiseHandshake } from "../../../src/crypto/noise.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

interface Seeds {
  initiatorStaticSeed: string;
  responderStaticSeed: string;
  initiatorEphemeralSeed: string;
  responderEphemeralSeed: string;
}

interface IkVector extends Seeds {
  name: string;
  prologue: string;
  payload1Hex: string;
  message1: string;
  payload2Hex: string;
  message2: string;
  result: {
    handshakeHash: string;
    initiatorTx: string;
    initiatorRx: string;
    holepunchSecret: string;
    initiatorStreamId: string;
    responderStreamId: string;
    responderSeesRemotePublicKey: string;
  };
}

interface XxVector extends Seeds {
  message1: string;
  message2: string;
  message3: string;
  handshakeHash: string;
  initiatorTx: string;
  initiatorRx: string;
}

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const EMPTY = new Uint8Array(0);
const SMALL_ORDER = bytes("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");

const ik = vectors<IkVector[]>("noiseIK");
const xx = vectors<XxVector>("noiseXX");

function keyPairs(seeds: Seeds) {
  return {
    initiator: {
      staticKeyPair: keyPairFromSeed(bytes(seeds.initiatorStaticSeed)),
      ephemeralKeyPair: keyPairFromSeed(bytes(seeds.initiatorEphemeralSeed)),
    },
    responder: {
      staticKeyPair: keyPairFromSeed(bytes(seeds.responderStaticSeed)),
      ephemeralKeyPair: keyPairFromSeed(bytes(seeds.responderEphemeralSeed)),
    },
  };
}

function ends(
  pattern: "IK" | "XX",
  seeds: Seeds,
  prologue: Uint8Array,
  remotePublicKey: Uint8Array | null = pattern === "IK" ? keyPairs(seeds).responder.staticKeyPair.publicKey : null,
): [initiator: NoiseHandshake, responder: NoiseHandshake] {
  const { initiator, responder } = keyPairs(seeds);
  return [
    new NoiseHandshake({ pattern, isInitiator: true, prologue, ...initiator, remotePublicKey }),
    new NoiseHandshake({ pattern, isInitiator: false, prologue, ...responder, remotePublicKey: null }),
  ];
}

const ikEnds = () => ends("IK", ik[0]!, NS_PEER_HANDSHAKE);

for (const vector of ik) {
  test(`IK is the reference's: ${vector.name}`, () => {
    const [initiator, responder] = ends("IK", vector, bytes(vector.prologue));
    expect(initiator.send(bytes(vector.payload1Hex))?.toHex()).toBe(vector.message1);
    expect(responder.receive(bytes(vector.message1))?.toHex()).toBe(vector.payload1Hex);
    expect(responder.remotePublicKey?.toHex()).toBe(vector.result.responderSeesRemotePublicKey);
    expect([initiator.session, responder.session]).toEqual([null, null]);
    expect(responder.send(bytes(vector.payload2Hex))?.toHex()).toBe(vector.message2);
    expect(initiator.receive(bytes(vector.message2))?.toHex()).toBe(vector.payload2Hex);

    const { result } = vector;
    const [tx, rx, handshakeHash] = [result.initiatorTx, result.initiatorRx, result.handshakeHash].map(bytes);
    const keys = keyPairs(vector);
    expect<unknown>(initiator.session).toEqual({
      sendKey: tx,
      receiveKey: rx,
      handshakeHash,
      remotePublicKey: keys.responder.staticKeyPair.publicKey,
    });
    expect<unknown>(responder.session).toEqual({
      sendKey: rx,
      receiveKey: tx,
      handshakeHash,
      remotePublicKey: keys.initiator.staticKeyPair.publicKey,
    });
    const derived = (namespace: Uint8Array) => blake2b256Keyed(handshakeHash!, namespace).toHex();
    expect(derived(NS_PEER_HOLEPUNCH)).toBe(result.holepunchSecret);
    expect(derived(NS_INITIATOR)).toBe(result.initiatorStreamId);
    expect(derived(NS_RESPONDER)).toBe(result.responderStreamId);
  });
}

test("XX is the reference's", () => {
  const [initiator, responder] = ends("XX", xx, EMPTY);
  expect(initiator.send(EMPTY)?.toHex()).toBe(xx.message1);
  expect(responder.receive(bytes(xx.message1))).toEqual(EMPTY);
  expect(responder.send(EMPTY)?.toHex()).toBe(xx.message2);
  expect(initiator.receive(bytes(xx.message2))).toEqual(EMPTY);
  expect(initiator.session).toBeNull();
  expect(initiator.send(EMPTY)?.toHex()).toBe(xx.message3);
  expect(responder.receive(bytes(xx.message3))).toEqual(EMPTY);

  const [tx, rx, handshakeHash] = [xx.initiatorTx, xx.initiatorRx, xx.handshakeHash].map(bytes);
  expect<unknown>(initiator.session).toMatchObject({ sendKey: tx, receiveKey: rx, handshakeHash });
  expect<unknown>(responder.session).toMatchObject({ sendKey: rx, receiveKey: tx, handshakeHash });
  const keys = keyPairs(xx);
  expect(initiator.session?.remotePublicKey).toEqual(keys.responder.staticKeyPair.publicKey);
  expect(responder.session?.remotePublicKey).toEqual(keys.initiator.staticKeyPair.publicKey);
});

test("XX carries payloads in each of its messages, the first in clear", () => {
  const [initiator, responder] = ends("XX", xx, EMPTY);
  const turns: [from: NoiseHandshake, to: NoiseHandshake][] = [
    [initiator, responder],
    [responder, initiator],
    [initiator, responder],
  ];
  const lengths = turns.map(([from, to], i) => {
    const payload = Uint8Array.of(i, i);
    const message = from.send(payload)!;
    expect(to.receive(message)).toEqual(payload);
    return message.length - payload.length;
  });
  expect(lengths).toEqual([32, 96, 64]);
});

// One agreement takes half a millisecond, so of the longer messages only some bytes are tried.
test("a message that is cut or changed anywhere is refused, and with it all that follows", () => {
  const { message1, payload1Hex } = ik[0]!;
  const whole = bytes(message1);
  const damaged = [
    ...[0, 31, 32, 79, 80, 95, 96, whole.length - 1].map((end) => whole.subarray(0, end)),
    ...[0, 31, 32, 64, 79, 80, 100, whole.length - 1].map((at) => whole.with(at, whole[at]! ^ 0x10)),
    new Uint8Array(Buffer.concat([whole, Uint8Array.of(0)])),
  ];
  for (const message of damaged) {
    const [, responder] = ikEnds();
    expect(responder.receive(message)).toBeNull();
    expect(responder.receive(whole)).toBeNull();
    expect(responder.send(EMPTY)).toBeNull();
    expect(responder.session).toBeNull();
  }
  const [, responder] = ikEnds();
  expect(responder.receive(whole)?.toHex()).toBe(payload1Hex);
});

test("an answer that is cut or changed is refused by the initiator", () => {
  const whole = bytes(ik[0]!.message2);
  const damaged = [0, 31, 32, 47, 60, whole.length - 1].flatMap((at) => [
    whole.subarray(0, at),
    whole.with(at, whole[at]! ^ 0x10),
  ]);
  for (const message of damaged) {
    const [initiator] = ikEnds();
    initiator.send(EMPTY);
    expect(initiator.receive(message)).toBeNull();
    expect([initiator.receive(whole), initiator.send(EMPTY), initiator.session]).toEqual([null, null, null]);
  }
});

test("a message for another prologue or another responder is refused", () => {
  const [initiator] = ikEnds();
  const message = initiator.send(EMPTY)!;
  const [, otherPrologue] = ends("IK", ik[0]!, EMPTY);
  const [, otherResponder] = ends("IK", ik[1]!, NS_PEER_HANDSHAKE);
  expect(otherPrologue.receive(message)).toBeNull();
  expect(otherResponder.receive(message)).toBeNull();
});

test("a key that nobody can agree on is refused, whoever brings it", () => {
  const [initiator] = ends("IK", ik[0]!, NS_PEER_HANDSHAKE, SMALL_ORDER);
  expect(initiator.send(EMPTY)).toBeNull();
  expect(initiator.send(EMPTY)).toBeNull();

  const [, ikResponder] = ikEnds();
  expect(ikResponder.receive(new Uint8Array(Buffer.concat([SMALL_ORDER, new Uint8Array(64)])))).toBeNull();

  const [, xxResponder] = ends("XX", xx, EMPTY);
  expect(xxResponder.receive(SMALL_ORDER)).toEqual(EMPTY); // nothing is agreed on yet
  expect(xxResponder.send(EMPTY)).toBeNull();
});

test("the other side's key is copied: the datagram may be overwritten", () => {
  const [initiator, responder] = ikEnds();
  for (const [from, to] of [[initiator, responder] as const, [responder, initiator] as const]) {
    const datagram = Buffer.from(from.send(EMPTY)!);
    expect(to.receive(datagram)).toEqual(EMPTY);
    datagram.fill(0);
  }
  expect(responder.session?.handshakeHash).toEqual(initiator.session!.handshakeHash);
});

test("no bytes make it throw", () => {
  const random = new SeededRandom(1);
  const point = (): KeyPair => keyPairFromSeed(random.bytes(32));
  for (let round = 0; round < 200; round++) {
    const message = random.bytes(random.below(200));
    if (random.chance(0.5) && message.length >= 32) message.set(point().publicKey);
    expect(ikEnds()[1].receive(message)).toBeNull();
  }
});

test("a turn that is not ours, and a key that the pattern does not know, are our own mistakes", () => {
  const [initiator, responder] = ikEnds();
  expect(() => responder.send(EMPTY)).toThrow("take turns");
  expect(() => initiator.receive(EMPTY)).toThrow("take turns");
  responder.receive(initiator.send(EMPTY)!);
  initiator.receive(responder.send(EMPTY)!);
  expect(() => initiator.send(EMPTY)).toThrow("take turns");
  expect(() => responder.receive(EMPTY)).toThrow("take turns");
  expect(() => ends("XX", xx, EMPTY, SMALL_ORDER)).toThrow("knows the other's key");
  expect(() => ends("IK", ik[0]!, EMPTY, null)).toThrow("knows the other's key");
});
