/** The gateway's own part: what it refuses, how it begins and ends, what it tells. What nodes say to others: `test/interop`. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { Gateway, type GatewayOptions, type Testnet, testnet } from "../../../../src/index.ts";
import { until } from "../../../support/until.ts";

const HOST = "127.0.0.1";
const TARGET = new Uint8Array(32).fill(0x5a);
const KEY_PAIR = Gateway.keyPair(new Uint8Array(32).fill(0x5e));
const text = (words: string) => new TextEncoder().encode(words);

let network: Testnet;
let opened: Gateway[] = [];

beforeAll(async () => {
  network = await testnet(4);
});
afterAll(() => network.destroy());
afterEach(async () => {
  for (const gateway of opened) await gateway.destroy();
  opened = [];
});

/** A gateway that ends with the test; alone unless it is told of others. */
function open(options: GatewayOptions = {}): Gateway {
  const gateway = new Gateway({ host: HOST, port: 0, bootstrap: [], ...options });
  opened.push(gateway);
  return gateway;
}

/** Of the network, but stores nothing. */
const visitor = (options: GatewayOptions = {}) => open({ bootstrap: network.bootstrap, ephemeral: true, ...options });

/** A port where nobody answers. */
async function silentPort() {
  const socket = await Bun.udpSocket({ hostname: HOST, port: 0, socket: { data() {} } });
  return { address: { host: HOST, port: socket.port }, [Symbol.dispose]: () => socket.close() };
}

const refusedWith = (code: string) => expect.objectContaining({ code });

test("OM-02 a seed gives the key pair that RFC 8032 has for it, and no seed another each time", () => {
  const seed = Uint8Array.fromHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const { publicKey, secretKey } = Gateway.keyPair(seed);
  expect(publicKey.toHex()).toBe("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  expect(secretKey.toHex()).toBe(seed.toHex() + publicKey.toHex());
  expect(Gateway.keyPair(seed)).toEqual({ publicKey, secretKey });
  expect(Gateway.keyPair().publicKey).not.toEqual(Gateway.keyPair().publicKey);
  expect(open({ seed }).defaultKeyPair).toEqual({ publicKey, secretKey });
  expect(open({ keyPair: KEY_PAIR }).defaultKeyPair).toBe(KEY_PAIR);
});

test("hash is BLAKE2b-256", () => {
  const expected = new Bun.CryptoHasher("blake2b256").update("abc").digest("hex");
  expect(Gateway.hash(text("abc")).toHex()).toBe(expected);
});

test("OM-04 a bootstrapper is refused a host that nobody can reach, and a port that is not one", () => {
  for (const host of ["0.0.0.0", "::", "::1", "", "localhost", undefined as unknown as string]) {
    expect(() => Gateway.bootstrapper(1776, host)).toThrow("a bootstrap node needs its own public address");
  }
  for (const port of [0, -1, 65_536, 1.5]) {
    expect(() => Gateway.bootstrapper(port, HOST)).toThrow(`port is ${port}; a bootstrap node needs a fixed one`);
  }
});

test("OM-04 OM-06 a bootstrapper is on exactly that port, persistent with nobody else there, and elsewhere not at all", async () => {
  using free = await silentPort();
  const { port } = free.address;
  free[Symbol.dispose]();
  const first = Gateway.bootstrapper(port, HOST, { host: HOST });
  opened.push(first);
  await first.ready();
  expect(first.address()).toEqual({ host: HOST, port });
  expect(first).toMatchObject({ ephemeral: false, firewalled: false, firewall: "open", host: HOST, port });
  expect(first.id).toHaveLength(32);
  const second = Gateway.bootstrapper(port, HOST, { host: HOST });
  await expect(second.ready()).rejects.toMatchObject({ code: "PORT_IN_USE" });
  await second.destroy();
});

test("OM-36 OM-45 a taken port is an error with anyPort false, and otherwise another is found", async () => {
  const { port } = network.bootstrap[0]!;
  const strict = open({ port, anyPort: false });
  for (const ask of [() => strict.bind(), () => strict.ready(), () => strict.ping({ host: HOST, port })]) {
    await expect(ask()).rejects.toMatchObject({
      code: "PORT_IN_USE",
      message: `UDP ${HOST}:${port} is already in use`,
    });
  }
  await strict.destroy();
  const easy = open({ port });
  await easy.bind();
  expect(easy.address()!.port).not.toBe(port);
  await expect(open({ host: "192.0.2.1" }).bind()).rejects.toMatchObject({ code: "HOST_NOT_OURS" });
});

test("OM-01 OM-43 a bootstrap node may be named: localhost is found", async () => {
  const { port } = network.bootstrap[0]!;
  const gateway = open({ bootstrap: [`localhost:${port}`], hardened: false });
  await gateway.ready();
  expect(gateway.size).toBe(network.nodes.length);
});

test("OM-43 a name that is no more does not keep the others from being asked", async () => {
  const gateway = open({ bootstrap: ["nowhere.invalid:1776", ...network.bootstrap], hardened: false });
  await gateway.ready();
  expect(gateway.size).toBe(network.nodes.length);
});

test("saved nodes are enough to join again, without a bootstrap list", async () => {
  const first = visitor();
  await first.ready();
  const nodes = first.toArray({ limit: 2 });
  expect(nodes).toHaveLength(2);
  const second = open({ nodes, ephemeral: true });
  await second.ready();
  expect(second.size).toBe(network.nodes.length);
});

test("it says that it listens, is ready, persistent, where others see it, and whom it knows", async () => {
  await using others = await testnet(3); // who will miss it
  const gateway = open({ bootstrap: others.bootstrap, ephemeral: false, firewalled: false });
  const events: string[] = [];
  for (const event of ["listening", "ready", "persistent", "nat-update", "add-node", "close"] as const) {
    gateway.on(event, () => events.push(event));
  }
  expect(gateway).toMatchObject({ id: null, host: null, port: 0, ephemeral: true, bootstrapped: false, size: 0 });
  expect(gateway.address()).toBeNull();
  await gateway.ready();
  expect(gateway).toMatchObject({ ephemeral: false, bootstrapped: true, size: others.nodes.length, host: HOST });
  expect(gateway.remoteAddress()).toEqual(gateway.address());
  await gateway.destroy();
  expect(events[0]).toBe("listening");
  expect(events.filter((event) => event === "add-node")).toHaveLength(others.nodes.length);
  expect(events.indexOf("persistent")).toBeLessThan(events.indexOf("ready"));
  expect(events.at(-1)).toBe("close");
});

test("OM-36 what nobody answers fails with REQUEST_TIMEOUT, and says what it was", async () => {
  using silent = await silentPort();
  const gateway = open();
  const { host, port } = silent.address;
  const asked = [
    gateway.ping(silent.address, { retries: 0 }),
    gateway.request({ command: 99 }, silent.address, { retries: 0 }),
    gateway.delayedPing(silent.address, 0, { retries: 0 }),
  ];
  const failures = await Promise.all(asked.map((promise) => promise.catch((error) => error)));
  expect(failures.map(({ code, message }) => `${code}: ${message}`)).toEqual([
    `REQUEST_TIMEOUT: a ping to ${host}:${port} was not answered in time`,
    `REQUEST_TIMEOUT: command 99 to ${host}:${port} was not answered in time`,
    `REQUEST_TIMEOUT: a delayed ping to ${host}:${port} was not answered in time`,
  ]);
});

test("OM-36 a delay, a target, a key, a seq, a value and a setting that cannot be are refused before anything is sent", async () => {
  const gateway = open({ maxPingDelay: 100 });
  const to = { host: HOST, port: 1 };
  const short = new Uint8Array(31);
  for (const delay of [101, -1, 0.5]) expect(() => gateway.delayedPing(to, delay)).toThrow(refusedWith("BAD_DELAY"));
  for (const walk of [() => gateway.lookup(short), () => gateway.findNode(short), () => gateway.findPeer(short)]) {
    expect(walk).toThrow(refusedWith("BAD_ARGUMENT"));
  }
  expect(() => gateway.announce(short)).toThrow("topic is 31 bytes; expected 32 bytes");
  expect(() => gateway.lookup(TARGET, { cocurrency: 1 } as object)).toThrow(refusedWith("UNKNOWN_OPTION"));
  await expect(gateway.immutableGet(short)).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  await expect(gateway.mutableGet(short)).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  for (const seq of [-1, 1.5, 2 ** 53]) {
    await expect(gateway.mutablePut(KEY_PAIR, text("a"), { seq })).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  }
  const long = new Uint8Array(1_001);
  await expect(gateway.immutablePut(long)).rejects.toMatchObject({ code: "BAD_VALUE" });
  await expect(gateway.mutablePut(KEY_PAIR, long)).rejects.toMatchObject({ code: "BAD_VALUE" });
  await expect(gateway.immutablePut("text" as unknown as Uint8Array)).rejects.toMatchObject({ code: "BAD_VALUE" });
});

test("OM-36 to put or announce where nobody is fails with TOO_FEW_NODES, and a search finds nothing", async () => {
  const alone = open();
  await alone.ready();
  for (const put of [
    () => alone.immutablePut(text("a")),
    () => alone.mutablePut(KEY_PAIR, text("a")),
    () => alone.announce(TARGET).finished(),
  ]) {
    await expect(put()).rejects.toMatchObject({ code: "TOO_FEW_NODES" });
  }
  expect(await Array.fromAsync(alone.lookup(TARGET))).toEqual([]);
  expect(await alone.immutableGet(TARGET)).toBeNull();
});

test("OM-23 OM-36 a put with a seq that is used up is told so", async () => {
  const gateway = visitor();
  await gateway.mutablePut(KEY_PAIR, text("two"), { seq: 2 });
  await expect(gateway.mutablePut(KEY_PAIR, text("one"), { seq: 1 })).rejects.toMatchObject({
    ...{ code: "SEQ_TOO_LOW", message: "the network has seq 2, and this is 1" },
  });
  await expect(gateway.mutablePut(KEY_PAIR, text("too"), { seq: 2 })).rejects.toMatchObject({ code: "SEQ_REUSED" });
  expect(await gateway.mutablePut(KEY_PAIR, text("two"), { seq: 2 })).toMatchObject({ seq: 2 });
  expect(await gateway.mutableGet(KEY_PAIR.publicKey)).toMatchObject({ seq: 2, value: text("two") });
});

test("OM-25 a value that was found may be put once more on the way", async () => {
  const gateway = visitor();
  const keyPair = Gateway.keyPair();
  const [only] = network.bootstrap;
  await gateway.mutablePut(keyPair, text("kept"), { nodes: [only!], onlyClosestNodes: true });
  const stored = () => network.nodes.map((node) => node.stats!.stored.mutables);
  const before = stored();
  await gateway.mutableGet(keyPair.publicKey, { refresh: () => false });
  expect(stored()).toEqual(before);
  expect((await gateway.mutableGet(keyPair.publicKey, { refresh: () => true }))!.value).toEqual(text("kept"));
  expect(stored()).toEqual(before.map((count, i) => count + (i === 0 ? 0 : 1)));
});

test("OM-35 OM-36 while suspended it refuses, what was under way has failed, and resumed it is where it was", async () => {
  using silent = await silentPort();
  const gateway = visitor();
  await gateway.ready();
  const address = gateway.address();
  const events: string[] = [];
  for (const event of ["suspend", "resume", "wakeup"] as const) gateway.on(event, () => events.push(event));
  const asked = gateway.ping(silent.address).catch((error) => error);
  const walked = gateway.findNode(TARGET, { nodes: [silent.address], onlyClosestNodes: true }).finished();
  const failed = walked.catch((error) => error);
  await until("both are under way", () => gateway.stats!.pending >= 2);
  await gateway.suspend();
  await gateway.suspend();
  expect(gateway.suspended).toBe(true);
  expect(await asked).toMatchObject({ code: "IO_SUSPENDED" });
  expect(await failed).toMatchObject({ code: "IO_SUSPENDED" });
  await expect(gateway.ping(network.bootstrap[0]!)).rejects.toMatchObject({
    code: "SUSPENDED",
    hint: "resume() first",
  });
  await expect(gateway.immutablePut(text("a"))).rejects.toMatchObject({ code: "SUSPENDED" });
  expect(gateway.address()).toEqual(address);
  await gateway.resume();
  await gateway.resume();
  expect(gateway.suspended).toBe(false);
  expect(gateway.address()).toEqual(address);
  expect(await gateway.ping(network.bootstrap[0]!)).toMatchObject({ error: 0 });
  expect(await gateway.immutablePut(text("a"))).toMatchObject({ closestNodes: expect.any(Array) });
  expect(events).toEqual(["suspend", "wakeup", "resume"]);
});

test("OM-35 a port that was taken meanwhile is not waited for", async () => {
  const gateway = visitor();
  await gateway.ready();
  const { port } = gateway.address()!;
  await gateway.suspend();
  const thief = await Bun.udpSocket({ hostname: HOST, port });
  await gateway.resume();
  expect(gateway.address()!.port).not.toBe(port);
  expect(await gateway.ping(network.bootstrap[0]!)).toMatchObject({ error: 0 });
  thief.close();
});

test("OM-03 OM-36 destroyed it ends what was under way, refuses what comes, and may be destroyed again", async () => {
  using silent = await silentPort();
  const gateway = visitor();
  await gateway.ready();
  const asked = gateway.ping(silent.address).catch((error) => error);
  const walk = gateway.findNode(TARGET, { nodes: [silent.address], onlyClosestNodes: true });
  const failed = walk.finished().catch((error) => error);
  await until("both are under way", () => gateway.stats!.pending >= 2);
  let closed = 0;
  gateway.on("close", () => closed++);
  await Promise.all([gateway.destroy(), gateway.destroy()]);
  await gateway.destroy();
  expect([gateway.destroyed, closed]).toEqual([true, 1]);
  expect(await asked).toMatchObject({ code: "REQUEST_DESTROYED" });
  expect(await failed).toMatchObject({ code: "REQUEST_DESTROYED" });
  await expect(gateway.ping(silent.address)).rejects.toMatchObject({ code: "NODE_DESTROYED" });
  await expect(gateway.lookup(TARGET).finished()).rejects.toMatchObject({ code: "NODE_DESTROYED" });
  await gateway.suspend();
  await gateway.resume();
  expect(gateway.suspended).toBe(false);
});

test("OM-03 destroyed before its sockets are open, it never opens them for good", async () => {
  using free = await silentPort();
  const { port } = free.address;
  free[Symbol.dispose]();
  const gateway = new Gateway({ host: HOST, port, anyPort: false, bootstrap: [] });
  await gateway.destroy();
  await expect(gateway.ready()).rejects.toMatchObject({ code: "NODE_DESTROYED" });
  await expect(gateway.bind()).rejects.toMatchObject({ code: "NODE_DESTROYED" });
  const again = await Bun.udpSocket({ hostname: HOST, port });
  again.close();
});

test("a walk that is asked for before the network is found waits for it", async () => {
  const { hash } = await visitor().immutablePut(text("early"));
  expect(await visitor().immutableGet(hash)).toMatchObject({ value: text("early") });
});

test("a walk gives each reply once, to whoever reads it late, and ends when the reader leaves", async () => {
  const gateway = visitor();
  const walk = gateway.findNode(TARGET);
  await walk.finished();
  expect(await Array.fromAsync(walk)).toHaveLength(network.nodes.length);
  expect(walk.closestNodes).toHaveLength(network.nodes.length);
  using silent = await silentPort();
  const nodes = [network.bootstrap[0]!, silent.address];
  for await (const reply of gateway.findNode(TARGET, { nodes, onlyClosestNodes: true })) {
    expect(reply.from).toMatchObject(network.bootstrap[0]!);
    break;
  }
  expect(gateway.stats!.pending).toBe(0);
});

test("OM-45 a walk asks only the nodes that it is given, if it is told to, and as often as it is told to", async () => {
  using silent = await silentPort();
  const gateway = visitor();
  await gateway.ready();
  const startedAt = performance.now();
  const nodes = [silent.address];
  const options = { nodes, onlyClosestNodes: true, retries: 0, concurrency: 1 };
  expect(await Array.fromAsync(gateway.findNode(TARGET, options))).toEqual([]);
  expect(performance.now() - startedAt).toBeWithin(950, 1_900);
});

test("OM-21 an unannouncement takes what the gateway stores itself, too", async () => {
  const [, storing] = network.nodes as [Gateway, Gateway];
  const before = storing.stats!.stored.announcements;
  await visitor().announce(TARGET, KEY_PAIR).finished();
  expect(storing.stats!.stored.announcements).toBe(before + 1);
  await storing.unannounce(TARGET, KEY_PAIR); // which does not ask itself
  expect(storing.stats!.stored.announcements).toBe(before);
  expect(await Array.fromAsync(visitor().lookup(TARGET))).toEqual([]);
});

test("a node is added by hand, and a command of one's own walks", async () => {
  const alone = open({ ephemeral: true });
  await alone.ready();
  alone.addNode(network.bootstrap[0]!);
  expect(alone.size).toBe(1);
  const walk = alone.query({ command: 3, target: TARGET });
  expect(await Array.fromAsync(walk)).toHaveLength(network.nodes.length);
  expect(await Array.fromAsync(alone.query({ command: 99, target: TARGET }))).toEqual([]); // refusals are no replies
});
