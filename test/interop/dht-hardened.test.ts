/**
 * Nodes of ours as they are on the public network, hardened, beside the real hyperdht: all on one host that has addresses from
 * all over the internet, and is connected to nothing.
 *
 *   namespace   lo   5.1.0.1, 5.2.0.1, ...   one node at each
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { BOTH_WAYS, BothKinds, KINDS, type Kind } from "../support/hyperdht-both.ts";
import { type HyperdhtNode, type HyperdhtOptions, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { isRoot, Lab, type Namespace, needsRoot } from "../support/namespaces.ts";
import { until } from "../support/until.ts";

const PORT = 49_737;
const SEED = "5e".repeat(32);
const REACHABLE = { ephemeral: false, firewalled: false };
const DATA = Buffer.from("there and back".repeat(1_000)).toString("hex");

describe.skipIf(!hasNode || !isRoot)(`hardened nodes of ours${needsNode}${needsRoot}`, () => {
  let lab: Lab;
  let namespace: Namespace;
  let both: BothKinds;
  let hosts = 0;
  const nodes: { readonly [kind in Kind]: HyperdhtNode[] } = { ours: [], theirs: [] };
  let bootstrap: Address[];

  /** An address on a network of its own. */
  function freshHost(): string {
    const host = `5.${++hosts}.0.1`;
    namespace.run("ip", "address", "add", `${host}/32`, "dev", "lo");
    return host;
  }

  async function join(kind: Kind, options: HyperdhtOptions, host = freshHost()): Promise<HyperdhtNode> {
    const node = await both[kind].node(host, { bootstrap, host, ...options });
    await node.ready();
    return node;
  }

  beforeAll(async () => {
    lab = new Lab();
    namespace = lab.namespace();
    both = await BothKinds.start({ netns: namespace.name });
    bootstrap = [{ host: freshHost(), port: PORT }];
    nodes.ours.push(await both.ours.bootstrapper("first", bootstrap[0]));
    for (const kind of KINDS) for (let i = 0; i < 3; i++) nodes[kind].push(await join(kind, REACHABLE));
  });
  afterAll(async () => {
    expect(both.failures).toEqual([]);
    await both[Symbol.asyncDispose]();
    lab.close();
  });

  test("OM-37 answer theirs in time: nothing that theirs ask has to be asked twice", async () => {
    for (const node of [...nodes.ours, ...nodes.theirs]) {
      await until(`${node.name} knows all others`, async () => (await node.info()).tableSize === 6);
    }
    const visitor = await join("theirs", { ephemeral: true });
    const { replies, closestNodes } = await visitor.findNode(SEED);
    expect([replies.length, closestNodes.length]).toEqual([7, 7]);
    for (const node of [...nodes.theirs, visitor]) {
      expect((await node.info()).stats.requests).toMatchObject({ retries: 0, timeouts: 0 });
    }
  });

  test("OM-26 ping the server socket of theirs that asks, which then is open and persistent", async () => {
    const node = await join("theirs", { ephemeral: false, firewalled: true });
    expect(await node.info()).toMatchObject({ firewalled: false, ephemeral: false });
  });

  test("NU-42 store and give what theirs announces and puts, and the reverse, but announce no private address", async () => {
    const routed = { host: "5.99.0.1", port: 1776 };
    const relayAddresses = [{ host: "10.0.0.1", port: 1 }, { host: "127.0.0.1", port: 2 }, routed];
    for (const [doer, finder] of BOTH_WAYS) {
      const [announcer, looker] = [await join(doer, { ephemeral: true }), await join(finder, { ephemeral: true })];
      const topic = Buffer.from(`announced by ${doer}`).toString("hex").padEnd(64, "0");
      await announcer.announce(topic, SEED, { relayAddresses });
      const { replies } = await looker.lookup(topic);
      expect(replies.length).toBeGreaterThanOrEqual(7);
      const announced = doer === "ours" ? [routed] : relayAddresses;
      const publicKey = keyPairFromSeed(Uint8Array.fromHex(SEED)).publicKey.toHex();
      for (const { peers } of replies) expect(peers).toEqual([{ publicKey, relayAddresses: announced }]);
      const { hash } = await announcer.immutablePut(topic);
      expect(await looker.immutableGet(hash)).toMatchObject({ value: topic });
    }
  });

  test("OM-30 OM-32 lead firewalled peers of theirs together", async () => {
    const firewalled = { ephemeral: true, quickFirewall: false };
    const [server, client] = [await join("theirs", firewalled), await join("theirs", firewalled)];
    const { publicKey } = await server.listen("server", SEED, { echo: true, options: { shareLocalAddress: false } });
    await client.connect("stream", publicKey, { options: { localConnection: false, fastOpen: false } });
    expect(await both.theirs.call<string>("echo", { stream: "stream", data: DATA })).toBe(DATA);
  });

  test("OM-37 keep no more than two nodes of one network, whoever they are", async () => {
    const crowd = [1, 2, 3, 4].map((last) => `5.200.0.${last}`);
    for (const host of crowd) {
      namespace.run("ip", "address", "add", `${host}/32`, "dev", "lo");
      await join("theirs", REACHABLE, host);
    }
    for (const [kind, kept] of [
      ["ours", 2],
      ["theirs", 4],
    ] as const) {
      const { nodes: known } = await nodes[kind][0]!.info();
      expect(known.filter(({ host }) => crowd.includes(host))).toHaveLength(kept);
    }
  });
});
