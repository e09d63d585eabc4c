/** Single requests between nodes of both kinds, and what either does about nodes that are down, lie, or are not who they say. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import { blake2b256 } from "../../src/crypto/blake2b.ts";
import { COMMAND, encodeMutableRecord } from "../../src/wire/dht.ts";
import { encodeAddress4, INTERNAL } from "../../src/wire/rpc.ts";
import { BOTH_WAYS, BothKinds, KINDS, type Network } from "../support/hyperdht-both.ts";
import { FakeNode } from "../support/hyperdht-fake-node.ts";
import { Probe } from "../support/hyperdht-probe.ts";
import { type HyperdhtNode, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { KEY_PAIR } from "../support/hyperdht-signed.ts";
import { until } from "../support/until.ts";

const TARGET = "5a".repeat(32);
const DELAY_MS = 100;
const text = (words: string) => new TextEncoder().encode(words);
const nobody = new Uint8Array(64).fill(9);

describe.skipIf(!hasNode)(`nodes of both kinds${needsNode}`, () => {
  let both: BothKinds;
  let network: Network;

  beforeAll(async () => {
    both = await BothKinds.start();
    network = await both.network("ours", { theirs: 1 });
  });
  afterAll(() => both[Symbol.asyncDispose]());

  const pair = () => network.nodes as readonly [ours: HyperdhtNode, theirs: HyperdhtNode];
  const knows = async (node: HyperdhtNode, address: Address) =>
    (await node.info()).nodes.some(({ port }) => port === address.port);

  for (const [asker, asked] of BOTH_WAYS) {
    test(`OM-30 ${asker} pings ${asked}, and asks it for nodes and for what it has not got`, async () => {
      const [ask, to] = asker === "ours" ? pair() : pair().toReversed();
      const [from, address] = [await ask!.address(), await to!.address()];
      const { id } = await to!.info();
      const empty = { token: null, closerNodes: null, value: null, to: from, from: { id, ...address } };
      expect(await ask!.ping(address)).toMatchObject({ ...empty, error: 0 });
      const found = await ask!.request(address, { command: INTERNAL.findNode, internal: true, target: TARGET });
      expect({ ...found, closerNodes: null }).toMatchObject({ ...empty, error: 0 });
      expect(found.closerNodes!.map(({ port }) => port)).toContain(from.port);
      expect(await ask!.request(address, { command: 99 })).toMatchObject({ ...empty, error: 1 });
      expect(await ask!.request(address, { command: 99, internal: true })).toMatchObject({ ...empty, error: 1 });
    });

    test(`OM-30 ${asked} answers a ping that ${asker} sent when it is told to, and ${asker} asks for no longer delay than it would take`, async () => {
      const [ask, to] = asker === "ours" ? pair() : pair().toReversed();
      const address = await to!.address();
      const { error, rtt } = await ask!.delayedPing(address, DELAY_MS);
      expect(error).toBe(0);
      expect(rtt).toBeWithin(DELAY_MS - 5, DELAY_MS + 1_000);
      await expect(ask!.delayedPing(address, 10_001)).rejects.toThrow("10000");
    });
  }

  test("OM-37 a token holds at another port of the same host, and not at another host", async () => {
    using here = await Probe.open();
    using elsewhere = await Probe.open("127.0.0.2");
    for (const address of network.addresses) {
      const lookup = { command: COMMAND.lookup, target: Uint8Array.fromHex(TARGET) };
      const { token } = (await elsewhere.ask(address, lookup))!;
      expect(await elsewhere.ask(address, { ...lookup, token })).toMatchObject({ error: 0 });
      const refused = (await here.ask(address, { ...lookup, token }))!;
      expect(refused.error).toBe(2);
      using another = await Probe.open();
      expect(await another.ask(address, { ...lookup, token: refused.token })).toMatchObject({ error: 0 });
    }
  });

  test("OM-30 a node is kept if its id follows from its address, and not otherwise", async () => {
    using honest = await FakeNode.open();
    using liar = await FakeNode.open();
    for (const [i, node] of network.nodes.entries()) {
      const ping = { isInternal: true, command: INTERNAL.ping };
      liar.ask(network.addresses[i]!, { ...ping, id: honest.id });
      honest.ask(network.addresses[i]!, ping);
      await until("the honest one is kept", () => knows(node, honest.address));
      expect(await knows(node, liar.address)).toBe(false);
    }
  });

  test("OM-30 a node that is said to be down is pinged if it is in the table, and a stranger is not", async () => {
    using known = await FakeNode.open();
    using stranger = await FakeNode.open();
    using probe = await Probe.open();
    for (const [i, address] of network.addresses.entries()) {
      known.ask(address);
      await until("it is in the table", () => knows(network.nodes[i]!, known.address));
      const hint = (of: Address) => ({ isInternal: true, command: INTERNAL.downHint, value: encodeAddress4(of) });
      expect(await probe.ask(address, hint(stranger.address))).toMatchObject({ error: 0 });
      expect(await probe.ask(address, hint(known.address))).toMatchObject({ error: 0 });
      await until("it is pinged", () => known.asked.length > i);
      expect(known.asked[i]).toMatchObject({ isInternal: true, command: INTERNAL.ping, target: null, value: null });
    }
    expect(stranger.asked).toEqual([]);
  });

  test("OM-30 a walk tells the node that named it of one that is down, in the same words", async () => {
    const hints = KINDS.map(async (kind) => {
      using referrer = await FakeNode.open();
      using down = await FakeNode.open();
      down.answer = () => null;
      const lone = await both.join(kind, { bootstrap: [referrer.address] }, { ephemeral: true });
      referrer.answer = ({ target }) => (target?.toHex() === TARGET ? { closerNodes: [down.address] } : {});
      await lone.findNode(TARGET, { retries: 0 });
      await until("it was told", () => referrer.asked.some(({ command }) => command === INTERNAL.downHint));
      const { tid, to, ...hint } = referrer.asked.find(({ command }) => command === INTERNAL.downHint)!;
      expect(to).toEqual(referrer.address);
      expect(hint.value).toEqual(encodeAddress4(down.address));
      return { ...hint, value: null };
    });
    const [ours, theirs] = await Promise.all(hints);
    expect(ours).toEqual(theirs!);
  });

  test("OM-22 OM-24 a value that is not what its hash or its signature says is not taken from a node that gives it", async () => {
    using forger = await FakeNode.open();
    const options = { nodes: [forger.address], onlyClosestNodes: true };
    const { publicKey } = KEY_PAIR;
    for (const kind of KINDS) {
      forger.answer = () => ({});
      const visitor = await both.join(kind, { bootstrap: [forger.address] }, { ephemeral: true });
      forger.answer = () => ({ value: text("forged") });
      expect(await visitor.immutableGet(blake2b256(text("true")).toHex(), options)).toBeNull();
      expect(await visitor.immutableGet(blake2b256(text("forged")).toHex(), options)).not.toBeNull();
      forger.answer = () => ({ value: encodeMutableRecord({ seq: 1, value: text("forged"), signature: nobody }) });
      expect(await visitor.mutableGet(publicKey.toHex(), options)).toBeNull();
      expect(forger.asked.at(-1)).toMatchObject({ command: COMMAND.mutableGet, value: Uint8Array.of(0) });
    }
  });
});
