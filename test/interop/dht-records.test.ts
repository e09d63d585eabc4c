/** What one kind of node announces and puts the other finds: in a network of both, where each persistent node stores all. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import { blake2b256 } from "../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { BOTH_WAYS, BothKinds, KINDS, type Kind, type Network } from "../support/hyperdht-both.ts";
import { type Hex, type HyperdhtNode, hasNode, needsNode } from "../support/hyperdht-process.ts";

const K = 20;
const SEED = "5e".repeat(32);
const OTHER_SEED = "5f".repeat(32);
const RELAYS = [1, 2, 3, 4].map((n) => ({ host: `192.0.2.${n}`, port: 1776 }));
const text = (words: string) => Buffer.from(words).toString("hex");
const publicKeyOf = (seed: Hex) => keyPairFromSeed(Uint8Array.fromHex(seed)).publicKey.toHex();
const hash = (hex: Hex) => blake2b256(Uint8Array.fromHex(hex)).toHex();
const byPort = (a: Address, b: Address) => a.port - b.port;

let subjects = 0;
/** A topic or seed that no other test has. */
const fresh = () => (++subjects).toString(16).padStart(64, "ab");

describe.skipIf(!hasNode)(`nodes of both kinds${needsNode}`, () => {
  let both: BothKinds;
  let network: Network;
  let visitors: { readonly [kind in Kind]: HyperdhtNode };

  beforeAll(async () => {
    both = await BothKinds.start();
    network = await both.network("ours", { ours: 2, theirs: 3 });
    const [ours, theirs] = await Promise.all(KINDS.map((kind) => both.visitor(kind, network)));
    visitors = { ours: ours!, theirs: theirs! };
  });
  afterAll(async () => {
    expect(both.failures).toEqual([]);
    await both[Symbol.asyncDispose]();
  });

  /** From whom an answer came, in the order of ports: to be all persistent nodes. */
  const repliers = (replies: readonly { readonly from: Address }[]) =>
    replies.map(({ from: { host, port } }) => ({ host, port })).sort(byPort);

  for (const [doer, finder] of BOTH_WAYS) {
    test(`OM-17 OM-18 OM-19 OM-30 NU-41 what ${doer} announces ${finder} looks up at every node, with three of its four relays`, async () => {
      const topic = fresh();
      const all = network.addresses.toSorted(byPort);
      const relayAddresses = RELAYS;
      const { closestNodes } = await visitors[doer].announce(topic, SEED, { relayAddresses, bump: 7 });
      expect(closestNodes.map(({ host, port }) => ({ host, port })).sort(byPort)).toEqual(all);
      const { replies } = await visitors[finder].lookup(topic);
      expect(repliers(replies)).toEqual(all);
      const { host, port } = await visitors[finder].info();
      for (const { to, peers, bump, token } of replies) {
        expect(to).toMatchObject({ host: host!, port });
        expect(peers).toEqual([{ publicKey: publicKeyOf(SEED), relayAddresses: RELAYS.slice(0, 3) }]);
        expect(bump).toBe(7);
        expect(token).toHaveLength(64);
      }
    });

    test(`OM-21 NU-41 what ${finder} announced ${doer} unannounces with the same key, and not with another`, async () => {
      const topic = fresh();
      await visitors[finder].announce(topic, SEED);
      await visitors[doer].announce(topic, OTHER_SEED);
      const found = async () => {
        const { replies } = await visitors[finder].lookup(topic);
        return replies.map(({ peers }) => peers.map(({ publicKey }) => publicKey).sort());
      };
      const keys = [SEED, OTHER_SEED].map(publicKeyOf).sort();
      expect(await found()).toEqual(network.nodes.map(() => keys));
      await visitors[doer].unannounce(topic, fresh());
      expect(await found()).toEqual(network.nodes.map(() => keys));
      await visitors[doer].unannounce(topic, SEED);
      expect(await found()).toEqual(network.nodes.map(() => [publicKeyOf(OTHER_SEED)]));
      await visitors[finder].announce(topic, SEED, { clear: true, relayAddresses: RELAYS });
      expect(await found()).toEqual(network.nodes.map(() => keys));
    });

    test(`OM-17 of 25 peers that ${doer} announced ${finder} gets twenty from each node, and not the same from all`, async () => {
      const topic = fresh();
      const seeds = Array.from({ length: 25 }, fresh);
      await Promise.all(seeds.map((seed) => visitors[doer].announce(topic, seed)));
      const { replies } = await visitors[finder].lookup(topic);
      expect(replies.map(({ peers }) => new Set(peers.map(({ publicKey }) => publicKey)).size)).toEqual(
        network.nodes.map(() => K),
      );
      const found = new Set(replies.flatMap(({ peers }) => peers.map(({ publicKey }) => publicKey)));
      const announced = new Set(seeds.map(publicKeyOf));
      expect(found.difference(announced).size).toBe(0);
      expect(found.size).toBeGreaterThan(K);
    });

    test(`OM-22 what ${doer} puts under its hash ${finder} gets`, async () => {
      const value = text(`never changes: ${fresh()}`);
      const put = await visitors[doer].immutablePut(value);
      expect(put.hash).toBe(hash(value));
      expect(repliers(put.closestNodes.map((from) => ({ from })))).toEqual(network.addresses.toSorted(byPort));
      for (const node of network.addresses) {
        const found = await visitors[finder].immutableGet(put.hash, { nodes: [node], onlyClosestNodes: true });
        expect(found).toMatchObject({ value, from: node });
      }
      expect(await visitors[finder].immutableGet(fresh())).toBeNull();
    });

    test(`OM-23 OM-24 what ${doer} puts under its key ${finder} gets, until there is a later value`, async () => {
      const seed = fresh();
      const publicKey = publicKeyOf(seed);
      const first = await visitors[doer].mutablePut(seed, text("one"));
      expect(first).toMatchObject({ publicKey, seq: 0 });
      expect(await visitors[finder].mutableGet(publicKey)).toMatchObject({
        ...{ seq: 0, value: text("one"), signature: first.signature },
      });
      await visitors[finder].mutablePut(seed, text("two"), 70_000);
      expect(await visitors[doer].mutableGet(publicKey)).toMatchObject({ seq: 70_000, value: text("two") });
      expect(await visitors[doer].mutableGet(publicKey, { seq: 70_000 })).toMatchObject({ seq: 70_000 });
      expect(await visitors[doer].mutableGet(publicKey, { seq: 70_001 })).toBeNull();
    });

    test(`OM-24 of two values ${finder} gets the later one with latest, and without it one that is late enough`, async () => {
      const seed = fresh();
      const publicKey = publicKeyOf(seed);
      const [only] = network.addresses;
      await visitors[doer].mutablePut(seed, text("old"), 1);
      await visitors[doer].mutablePut(seed, text("new"), 2, { nodes: [only!], onlyClosestNodes: true });
      expect(await visitors[finder].mutableGet(publicKey, { latest: true })).toMatchObject({ seq: 2 });
      expect((await visitors[finder].mutableGet(publicKey, { latest: false }))!.seq).toBeWithin(1, 3);
      expect(await visitors[finder].mutableGet(publicKey, { latest: false, seq: 2 })).toMatchObject({ seq: 2 });
      const others = { nodes: network.addresses.slice(1), onlyClosestNodes: true };
      expect(await visitors[finder].mutableGet(publicKey, { latest: true, ...others })).toMatchObject({ seq: 1 });
    });
  }

  test("OM-23 OM-36 ours is told that the network has a later value, or another one, that theirs put", async () => {
    const seed = fresh();
    await visitors.theirs.mutablePut(seed, text("two"), 2);
    await expect(visitors.ours.mutablePut(seed, text("one"), 1)).rejects.toMatchObject({ code: "SEQ_TOO_LOW" });
    await expect(visitors.ours.mutablePut(seed, text("too"), 2)).rejects.toMatchObject({ code: "SEQ_REUSED" });
    expect(await visitors.ours.mutablePut(seed, text("two"), 2)).toMatchObject({ seq: 2 });
    expect(await visitors.theirs.mutableGet(publicKeyOf(seed))).toMatchObject({ seq: 2, value: text("two") });
  });

  test("OM-23 what theirs puts with a seq that ours used stays out of every node", async () => {
    const seed = fresh();
    await visitors.ours.mutablePut(seed, text("two"), 2);
    await visitors.theirs.mutablePut(seed, text("one"), 1); // it does not report refusals
    await visitors.theirs.mutablePut(seed, text("too"), 2);
    for (const node of network.addresses) {
      const options = { nodes: [node], onlyClosestNodes: true };
      expect(await visitors.ours.mutableGet(publicKeyOf(seed), options)).toMatchObject({ seq: 2, value: text("two") });
    }
  });

  test("OM-20 a server of theirs is found by its key at three nodes of either kind, and no more once it is closed", async () => {
    const { publicKey } = await visitors.theirs.listen("server", fresh());
    for (const kind of KINDS) {
      const { replies } = await visitors[kind].findPeer(publicKey);
      expect(replies.map(({ peer }) => peer.publicKey)).toEqual([publicKey, publicKey, publicKey]);
      expect((await visitors[kind].findPeer(hash(publicKey), { hash: false })).replies).toHaveLength(3);
    }
    await both.theirs.call("closeServer", { server: "server" });
    for (const kind of KINDS) expect((await visitors[kind].findPeer(publicKey)).replies).toEqual([]);
  });
});
