/** What nodes of both kinds make of the same announcements, lookups, puts and gets. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { blake2b256 } from "../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { COMMAND, decodeLookupReply } from "../../src/wire/dht.ts";
import type { Request } from "../../src/wire/rpc.ts";
import { type Ask, Judge } from "../support/hyperdht-judge.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import {
  type Asked,
  announce,
  announced,
  KEY_PAIR,
  mutable,
  putMutable,
  SELF,
  TOPIC,
  unannounce,
} from "../support/hyperdht-signed.ts";

const fill = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const flipped = (bytes: Uint8Array) => bytes.with(-1, bytes.at(-1)! ^ 1);
const TARGET = fill(0x5a);
const OTHER_KEY_PAIR = keyPairFromSeed(fill(0x5f));
const { publicKey } = KEY_PAIR;
const RELAYS = [1, 2, 3, 4].map((n) => ({ host: `192.0.2.${n}`, port: 1776 }));

describe.skipIf(!hasNode)(`both kinds of node${needsNode}`, () => {
  let judge: Judge;

  beforeAll(async () => {
    judge = await Judge.start();
  });
  afterAll(() => judge[Symbol.asyncDispose]());

  test("OM-17 OM-18 OM-19 OM-21 announcements, right and wrong, are taken alike", async () => {
    const lookup: Ask = () => ({ command: COMMAND.lookup, target: TOPIC });
    const relayAddresses = RELAYS;
    const peer = { publicKey, relayAddresses };
    await judge.compare([
      ["a lookup of nothing", "answer", lookup],
      ["a lookup without a target", "silence", () => ({ command: COMMAND.lookup })],
      ["no token", "silence", (node) => announce({}, node, { token: null })],
      ["no target", "silence", (node) => announce({}, node, { target: null })],
      ["no value", "silence", (node) => announce({}, node, { value: null })],
      ["an empty value", "silence", (node) => announce({}, node, { value: fill(0, 0) })],
      ["half a value", "silence", (node) => announce({}, node, { value: announced({}, node).subarray(0, 60) })],
      ["a flipped signature", "silence", (node) => announce({}, node, { value: flipped(announced({}, node)) })],
      ["no signature", "silence", (node) => announce({ signature: null }, node)],
      ["signed for another node", "silence", (node) => announce({}, { ...node, id: TARGET })],
      [
        "signed for another target",
        "silence",
        (node) => announce({}, node, { target: TARGET, value: announced({}, node) }),
      ],
      [
        "signed with another token",
        "silence",
        (node) => announce({}, { ...node, token: TARGET }, { token: node.token }),
      ],
      ["signed by another key", "silence", (node) => announce({ peer }, node, {}, OTHER_KEY_PAIR)],
      ["signed as an unannouncement", "silence", (node) => announce({ action: "unannounce" }, node)],
      ["neither peer nor refresh", "silence", (node) => announce({ peer: null, signature: null }, node)],
      ["an unknown refresh", "silence", (node) => announce({ peer: null, refresh: fill(1), signature: null }, node)],
      ["still nothing", "answer", lookup],
      ["one that is right", "answer", (node) => announce({ peer }, node)],
      ["found, with three of its four relays", "answer", lookup],
      ["not so as a peer", "answer", () => ({ command: COMMAND.findPeer, target: TOPIC })],
      ["another, with a bump", "answer", (node) => announce({ bump: 500 }, node, {}, OTHER_KEY_PAIR)],
      ["an unannouncement without a token", "silence", (node) => unannounce(node, { token: null })],
      ["one signed for another node", "silence", (node) => unannounce({ ...node, id: TARGET })],
      ["one signed as an announcement", "silence", (node) => announce({}, node, { command: COMMAND.unannounce })],
      ["one signed by another key", "silence", (node) => unannounce(node, {}, OTHER_KEY_PAIR, publicKey)],
      [
        "one without a peer",
        "silence",
        (node) => announce({ peer: null, signature: null }, node, { command: COMMAND.unannounce }),
      ],
      ["one of a key that is not there", "answer", (node) => unannounce(node, {}, keyPairFromSeed(fill(1)))],
      ["one that is right", "answer", (node) => unannounce(node)],
      ["the other key is left, and the bump", "answer", lookup],
      ["a lower bump", "answer", (node) => announce({ bump: 400 }, node, {}, OTHER_KEY_PAIR)],
      ["does not count", "answer", lookup],
      ["nor one too far ahead", "answer", (node) => announce({ bump: 8e12 }, node, {}, OTHER_KEY_PAIR)],
      ["as is seen", "answer", lookup],
      ["with a secret to refresh it", "answer", (node) => announce({ refresh: blake2b256(blake2b256(TOPIC)) }, node)],
      [
        "by that secret",
        "answer",
        (node) => announce({ peer: null, refresh: blake2b256(TOPIC), signature: null }, node),
      ],
      ["and the next", "answer", (node) => announce({ peer: null, refresh: TOPIC, signature: null }, node)],
      ["but each once", "silence", (node) => announce({ peer: null, refresh: TOPIC, signature: null }, node)],
    ]);
  });

  test("OM-18 a second announcement of a key takes the first one's place at ours, and waits until that has aged at theirs", async () => {
    const target = fill(0x71);
    for (const [kind, kept] of [
      ["ours", RELAYS[1]!],
      ["theirs", RELAYS[0]!],
    ] as const) {
      for (const relay of [RELAYS[0]!, RELAYS[1]!]) {
        const peer = { publicKey, relayAddresses: [relay] };
        const seen = await judge.outcomes(judge.pair[kind], (node) => announce({ peer }, node, { target }));
        expect(seen.map(({ outcome }) => outcome)).toEqual(["answer"]);
      }
      const { value } = (await judge.probe.ask(judge.pair[kind], { command: COMMAND.lookup, target }))!;
      expect(decodeLookupReply(value!)!.peers).toEqual([{ publicKey, relayAddresses: [kept] }]);
    }
  });

  test("OM-22 OM-23 OM-24 OM-36 values, right and wrong, are kept alike", async () => {
    const immutable = new TextEncoder().encode("what never changes");
    const target = blake2b256(immutable);
    const putImmutable = (node: Asked, more: Partial<Request> = {}) => ({
      ...{ command: COMMAND.immutablePut, target, token: node.token, value: immutable, ...more },
    });
    const get = (more: Partial<Request> = {}) => ({ command: COMMAND.immutableGet, target, ...more });
    const getMutable = (...value: number[]) => ({
      ...{ command: COMMAND.mutableGet, target: SELF, value: Uint8Array.from(value) },
    });
    await judge.compare([
      ["a get of nothing", "answer", () => get()],
      ["one without a target", "silence", () => get({ target: null })],
      ["a put without a token", "silence", (node) => putImmutable(node, { token: null })],
      ["one without a target", "silence", (node) => putImmutable(node, { target: null })],
      ["one without a value", "silence", (node) => putImmutable(node, { value: null })],
      ["one under another hash", "silence", (node) => putImmutable(node, { target: TARGET })],
      ["a put", "answer", (node) => putImmutable(node)],
      ["the same again", "answer", (node) => putImmutable(node)],
      ["its get", "answer", () => get()],
      [
        "a long value",
        "answer",
        (node) => putImmutable(node, { value: fill(7, 1_900), target: blake2b256(fill(7, 1_900)) }),
      ],
      ["its get", "answer", () => get({ target: blake2b256(fill(7, 1_900)) })],
      ["an empty value", "answer", (node) => putImmutable(node, { value: fill(0, 0), target: blake2b256(fill(0, 0)) })],
      ["its get", "answer", () => get({ target: blake2b256(fill(0, 0)) })],
      ["the get of a mutable nothing", "answer", () => getMutable(0)],
      ["one without a number", "silence", () => ({ command: COMMAND.mutableGet, target: SELF })],
      ["one with an empty value", "silence", () => getMutable()],
      ["one with half a number", "silence", () => getMutable(0xfd, 1)],
      ["one without a target", "silence", () => ({ ...getMutable(0), target: null })],
      ["a put without a token", "silence", (node) => putMutable(node, 2, "two", { token: null })],
      ["one without a target", "silence", (node) => putMutable(node, 2, "two", { target: null })],
      ["one without a value", "silence", (node) => putMutable(node, 2, "two", { value: null })],
      ["one with half a value", "silence", (node) => putMutable(node, 2, "two", { value: fill(3, 40) })],
      ["one under another key", "silence", (node) => putMutable(node, 2, "two", { target: TARGET })],
      ["one wrongly signed", "silence", (node) => putMutable(node, 2, "two", { value: flipped(mutable(2, "two")) })],
      ["still nothing", "answer", () => getMutable(0)],
      ["a put", "answer", (node) => putMutable(node, 2, "two")],
      ["the same again", "answer", (node) => putMutable(node, 2, "two")],
      ["its get", "answer", () => getMutable(0)],
      ["its get by its number, in three bytes", "answer", () => getMutable(0xfd, 2, 0)],
      ["of a later one", "answer", () => getMutable(3)],
      ["another of that number", "error 16", (node) => putMutable(node, 2, "too")],
      ["a lower number", "error 17", (node) => putMutable(node, 1, "one")],
      ["a higher one", "answer", (node) => putMutable(node, 70_000, "three")],
      ["its get", "answer", () => getMutable(3)],
      ["an empty value", "answer", (node) => putMutable(node, 70_001, "")],
      ["its get", "answer", () => getMutable(3)],
      ["a value in place of the empty one", "error 16", (node) => putMutable(node, 70_001, "four")],
    ]);
  });
});
