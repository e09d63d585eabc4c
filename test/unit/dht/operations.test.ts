import { expect, test } from "bun:test";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import {
  type Announcement,
  announce,
  findNode,
  findPeer,
  immutableGet,
  immutablePut,
  lookup,
  lookupAndUnannounce,
  mutableGet,
  mutablePut,
} from "../../../src/dht/operations.ts";
import { peerAt } from "../../../src/dht/peer.ts";
import type { Reply } from "../../../src/dht/requests.ts";
import { signMutable, verifyAnnounce } from "../../../src/dht/signatures.ts";
import {
  COMMAND,
  decodeAnnounce,
  decodeMutablePut,
  encodeLookupReply,
  encodeMutableRecord,
  encodePeerRecord,
  type PeerRecord,
} from "../../../src/wire/dht.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";

const TOPIC = new Uint8Array(32).fill(0x33);
const TOKEN = new Uint8Array(32).fill(0x22);
const [ALICE, BOB] = [1, 2].map((i) => keyPairFromSeed(new Uint8Array(32).fill(i))) as [
  ReturnType<typeof keyPairFromSeed>,
  ReturnType<typeof keyPairFromSeed>,
];
const FROM = peerAt({ host: "5.9.17.33", port: 49737 });
const US = { host: "88.99.3.86", port: 1776 };
const NOT_A_MESSAGE = Uint8Array.of(255, 255);

type NearReply = Reply & { readonly from: typeof FROM };
const reply = (value: Uint8Array | null, more: Partial<NearReply> = {}): NearReply => {
  return { tid: 1, rttMs: 1, from: FROM, to: US, token: TOKEN, closerNodes: [], error: 0, value, ...more };
};
const record = (publicKey: Uint8Array): PeerRecord => ({ publicKey, relayAddresses: [] });
const peers = (...keys: Uint8Array[]) => encodeLookupReply({ peers: keys.map(record), bump: 5 });
const relayAddresses = [1, 2, 3, 4].map((port) => ({ host: "192.0.2.1", port }));
const announcement: Announcement = { topic: TOPIC, keyPair: ALICE, relayAddresses, bump: 0 };

test("each walk asks its command of its target", () => {
  const key = ALICE.publicKey;
  const asked = [
    findNode(TOPIC),
    findPeer(TOPIC),
    lookup(TOPIC),
    announce(announcement),
    immutableGet(TOPIC),
    immutablePut(Uint8Array.of(1)),
    mutableGet(key, 5),
    mutablePut({ keyPair: ALICE, seq: 5, value: Uint8Array.of(1) }),
  ].map(({ query: { isInternal, command, target, value = null } }) => [
    isInternal,
    command,
    target.toHex(),
    value?.toHex(),
  ]);
  const topic = TOPIC.toHex();
  expect(asked).toEqual([
    [true, INTERNAL.findNode, topic, undefined],
    [false, COMMAND.findPeer, topic, undefined],
    [false, COMMAND.lookup, topic, undefined],
    [false, COMMAND.lookup, topic, undefined],
    [false, COMMAND.immutableGet, topic, undefined],
    [false, COMMAND.immutableGet, blake2b256(Uint8Array.of(1)).toHex(), undefined],
    [false, COMMAND.mutableGet, blake2b256(key).toHex(), "05"],
    [false, COMMAND.mutableGet, blake2b256(key).toHex(), "00"],
  ]);
});

test("OM-17 a lookup's item has the peers, the bump and who said so; no value and no message are none", () => {
  const { item } = lookup(TOPIC);
  expect(item(reply(peers(ALICE.publicKey, BOB.publicKey)))).toEqual({
    token: TOKEN,
    from: FROM,
    to: US,
    peers: [record(ALICE.publicKey), record(BOB.publicKey)],
    bump: 5,
  });
  expect([item(reply(null)), item(reply(NOT_A_MESSAGE))]).toEqual([null, null]);
});

test("a peer that was found is the one that was looked for", () => {
  const { item } = findPeer(blake2b256(ALICE.publicKey));
  expect(item(reply(encodePeerRecord(record(ALICE.publicKey))))?.peer).toEqual(record(ALICE.publicKey));
  for (const value of [encodePeerRecord(record(BOB.publicKey)), NOT_A_MESSAGE, null])
    expect(item(reply(value))).toBeNull();
});

test("OM-18 OM-19 an announcement is signed for each node by its id and token, with three relay addresses", () => {
  const outgoing = announce({ ...announcement, bump: 9 }).query.commit!(reply(null))!;
  expect([outgoing.to, outgoing.command, outgoing.token, outgoing.target]).toEqual([
    FROM,
    COMMAND.announce,
    TOKEN,
    TOPIC,
  ]);
  const { peer, signature, refresh, bump } = decodeAnnounce(outgoing.value!)!;
  expect([peer!.publicKey, peer!.relayAddresses, refresh, bump]).toEqual([
    ALICE.publicKey,
    relayAddresses.slice(0, 3),
    null,
    9,
  ]);
  const terms = { action: "announce", target: TOPIC, nodeId: FROM.id, token: TOKEN, peer: peer!, refresh } as const;
  expect(verifyAnnounce(terms, signature!)).toBe(true);
});

test("to a node that gave no token, or no id, nothing is announced or put", () => {
  const { commit } = announce(announcement).query;
  expect([commit!(reply(null, { token: null })), commit!(reply(null, { from: { ...FROM, id: null! } }))]).toEqual([
    null,
    null,
  ]);
  expect(immutablePut(TOPIC).query.commit!(reply(null, { token: null }))).toBeNull();
});

test("OM-21 the key's announcement is taken away where it is listed, or may be among those left out", () => {
  const { follow } = lookupAndUnannounce(announcement, false).query;
  const many = Array.from({ length: 20 }, (_, i) => new Uint8Array(32).fill(i));
  expect(follow!(reply(peers(BOB.publicKey)))).toBeNull();
  expect(follow!(reply(null))).toBeNull();
  expect(follow!(reply(peers(ALICE.publicKey), { token: null }))).toBeNull();
  for (const value of [peers(BOB.publicKey, ALICE.publicKey), peers(...many)]) {
    const outgoing = follow!(reply(value))!;
    expect(outgoing.command).toBe(COMMAND.unannounce);
    const { peer, signature } = decodeAnnounce(outgoing.value!)!;
    expect(peer).toEqual(record(ALICE.publicKey));
    const terms = {
      action: "unannounce",
      target: TOPIC,
      nodeId: FROM.id,
      token: TOKEN,
      peer: peer!,
      refresh: null,
    } as const;
    expect(verifyAnnounce(terms, signature!)).toBe(true);
  }
  expect(lookupAndUnannounce(announcement, false).query.commit).toBeUndefined();
  expect(lookupAndUnannounce(announcement, true).query.commit!(reply(null))!.command).toBe(COMMAND.announce);
});

test("OM-22 a value counts when it has the hash that was asked for, and is put under its own", () => {
  const value = new TextEncoder().encode("hello");
  const { item } = immutableGet(blake2b256(value));
  expect(item(reply(value))?.value).toEqual(value);
  for (const other of [value.with(0, 0), new Uint8Array(0), null]) expect(item(reply(other))).toBeNull();
  const outgoing = immutablePut(value).query.commit!(reply(null))!;
  expect([outgoing.command, outgoing.value, outgoing.token]).toEqual([COMMAND.immutablePut, value, TOKEN]);
});

test("OM-24 a mutable value counts when its key signed it, and its number is not too low", () => {
  const value = new TextEncoder().encode("five");
  const signature = signMutable(5, value, ALICE.secretKey);
  const found = (seq: number, key = ALICE.publicKey, text = value, leastSeq = 5) =>
    mutableGet(key, leastSeq).item(reply(encodeMutableRecord({ seq, value: text, signature })));
  expect(found(5)).toMatchObject({ seq: 5, value, signature });
  expect([found(6), found(5, BOB.publicKey), found(5, ALICE.publicKey, value.with(0, 0))]).toEqual([null, null, null]);
  expect(found(5, ALICE.publicKey, value, 6)).toBeNull();
  expect([NOT_A_MESSAGE, null].map((text) => mutableGet(ALICE.publicKey, 0).item(reply(text)))).toEqual([null, null]);
});

test("OM-23 a mutable value is put with its key and signature", () => {
  const value = new TextEncoder().encode("five");
  const { query, signature } = mutablePut({ keyPair: ALICE, seq: 5, value });
  const outgoing = query.commit!(reply(null))!;
  expect([outgoing.command, outgoing.target]).toEqual([COMMAND.mutablePut, blake2b256(ALICE.publicKey)]);
  expect(decodeMutablePut(outgoing.value!)).toEqual({ publicKey: ALICE.publicKey, seq: 5, value, signature });
});

test("what a get found is put once more only when that is wished, which is asked once", () => {
  const value = new TextEncoder().encode("five");
  const kept = { seq: 5, value, signature: signMutable(5, value, ALICE.secretKey) };
  expect(mutableGet(ALICE.publicKey, 0).query).not.toHaveProperty("commit");
  for (const wish of [kept, null]) {
    let times = 0;
    const { query } = mutableGet(ALICE.publicKey, 0, () => {
      times++;
      return wish;
    });
    expect(query.wantsCommit!()).toBe(wish !== null);
    const puts = [1, 2].map(() => query.commit!(reply(null)));
    expect(puts.map((outgoing) => outgoing && decodeMutablePut(outgoing.value!)?.seq)).toEqual(
      wish ? [5, 5] : [null, null],
    );
    expect(times).toBe(1);
  }
});
