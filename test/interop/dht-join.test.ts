/** Nodes of both kinds in one network: joining, knowing each other, becoming persistent, leaving, sleeping. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import { compareDistance, nodeId } from "../../src/dht/peer.ts";
import { encodeAddress4, INTERNAL } from "../../src/wire/rpc.ts";
import { BOTH_WAYS, BothKinds, KINDS, type Kind, type Network } from "../support/hyperdht-both.ts";
import { FakeNode } from "../support/hyperdht-fake-node.ts";
import { type HyperdhtNode, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { until } from "../support/until.ts";

const TARGET = "7a".repeat(32);
const K = 20;

const byPort = (a: Address, b: Address) => a.port - b.port;
const plain = ({ host, port }: Address) => ({ host, port });

/** What it has in its routing table, in the order of ports. */
async function knows(node: HyperdhtNode): Promise<Address[]> {
  return (await node.info()).nodes.map(plain).sort(byPort);
}

function answers(asker: HyperdhtNode, to: Address): Promise<boolean> {
  return asker.ping(to, { retry: false }).then(
    ({ error }) => error === 0,
    () => false,
  );
}

describe.skipIf(!hasNode)(`nodes of both kinds${needsNode}`, () => {
  let both: BothKinds;
  /** Of ours alone; of theirs alone. Both have enough nodes for a firewall probe: five. */
  let networks: { readonly [kind in Kind]: Network };
  /** Begun early: it has to wait for a tick of five seconds. */
  let adaptive: Promise<HyperdhtNode>;
  /** In the tables of both nodes of `missing`, silent, and said to be down; begun early, too: four seconds are its due. */
  let fading: FakeNode;
  let missing: Network;

  beforeAll(async () => {
    both = await BothKinds.start();
    const [ours, theirs] = await Promise.all(KINDS.map((kind) => both.network(kind, { [kind]: 5 })));
    networks = { ours: ours!, theirs: theirs! };
    adaptive = both.join("ours", networks.theirs, {}, { stableTicks: 1 });
    missing = await both.network("ours", { theirs: 1 });
    fading = await FakeNode.open();
    fading.answer = () => null;
    for (const to of missing.addresses) {
      fading.ask(to);
      fading.ask(to, { isInternal: true, command: INTERNAL.downHint, value: encodeAddress4(fading.address) });
    }
    await until("both have pinged it", () => fading.asked.length >= 2);
  });
  afterAll(async () => {
    fading[Symbol.dispose]();
    expect(both.failures).toEqual([]);
    await both[Symbol.asyncDispose]();
  });

  for (const [first, joiner] of BOTH_WAYS) {
    test(`OM-01 OM-04 OM-05 ${joiner} joins a network that ${first} began, and each then has the other`, async () => {
      const network = await both.network(first, { [joiner]: 1 });
      const [begun, joined] = network.nodes as [HyperdhtNode, HyperdhtNode];
      for (const node of [begun, joined]) {
        const info = await node.info();
        const address = await node.address();
        expect(info).toMatchObject({ ephemeral: false, firewalled: false, bootstrapped: true, remoteAddress: address });
        expect(info.id).toBe(nodeId(address).toHex());
        expect(await knows(node)).toEqual(network.addresses.filter(({ port }) => port !== address.port));
      }
    });

    test(`OM-06 OM-30 one bootstrap node of ${first} alone stores what ${joiner} announces and puts`, async () => {
      const network = await both.network(first);
      const [putter, getter] = [await both.visitor(joiner, network), await both.visitor(joiner, network)];
      expect((await putter.announce(TARGET, TARGET)).closestNodes.map(plain)).toEqual([...network.bootstrap]);
      expect((await getter.lookup(TARGET)).replies).toHaveLength(1);
      const { hash } = await putter.immutablePut("616263");
      expect(await getter.immutableGet(hash)).toMatchObject({ value: "616263", from: network.bootstrap[0] });
    });

    test(`OM-26 OM-31 ${joiner}, believed firewalled, has ${first} ping its server socket, and is open and persistent`, async () => {
      const node = await both.join(joiner, networks[first], { ephemeral: false, firewalled: true });
      const address = await node.address();
      expect(await node.info()).toMatchObject({
        ...{ firewalled: false, ephemeral: false, randomized: false },
        remoteAddress: address,
        id: nodeId(address).toHex(),
      });
      const [asker] = networks[first].nodes;
      await until("it is in their tables", async () => (await knows(asker!)).some(({ port }) => port === address.port));
    });
  }

  test("OM-26 an adaptive node of theirs is persistent in a network of ours as soon as it is let ask", async () => {
    const node = await both.join("theirs", networks.ours);
    expect((await node.info()).ephemeral).toBe(true);
    await node.persistSoon();
    await node.tick();
    const { remoteAddress } = await until("it is persistent", async () => {
      const info = await node.info();
      return info.ephemeral ? null : info;
    });
    const [asker] = networks.ours.nodes;
    await node.findNode(TARGET); // whom it asks learns its id
    await until("ours have it", async () => (await knows(asker!)).some(({ port }) => port === remoteAddress!.port));
  });

  test("OM-30 twelve persistent nodes of both kinds have each other, and no ephemeral one", async () => {
    const network = await both.network("ours", { ours: 5, theirs: 6 });
    const visitors = await Promise.all(KINDS.map((kind) => both.visitor(kind, network)));
    const all = network.addresses.toSorted(byPort);
    for (const [i, node] of network.nodes.entries()) {
      const { port } = network.addresses[i]!;
      const others = all.filter((other) => other.port !== port);
      await until(`${node.name} has all others`, async () => Bun.deepEquals(await knows(node), others));
    }
    for (const visitor of visitors) {
      expect(await visitor.info()).toMatchObject({ id: null, ephemeral: true, host: "127.0.0.1" });
      expect(await knows(visitor)).toEqual(all);
    }
  });

  test("OM-30 among forty nodes of both kinds either kind finds twenty, and first the ten that are nearest", async () => {
    const network = await both.network("theirs", { ours: 20, theirs: 19 });
    const target = Uint8Array.fromHex(TARGET);
    const nearest = network.addresses
      .toSorted((a, b) => compareDistance(target, nodeId(a), nodeId(b)))
      .map(({ host, port }) => ({ id: nodeId({ host, port }).toHex(), host, port }));
    for (const kind of KINDS) {
      const visitor = await both.visitor(kind, network);
      const { closestNodes } = await visitor.findNode(TARGET);
      expect(closestNodes).toHaveLength(K);
      // Of the last few the rows of a routing table do not tell: in one walk of six either kind gives one that is a little farther.
      expect(closestNodes.slice(0, 10)).toEqual(nearest.slice(0, 10));
    }
  });

  for (const [leaver, asker] of BOTH_WAYS) {
    test(`OM-03 OM-35 ${leaver} is silent while suspended, is asked by ${asker} on the same port again, and is gone when destroyed`, async () => {
      const network = await both.network(asker, { [leaver]: 1 });
      const [asking, leaving] = network.nodes as [HyperdhtNode, HyperdhtNode];
      const address = await leaving.address();
      await leaving.suspend();
      expect(await answers(asking, address)).toBe(false);
      await leaving.resume();
      await until("it answers", () => answers(asking, address));
      expect(await leaving.address()).toEqual(address);
      expect(await leaving.ping(network.bootstrap[0]!)).toMatchObject({ error: 0 });
      expect((await asking.announce(TARGET, TARGET)).closestNodes.map(plain)).toEqual([address]);
      await leaving.destroy();
      expect(await answers(asking, address)).toBe(false);
    });
  }

  test("OM-30 a node that is said to be down and answers no ping is dropped by both kinds", async () => {
    const { port } = fading.address;
    for (const node of missing.nodes) {
      await until("it is gone", async () => !(await knows(node)).some((known) => known.port === port), {
        withinMs: 6_000,
      });
    }
    expect(fading.asked.length).toBeGreaterThan(2);
  }, 8_000);

  test("OM-26 an adaptive node of ours is persistent in a network of theirs after its first tick", async () => {
    const node = await adaptive;
    const { port } = await node.address();
    await until("it is persistent", async () => !(await node.info()).ephemeral, { withinMs: 8_000 });
    const [asker] = networks.theirs.nodes;
    await node.findNode(TARGET);
    await until("theirs have it", async () => (await knows(asker!)).some((known) => known.port === port));
    expect(both.ours.events).toContainEqual({ event: "persistent", name: node.name, details: [] });
  }, 10_000);
});
