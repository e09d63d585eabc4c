/** The real hyperdht's servers and clients find each other, and connect, with nobody to lead them together but nodes of ours. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { BothKinds, type Network } from "../support/hyperdht-both.ts";
import { type Hex, type HyperdhtNode, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { until } from "../support/until.ts";

const DATA = Buffer.from("there and back".repeat(1_000)).toString("hex");
/** Peers on one host that yet have to punch: nobody believes itself open, and nobody tries the local network. */
const FIREWALLED = { quickFirewall: false, ephemeral: true };

let made = 0;

describe.skipIf(!hasNode)(`our nodes${needsNode}`, () => {
  let both: BothKinds;
  let network: Network;
  let relayedBefore = 0;

  beforeAll(async () => {
    both = await BothKinds.start();
    network = await both.network("ours", { ours: 4 });
  });
  afterAll(() => both[Symbol.asyncDispose]());
  beforeEach(async () => {
    relayedBefore = await relayedInAll();
  });

  async function relayedInAll(): Promise<number> {
    const infos = await Promise.all(network.nodes.map((node) => node.info()));
    return infos.map(({ stats }) => stats["relayed"] as number).reduce((sum, relayed) => sum + relayed);
  }

  /** What our nodes have passed on since the test began. */
  const relayed = async () => (await relayedInAll()) - relayedBefore;

  async function listen(node: HyperdhtNode, options = {}): Promise<{ name: string; publicKey: Hex }> {
    const name = `server-${++made}`;
    const { publicKey } = await node.listen(name, made.toString(16).padStart(64, "cd"), { echo: true, options });
    return { name, publicKey };
  }

  /** Connects, and has the server echo some kilobytes. */
  async function echo(node: HyperdhtNode, publicKey: Hex, options = {}): Promise<void> {
    const stream = `stream-${++made}`;
    const opened = await node.connect(stream, publicKey, { options });
    expect(opened.remotePublicKey).toBe(publicKey);
    expect(await both.theirs.call<Hex>("echo", { stream, data: DATA })).toBe(DATA);
    await both.theirs.call("endStream", { stream });
    await until("it is closed", () =>
      both.theirs.events.some((line) => line.event === "stream-close" && line.stream === stream),
    );
  }

  test("OM-20 OM-30 lead a client to a server that listens, and the handshake to it and back", async () => {
    const [server, client] = await Promise.all([both.join("theirs", network), both.join("theirs", network)]);
    const { publicKey } = await listen(server);
    await echo(client, publicKey);
    expect(await relayed()).toBeGreaterThanOrEqual(2); // to the server, and the answer
  });

  test("OM-30 OM-32 lead two firewalled peers together: a handshake and two rounds of punching each way", async () => {
    const [server, client] = await Promise.all([
      both.join("theirs", network, FIREWALLED),
      both.join("theirs", network, FIREWALLED),
    ]);
    expect(await client.info()).toMatchObject({ firewalled: true, ephemeral: true });
    const { publicKey } = await listen(server, { shareLocalAddress: false });
    await echo(client, publicKey, { localConnection: false, fastOpen: false });
    expect(await relayed()).toBeGreaterThanOrEqual(6);
    expect((await client.info()).stats["punches"]).toMatchObject({ consistent: 1, random: 0 });
  });

  test("OM-30 OM-32 lead them together so fast that the first round may be enough", async () => {
    const [server, client] = await Promise.all([
      both.join("theirs", network, FIREWALLED),
      both.join("theirs", network, FIREWALLED),
    ]);
    const { publicKey } = await listen(server, { shareLocalAddress: false });
    await echo(client, publicKey, { localConnection: false });
    expect(await relayed()).toBeGreaterThanOrEqual(2);
  });

  test("OM-30 lead a client to its server through the nodes that it names, and past them where they do not know the server", async () => {
    const [server, client] = await Promise.all([both.join("theirs", network), both.join("theirs", network)]);
    const { publicKey } = await listen(server);
    const { replies } = await client.findPeer(publicKey);
    const knowing = replies.map(({ from: { host, port } }) => ({ host, port }));
    await echo(client, publicKey, { relayAddresses: knowing });
    const others = network.addresses.filter(({ port }) => !knowing.some((known) => known.port === port));
    await echo(client, publicKey, { relayAddresses: others });
  });

  test("OM-03 OM-36 lead nobody to a server that is closed, nor to one that never was", async () => {
    const [server, client] = await Promise.all([both.join("theirs", network), both.join("theirs", network)]);
    const { name, publicKey } = await listen(server);
    await both.theirs.call("closeServer", { server: name });
    for (const key of [publicKey, "11".repeat(32)]) {
      await expect(client.connect(`to ${key}`, key)).rejects.toMatchObject({ code: "PEER_NOT_FOUND" });
    }
    expect(await relayed()).toBe(0);
  });

  test("OM-30 lead them together beside nodes of theirs", async () => {
    const mixed = await both.network("theirs", { ours: 3, theirs: 2 });
    const [server, client] = await Promise.all([
      both.join("theirs", mixed, FIREWALLED),
      both.join("theirs", mixed, FIREWALLED),
    ]);
    const { publicKey } = await listen(server, { shareLocalAddress: false });
    await echo(client, publicKey, { localConnection: false, fastOpen: false });
  });
});
