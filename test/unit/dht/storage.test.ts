import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import { type AnnounceTerms, signAnnounce, signMutable } from "../../../src/dht/signatures.ts";
import { Storage, type StorageOptions } from "../../../src/dht/storage.ts";
import {
  COMMAND,
  DHT_ERROR,
  decodeLookupReply,
  decodeMutableRecord,
  decodePeerRecord,
  encodeAnnounce,
  encodeMutablePut,
  type PeerRecord,
} from "../../../src/wire/dht.ts";
import { decodeRequest, encodeRequest, type Request } from "../../../src/wire/rpc.ts";
import { Writer } from "../../../src/wire/writer.ts";
import { SeededRandom } from "../../support/random.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const UNIX_ORIGIN_MS = 1_700_000_000_000;
const NODE_ID = new Uint8Array(32).fill(0x11);
const TOKEN = new Uint8Array(32).fill(0x22);
const TOPIC = new Uint8Array(32).fill(0x33);
const FROM: Address = { host: "20.0.0.1", port: 4_000 };

const keys = (i: number): KeyPair => keyPairFromSeed(new Uint8Array(32).fill(i));
const [ALICE, BOB] = [keys(1), keys(2)];
const host = (i: number): Address => ({ host: `20.${i >> 8}.${i & 255}.1`, port: 4_000 });
const relayAddresses = (count: number) => Array.from({ length: count }, (_, i) => ({ host: "192.0.2.1", port: 1 + i }));

/** A store and its clock. Requests come to it as datagrams, so what it keeps of them are views unless it copies. */
class Store {
  now = 0;
  /** The last request's. */
  datagram: Uint8Array = new Uint8Array(0);
  readonly storage: Storage;

  constructor(options: Partial<StorageOptions> = {}) {
    this.storage = new Storage({
      random: new SeededRandom(1),
      unixOriginMs: UNIX_ORIGIN_MS,
      isPublic: true,
      ...options,
    });
  }

  ask(command: number, fields: Partial<Request>, from = FROM) {
    const to = { host: "20.9.9.9", port: 1 };
    const none = { tid: 1, to, id: null, token: null, target: TOPIC, value: null, isInternal: false, isBrief: false };
    this.datagram = encodeRequest({ ...none, command, ...fields });
    return this.storage.answer(this.now, from, decodeRequest(this.datagram)!, NODE_ID);
  }

  announce(keyPair: KeyPair, more: Announcing = {}) {
    return this.#announce("announce", COMMAND.announce, keyPair, more);
  }

  unannounce(keyPair: KeyPair, more: Announcing = {}) {
    return this.#announce("unannounce", COMMAND.unannounce, keyPair, more);
  }

  lookup(target: Uint8Array = TOPIC) {
    const answer = this.ask(COMMAND.lookup, { target })!;
    return answer.value && decodeLookupReply(answer.value);
  }

  put(keyPair: KeyPair, seq: number, text: string, from = FROM) {
    const value = new TextEncoder().encode(text);
    const signature = signMutable(seq, value, keyPair.secretKey);
    return this.putRecord({ publicKey: keyPair.publicKey, seq, value, signature }, from);
  }

  putRecord(record: Parameters<typeof encodeMutablePut>[0], from = FROM) {
    const target = blake2b256(record.publicKey);
    return this.ask(COMMAND.mutablePut, { target, token: TOKEN, value: encodeMutablePut(record) }, from);
  }

  get(keyPair: KeyPair, leastSeq = 0) {
    const value = new Writer().uint(leastSeq).finish();
    const answer = this.ask(COMMAND.mutableGet, { target: blake2b256(keyPair.publicKey), value })!;
    const record = answer.value && decodeMutableRecord(answer.value);
    return record && { seq: record.seq, text: new TextDecoder().decode(record.value) };
  }

  #announce(action: AnnounceTerms["action"], command: number, keyPair: KeyPair, more: Announcing) {
    const {
      target = TOPIC,
      from = FROM,
      bump = 0,
      refresh = null,
      relays = 0,
      signer = keyPair,
      nodeId = NODE_ID,
    } = more;
    const peer: PeerRecord = { publicKey: keyPair.publicKey, relayAddresses: relayAddresses(relays) };
    const terms = { action: more.action ?? action, target, nodeId, token: more.signedToken ?? TOKEN, peer, refresh };
    const value = encodeAnnounce({ peer, refresh, signature: signAnnounce(terms, signer.secretKey), bump });
    return this.ask(command, { target, token: TOKEN, value }, from);
  }
}

interface Announcing {
  target?: Uint8Array;
  from?: Address;
  bump?: number;
  refresh?: Uint8Array;
  relays?: number;
  signer?: KeyPair;
  nodeId?: Uint8Array;
  signedToken?: Uint8Array;
  action?: AnnounceTerms["action"];
}

const keysOf = (peers: readonly PeerRecord[] | undefined) =>
  (peers ?? []).map(({ publicKey }) => publicKey.toHex()).sort();
const hex = ({ publicKey }: KeyPair) => publicKey.toHex();
const DONE = { error: 0, value: null, hasToken: false, hasCloserNodes: false };
const FULL = { error: DHT_ERROR.storeFull, value: null, hasToken: false, hasCloserNodes: true };

test("OM-18 who announces under a topic is found under it, and under no other", () => {
  const store = new Store();
  expect(store.announce(ALICE, { relays: 2 })).toEqual(DONE);
  store.announce(BOB);
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(ALICE), hex(BOB)].sort());
  expect(store.lookup(new Uint8Array(32))).toBeNull();
  expect(store.lookup()?.peers.find(({ relayAddresses: { length } }) => length > 0)?.relayAddresses).toEqual(
    relayAddresses(2),
  );
});

test("OM-18 an announcement that is not signed for this node, topic, token and purpose is not stored", () => {
  const store = new Store();
  const other = new Uint8Array(32).fill(9);
  for (const wrong of [{ signer: BOB }, { nodeId: other }, { signedToken: other }, { action: "unannounce" }] as const) {
    expect(store.announce(ALICE, wrong)).toBeNull();
  }
  // Signed for one topic, sent for another.
  const peer = { publicKey: ALICE.publicKey, relayAddresses: [] };
  const terms = { action: "announce", target: TOPIC, nodeId: NODE_ID, token: TOKEN, peer, refresh: null } as const;
  const signature = signAnnounce(terms, ALICE.secretKey);
  const value = encodeAnnounce({ peer, refresh: null, signature, bump: 0 });
  expect(store.ask(COMMAND.announce, { target: other, token: TOKEN, value })).toBeNull();
  // Each bit of the value is signed, or makes it undecodable, or is none that we read.
  for (let at = 0; at < value.length; at++) {
    store.ask(COMMAND.announce, { token: TOKEN, value: value.with(at, value[at]! ^ 1) });
  }
  expect(store.lookup()).toBeNull();
  expect(store.storage.sizes.announcements).toBe(0);
});

test("a request that is not whole gets no answer", () => {
  const store = new Store();
  const value = encodeAnnounce({ peer: null, refresh: null, signature: null, bump: 0 });
  for (const command of [COMMAND.announce, COMMAND.unannounce, COMMAND.mutablePut, COMMAND.immutablePut]) {
    for (const fields of [
      { token: TOKEN },
      { value },
      { target: null, token: TOKEN, value },
      { token: TOKEN, value },
    ]) {
      expect(store.ask(command, fields)).toBeNull();
    }
  }
  for (const command of [COMMAND.findPeer, COMMAND.lookup, COMMAND.mutableGet, COMMAND.immutableGet]) {
    expect(store.ask(command, { target: null })).toBeNull();
  }
  expect(store.ask(COMMAND.mutableGet, {})).toBeNull();
  expect(store.ask(COMMAND.plugin, { value })).toBeNull();
  expect([store.ask(COMMAND.peerHandshake, {}), store.ask(99, {})]).toEqual([undefined, undefined]);
});

test("OM-19 of more than three relay addresses the first three are kept", () => {
  const store = new Store();
  expect(store.announce(ALICE, { relays: 4 })).toEqual(DONE);
  expect(store.lookup()?.peers[0]?.relayAddresses).toEqual(relayAddresses(3));
});

test("OM-17 a lookup gives at most twenty of a topic's peers, each as likely", () => {
  const store = new Store();
  for (let i = 1; i <= 50; i++) store.announce(keys(i), { from: host(i) });
  const seen = new Set<string>();
  for (let round = 0; round < 30; round++) {
    const { peers } = store.lookup()!;
    expect(peers).toHaveLength(20);
    for (const key of keysOf(peers)) seen.add(key);
  }
  expect(seen.size).toBe(50);
});

test("OM-21 an announcement is taken away by its own key, and by no other", () => {
  const store = new Store();
  store.announce(ALICE);
  expect(store.unannounce(ALICE, { signer: BOB })).toBeNull();
  expect(store.unannounce(ALICE, { action: "announce" })).toBeNull();
  expect(store.unannounce(BOB)).toEqual(DONE); // which had none
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(ALICE)]);
  expect(store.unannounce(ALICE)).toEqual(DONE);
  expect(store.lookup()).toBeNull();
});

test("OM-25 an announcement lives for twenty minutes after it was last made", () => {
  const store = new Store();
  store.announce(ALICE);
  store.announce(BOB);
  store.now = 19 * MINUTE_MS;
  store.announce(BOB);
  store.now = 20 * MINUTE_MS - 1;
  expect(store.lookup()?.peers).toHaveLength(2);
  store.now = 20 * MINUTE_MS;
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(BOB)]);
  store.now = 39 * MINUTE_MS;
  expect(store.lookup()).toBeNull();
});

test("a server that announces itself under its own key is found by it, and led to where it announced from", () => {
  const store = new Store();
  const target = blake2b256(ALICE.publicKey);
  expect(store.announce(ALICE, { target })).toEqual(DONE);
  expect(store.storage.route(0, target)?.relay).toEqual(FROM);
  const found = store.ask(COMMAND.findPeer, { target })!;
  expect(decodePeerRecord(found.value!)?.publicKey).toEqual(ALICE.publicKey);
  expect(keysOf(store.lookup(target)?.peers)).toEqual([hex(ALICE)]);
  expect(store.storage.sizes).toMatchObject({ routes: 1, announcements: 0 });
  store.announce(ALICE, { target, from: host(7) }); // it moved
  expect(store.storage.route(0, target)?.relay).toEqual(host(7));
  expect(store.unannounce(ALICE, { target })).toEqual(DONE);
  expect([store.storage.route(0, target), store.ask(COMMAND.findPeer, { target })?.value]).toEqual([null, null]);
});

test("OM-25 a route lives for twenty minutes", () => {
  const store = new Store();
  const target = blake2b256(ALICE.publicKey);
  store.announce(ALICE, { target });
  store.now = 20 * MINUTE_MS - 1;
  expect(store.storage.route(store.now, target)).not.toBeNull();
  store.now = 20 * MINUTE_MS;
  expect(store.storage.route(store.now, target)).toBeNull();
  expect(store.lookup(target)).toBeNull();
});

test("the highest bump counts, unless it is more than a minute ahead of our clock", () => {
  const store = new Store();
  store.now = 5_000;
  const unixNow = UNIX_ORIGIN_MS + 5_000;
  const bumps = [0, 100, 50, unixNow + 60_000, unixNow + 60_001].map((bump) => {
    store.announce(ALICE, { bump });
    return store.lookup()?.bump;
  });
  expect(bumps).toEqual([0, 100, 100, unixNow + 60_000, unixNow + 60_000]);
});

test("an announcement is renewed by the secret whose hash came with it, and that by its own secret", () => {
  const store = new Store();
  const secret = new Uint8Array(32).fill(7);
  const [second, first] = [blake2b256(secret), blake2b256(blake2b256(secret))];
  const renew = (refresh: Uint8Array, from = FROM) =>
    store.ask(
      COMMAND.announce,
      { token: TOKEN, value: encodeAnnounce({ peer: null, refresh, signature: null, bump: 0 }) },
      from,
    );
  expect(renew(second)).toBeNull();
  store.announce(ALICE, { refresh: first });
  store.now = 15 * MINUTE_MS;
  expect(renew(second)).toEqual(DONE);
  expect(renew(second)).toBeNull(); // once
  store.now = 34 * MINUTE_MS;
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(ALICE)]);
  expect(renew(secret)).toEqual(DONE);
  store.now = 55 * MINUTE_MS;
  expect([store.lookup(), renew(secret)]).toEqual([null, null]);
});

test("a route that is renewed leads to where the renewal came from", () => {
  const store = new Store();
  const target = blake2b256(ALICE.publicKey);
  const secret = new Uint8Array(32).fill(7);
  store.announce(ALICE, { target, refresh: blake2b256(secret) });
  const value = encodeAnnounce({ peer: null, refresh: secret, signature: null, bump: 0 });
  store.ask(COMMAND.announce, { target, token: TOKEN, value }, host(8));
  expect(store.storage.route(0, target)?.relay).toEqual(host(8));
});

test("OM-22 a value is stored under its hash alone", () => {
  const store = new Store();
  const value = new TextEncoder().encode("hello");
  const target = blake2b256(value);
  expect(store.ask(COMMAND.immutablePut, { target: TOPIC, token: TOKEN, value })).toBeNull();
  expect(store.ask(COMMAND.immutablePut, { target, value })).toBeNull();
  expect(store.ask(COMMAND.immutablePut, { target, token: TOKEN, value })).toMatchObject({ error: 0, hasToken: true });
  expect(store.ask(COMMAND.immutableGet, { target })?.value?.toHex()).toBe(value.toHex());
  expect(store.ask(COMMAND.immutableGet, {})?.value).toBeNull();
  const empty = new Uint8Array(0);
  expect(store.ask(COMMAND.immutablePut, { target: blake2b256(empty), token: TOKEN, value: empty })?.error).toBe(0);
  expect(store.ask(COMMAND.immutableGet, { target: blake2b256(empty) })?.value).toHaveLength(0);
});

test("OM-25 values live for 48 hours after they were last put", () => {
  const store = new Store();
  const value = new TextEncoder().encode("hello");
  const target = blake2b256(value);
  store.ask(COMMAND.immutablePut, { target, token: TOKEN, value });
  store.put(ALICE, 1, "one");
  store.now = 48 * HOUR_MS - 1;
  expect([store.ask(COMMAND.immutableGet, { target })?.value, store.get(ALICE)?.seq]).toEqual([value, 1]);
  store.put(ALICE, 1, "one");
  store.now = 48 * HOUR_MS;
  expect([store.ask(COMMAND.immutableGet, { target })?.value, store.get(ALICE)?.seq]).toEqual([null, 1]);
});

test("OM-23 a mutable value gives way to the same or a later one, signed by its key", () => {
  const store = new Store();
  expect(store.put(ALICE, 5, "five")).toMatchObject({ error: 0, value: null, hasToken: true });
  expect(store.put(ALICE, 5, "five")?.error).toBe(0);
  expect(store.put(ALICE, 5, "other")?.error).toBe(DHT_ERROR.seqReused);
  expect(store.put(ALICE, 4, "four")?.error).toBe(DHT_ERROR.seqTooLow);
  expect(store.get(ALICE)).toEqual({ seq: 5, text: "five" });
  expect(store.put(ALICE, 2 ** 53 - 1, "last")?.error).toBe(0);
  expect(store.get(ALICE)).toEqual({ seq: 2 ** 53 - 1, text: "last" });
});

test("OM-23 a mutable value that its key did not sign, or that is put elsewhere, gets no answer", () => {
  const store = new Store();
  const value = new TextEncoder().encode("one");
  const signature = signMutable(1, value, ALICE.secretKey);
  const record = { publicKey: ALICE.publicKey, seq: 1, value, signature };
  expect(store.putRecord({ ...record, publicKey: BOB.publicKey })).toBeNull();
  expect(store.putRecord({ ...record, seq: 2 })).toBeNull();
  expect(store.putRecord({ ...record, value: value.with(0, 0) })).toBeNull();
  expect(store.ask(COMMAND.mutablePut, { target: TOPIC, token: TOKEN, value: encodeMutablePut(record) })).toBeNull();
  expect(store.storage.sizes.mutables).toBe(0);
});

test("OM-24 a get names the least number that it will take", () => {
  const store = new Store();
  store.put(ALICE, 5, "five");
  expect([0, 5, 6].map((seq) => store.get(ALICE, seq)?.text)).toEqual(["five", "five", undefined]);
});

test("full, newcomers are refused with an error of their own, and what is there may be renewed", () => {
  const store = new Store({ maxSize: 16 });
  for (let i = 1; i <= 16; i++) expect(store.announce(keys(i), { from: host(i) })).toEqual(DONE);
  expect(store.announce(keys(17), { from: host(17) })).toEqual(FULL);
  expect(store.announce(keys(3), { from: host(3) })).toEqual(DONE);
  for (let i = 1; i <= 16; i++) store.put(keys(i), 1, "x", host(i));
  expect(store.put(keys(17), 1, "x", host(17))).toEqual(FULL);
  expect(store.put(keys(3), 2, "y", host(3))?.error).toBe(0);
  store.now = 20 * MINUTE_MS;
  expect(store.announce(keys(17), { from: host(17) })).toEqual(DONE);
});

test("on the public network one /24 fills no more than a sixteenth of each store, elsewhere all of it", () => {
  for (const [isPublic, kept] of [
    [true, 10],
    [false, 30],
  ] as const) {
    const store = new Store({ maxSize: 160, isPublic });
    const from = (i: number) => ({ host: `20.0.0.${i}`, port: 1 });
    const done = Array.from({ length: 30 }, (_, i) => store.announce(keys(i + 1), { from: from(i) }));
    expect(done.filter((answer) => answer?.error === 0)).toHaveLength(kept);
    expect(store.announce(keys(99), { from: host(1) })).toEqual(DONE);
  }
});

test("what is kept of a request is a copy: no record holds the datagram in which it came", () => {
  const store = new Store();
  const [secret, value] = [new Uint8Array(32).fill(7), new TextEncoder().encode("hello")];
  const own = blake2b256(ALICE.publicKey);
  const steps = [
    () => store.announce(ALICE, { refresh: blake2b256(secret) }),
    () => store.announce(ALICE, { target: own }),
    () => store.put(ALICE, 1, "one"),
    () => store.ask(COMMAND.immutablePut, { target: blake2b256(value), token: TOKEN, value }),
  ];
  for (const step of steps) {
    expect(step()?.error).toBe(0);
    store.datagram.fill(0xee); // a view would show it
  }
  expect(decodePeerRecord(store.storage.route(0, own)!.record)?.publicKey).toEqual(ALICE.publicKey);
  expect(store.get(ALICE)?.text).toBe("one");
  expect(store.ask(COMMAND.immutableGet, { target: blake2b256(value) })?.value?.toHex()).toBe(value.toHex());
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(ALICE)]);
  store.unannounce(ALICE);
  const renewal = encodeAnnounce({ peer: null, refresh: secret, signature: null, bump: 0 });
  expect(store.ask(COMMAND.announce, { token: TOKEN, value: renewal })).toEqual(DONE);
  expect(keysOf(store.lookup()?.peers)).toEqual([hex(ALICE)]);
});

test("what this node itself announced it can drop", () => {
  const store = new Store();
  const target = blake2b256(ALICE.publicKey);
  store.announce(ALICE);
  store.announce(ALICE, { target });
  store.storage.remove(TOPIC, ALICE.publicKey);
  expect([store.lookup(), store.storage.sizes.routes]).toEqual([null, 1]);
  store.storage.remove(target, ALICE.publicKey);
  expect(store.storage.sizes.routes).toBe(0);
});
