/** The real hyperdht among itself, on loopback: what the tests that judge ours by it take for granted. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import {
  HyperdhtError,
  type HyperdhtInfo,
  type HyperdhtNode,
  HyperdhtProcess,
  hasNode,
  needsNode,
} from "../support/hyperdht-process.ts";
import { isRoot, Lab, needsRoot } from "../support/namespaces.ts";
import { until } from "../support/until.ts";

const TOPIC = "70".repeat(32);
const SEED = "5e".repeat(32);
const RELAYS = [{ host: "192.0.2.1", port: 1776 }];
const SEQ_TOO_LOW = 17;
const UNKNOWN_COMMAND = 1;
const MUTABLE_PUT = 6;
const FIND_NODE = 2;
const LOOKUP = 3;
const text = (words: string) => Buffer.from(words).toString("hex");
const blake2b = (hex: string) => new Bun.CryptoHasher("blake2b256").update(Buffer.from(hex, "hex")).digest("hex");

/** BLAKE2b of the address: four octets, then the port little-endian. */
function nodeId({ host, port }: Address): string {
  return blake2b(Buffer.from([...host.split(".").map(Number), port & 0xff, port >> 8]).toString("hex"));
}

describe.skipIf(!hasNode)(`the real hyperdht${needsNode}`, () => {
  let hyperdht: HyperdhtProcess;
  let first: HyperdhtNode;
  let [a, b, c]: HyperdhtNode[] = [];
  let bootstrap: Address[] = [];

  beforeAll(async () => {
    hyperdht = await HyperdhtProcess.start();
    first = await hyperdht.bootstrapper("first");
    bootstrap = [await first.address()];
    const started = ["a", "b", "c"].map((name) =>
      hyperdht.node(name, { bootstrap, ephemeral: false, firewalled: false }),
    );
    [a, b, c] = await Promise.all(started);
    await Promise.all([a, b, c].map((node) => node!.ready()));
  });
  afterAll(() => hyperdht.stop());

  test("a bootstrapper and three others are persistent, with the hash of their address for an id", async () => {
    const infos = await Promise.all([first, a!, b!, c!].map((node) => node.info()));
    for (const info of infos) {
      expect(info).toMatchObject({ ephemeral: false, firewalled: false, bootstrapped: true, host: "127.0.0.1" });
      expect(info.remoteAddress).toEqual({ host: "127.0.0.1", port: info.serverPort! });
      expect(info.id).toBe(nodeId(info.remoteAddress!));
    }
    expect(infos[0]!.tableSize).toBe(3);
  });

  test("a node is found by its id", async () => {
    const { id } = await c!.info();
    const { closestNodes, replies } = await a!.findNode(id!);
    expect(closestNodes[0]).toEqual({ id, ...(await c!.address()) });
    expect(replies.map(({ error }) => error)).toEqual(replies.map(() => 0));
  });

  test("what one announces the others look up, until it is unannounced", async () => {
    const announced = await a!.announce(TOPIC, SEED, { relayAddresses: RELAYS, bump: 7 });
    expect(announced.closestNodes).toHaveLength(3); // a does not ask itself
    const { replies } = await b!.lookup(TOPIC);
    expect(replies.length).toBeGreaterThan(0);
    const publicKey = replies[0]!.peers[0]!.publicKey;
    for (const { peers, bump, token } of replies) {
      expect(peers).toEqual([{ publicKey, relayAddresses: RELAYS }]);
      expect(bump).toBe(7);
      expect(token).toHaveLength(64);
    }
    await a!.unannounce(TOPIC, SEED);
    expect((await c!.lookup(TOPIC)).replies).toEqual([]);
  });

  test("an immutable value is had back under its hash", async () => {
    const value = text("what never changes");
    const { hash, closestNodes } = await b!.immutablePut(value);
    expect(hash).toBe(blake2b(value));
    expect(closestNodes).toHaveLength(3);
    expect(await a!.immutableGet(hash)).toMatchObject({ value });
    expect(await a!.immutableGet("00".repeat(32))).toBeNull();
  });

  test("a mutable record goes from one sequence number to a higher one, and not back", async () => {
    const { publicKey } = await a!.mutablePut(SEED, text("one"), 1);
    await b!.mutablePut(SEED, text("two"), 2);
    expect(await c!.mutableGet(publicKey)).toMatchObject({ seq: 2, value: text("two") });
    expect(await c!.mutableGet(publicKey, { seq: 3 })).toBeNull();
    await expect(a!.mutablePut(SEED, text("back"), 1)).resolves.toMatchObject({ seq: 1 }); // refusals are not reported
    expect(await c!.mutableGet(publicKey)).toMatchObject({ seq: 2 });

    const target = blake2b(publicKey);
    const { signature } = await a!.mutablePut(SEED, text("old"), 0);
    const { from, token } = (await a!.findNode(target)).replies[0]!;
    expect(token).toBeNull(); // findNode's replies have none, so it is asked for
    const asked = await a!.request(from, { command: LOOKUP, target });
    const value = `${publicKey}0003${text("old")}${signature}`; // sequence number 0, then 3 bytes
    const refused = await a!.request(from, { command: MUTABLE_PUT, target, token: asked.token!, value });
    expect(refused.error).toBe(SEQ_TOO_LOW);
  });

  test("a peer that listens is found, and echoes what comes over an encrypted stream", async () => {
    const { publicKey } = await a!.listen("server", SEED, { echo: true });
    const { replies } = await b!.findPeer(publicKey);
    expect(replies[0]!.peer.publicKey).toBe(publicKey);
    const opened = await b!.connect("stream", publicKey);
    expect(opened.remotePublicKey).toBe(publicKey);
    const data = text("there and back".repeat(1_000));
    expect(await hyperdht.call<string>("echo", { stream: "stream", data })).toBe(data);
    await hyperdht.call("endStream", { stream: "stream" });
    const isClosed = () => hyperdht.events.some(({ event, stream }) => event === "stream-close" && stream === "stream");
    await until("the stream closes", isClosed);
    await hyperdht.call("closeServer", { server: "server" });
    expect((await b!.findPeer(publicKey)).replies).toEqual([]);
  });

  test("an adaptive node is persistent as soon as it is let ask, and only then stores", async () => {
    const node = await hyperdht.node("adaptive", { bootstrap });
    // Whether it is firewalled still is a race: of its first ping to another socket against the end of its first query.
    expect(await node.ready()).toMatchObject({ ephemeral: true, id: null });
    const to = await node.address();
    expect((await a!.request(to, { command: LOOKUP, target: TOPIC })).error).toBe(UNKNOWN_COMMAND);
    await node.persistSoon();
    await node.tick();
    const isPersistent = async (): Promise<HyperdhtInfo | null> => {
      const info = await node.info();
      return info.ephemeral ? null : info;
    };
    const { id, remoteAddress } = await until("it is persistent", isPersistent);
    expect(id).toBe(nodeId(remoteAddress!));
    expect(hyperdht.events).toContainEqual({ event: "persistent", name: "adaptive", details: [] });
    expect((await a!.request(to, { command: LOOKUP, target: TOPIC })).error).toBe(0);
  });

  test("shorter ticks make an adaptive node persistent by itself", async () => {
    const node = await hyperdht.node("short", { bootstrap }, { tickMs: 20, stableTicks: 2 });
    await until("it is persistent", async () => !(await node.info()).ephemeral);
  });

  test("pings are answered at once or when asked for, and a silent address in four tries, or one", async () => {
    const to = await b!.address();
    expect(await a!.ping(to, { size: 1_000 })).toMatchObject({ error: 0, from: { ...to }, token: null });
    expect((await a!.delayedPing(to, 100)).rtt).toBeWithin(95, 1_000);
    const silent = Bun.udpSocket({ hostname: "127.0.0.1", socket: { data() {} } });
    const { port } = await silent;
    await expect(a!.ping({ host: "127.0.0.1", port }, { retry: false })).rejects.toMatchObject({
      code: "REQUEST_TIMEOUT",
    });
    (await silent).close();
  });

  test("queries are timed where they run", async () => {
    const targets = Array.from({ length: 30 }, (_, i) => blake2b(text(`${i}`)));
    for (const kind of ["findNode", "lookup", "findPeer"] as const) {
      const latencies = await a!.benchQueries(kind, targets, 4);
      expect(latencies).toHaveLength(30);
      for (const ms of latencies) expect(ms).toBeWithin(0.01, 5_000);
    }
    const { rss, cpu } = await hyperdht.memory();
    expect(rss).toBeGreaterThan(10_000_000);
    expect(cpu.user).toBeGreaterThan(0);
  });

  test("what fails is answered, and the process goes on", async () => {
    await expect(hyperdht.call("nonsense")).rejects.toBeInstanceOf(HyperdhtError);
    await expect(hyperdht.call("info", { name: "nobody" })).rejects.toThrow("no node is named nobody");
    await expect(hyperdht.node("a")).rejects.toThrow("exists");
    await expect(hyperdht.call("create", { name: "x", options: { bootstrap: false } })).rejects.toThrow(
      "public network",
    );
    await expect(a!.connect("nowhere", "11".repeat(32))).rejects.toThrow();
    expect(await a!.request(await b!.address(), { command: FIND_NODE, internal: true, target: TOPIC })).toMatchObject({
      error: 0,
    });
    expect(hyperdht.events.filter(({ event }) => event === "failure")).toEqual([]);
  });

  test("it ends when its stdin does, and what was asked of it meanwhile fails", async () => {
    const other = await HyperdhtProcess.start();
    const node = await other.node("alone");
    const answer = node.delayedPing(bootstrap[0]!, 9_000).catch((error: Error) => error.message);
    await other.stop();
    expect(await answer).toContain("has ended");
    expect(() => process.kill(other.pid, 0)).toThrow("ESRCH");
  });
});

test.skipIf(!hasNode || !isRoot)(
  `the real hyperdht runs inside network namespaces${needsNode}${needsRoot}`,
  async () => {
    using lab = new Lab();
    const namespaces = [lab.namespace(), lab.namespace()] as const;
    const [a, b] = namespaces.map((namespace, i) => ({
      namespace,
      name: "cable0",
      addresses: [`192.0.2.${i + 1}/24`],
    }));
    lab.join(a!, b!);
    await using inFirst = await HyperdhtProcess.start({ netns: namespaces[0].name });
    await using inSecond = await HyperdhtProcess.start({ netns: namespaces[1].name });
    const bootstrap = { host: "192.0.2.1", port: 49_737 };
    await inFirst.bootstrapper("first", bootstrap);
    const node = await inSecond.node("second", { bootstrap: [bootstrap], host: "0.0.0.0", ephemeral: false });
    const { remoteAddress, serverPort } = await node.ready();
    expect(remoteAddress).toEqual({ host: "192.0.2.2", port: serverPort! });
  },
);
