/** Servers and the connections to them, over a network on this machine. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { Gateway, type GatewayOptions, type Testnet, testnet } from "../../../../src/index.ts";
import type { SecretSocket } from "../../../../src/io/gateway/secret-socket.ts";
import type { Server, ServerOptions } from "../../../../src/io/gateway/server.ts";
import { until } from "../../../support/until.ts";

const HOST = "127.0.0.1";
const text = (words: string) => new TextEncoder().encode(words);
const refusedWith = (code: string) => expect.objectContaining({ code });

let network: Testnet;
let opened: Gateway[] = [];

beforeAll(async () => {
  network = await testnet(4);
});
afterAll(() => network.destroy());
afterEach(async () => {
  for (const gateway of opened) await gateway.destroy({ force: true });
  opened = [];
});

/** A gateway of the network that ends with the test. */
async function join(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = new Gateway({ host: HOST, port: 0, bootstrap: network.bootstrap, ephemeral: true, ...options });
  opened.push(gateway);
  await gateway.ready();
  return gateway;
}

/** A server that counts what it tells. */
async function serve(gateway: Gateway, options: ServerOptions = {}, keyPair = Gateway.keyPair()) {
  const server = gateway.createServer(options);
  const sockets: SecretSocket[] = [];
  const told: string[] = [];
  for (const name of ["listening", "connection", "close"] as const) server.on(name, () => told.push(name));
  server.on("connection", (socket) => sockets.push(socket));
  await server.listen(keyPair);
  return { server, sockets, told, keyPair };
}

function echo(server: Server): void {
  server.on("connection", (socket) => {
    socket.on("data", (message) => socket.write(message));
    socket.on("end", () => socket.end());
  });
}

/** All that comes until its end. */
async function readAll(socket: AsyncIterable<Uint8Array>): Promise<string[]> {
  const words: string[] = [];
  for await (const message of socket) words.push(new TextDecoder().decode(message));
  return words;
}

test("OM-07 OM-10 a dial reaches the server with that key, and both ends know whom they talk to", async () => {
  const [first, second] = [await join(), await join()];
  const { server, sockets } = await serve(first);
  const other = await serve(first);
  const hashes = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const socket = second.connect(server.publicKey!);
    await socket.opened;
    await until("the server is told", () => sockets.length === i + 1);
    expect(sockets[i]!.remotePublicKey).toEqual(second.defaultKeyPair.publicKey);
    expect(socket.remotePublicKey).toEqual(server.publicKey!);
    expect(socket.handshakeHash).toEqual(sockets[i]!.handshakeHash);
    expect([socket.isInitiator, sockets[i]!.isInitiator]).toEqual([true, false]);
    hashes.add(socket.handshakeHash!.toHex());
  }
  expect([hashes.size, other.sockets]).toEqual([2, []]);
});

test("OM-07 OM-36 a server listens once, and one key has one server", async () => {
  const gateway = await join();
  const { server, keyPair } = await serve(gateway);
  expect(server.listen(keyPair)).rejects.toEqual(refusedWith("ALREADY_LISTENING"));
  expect(gateway.createServer().listen(keyPair)).rejects.toEqual(refusedWith("KEYPAIR_ALREADY_USED"));
});

test("OM-13 OM-42 listening and close are told once, and the key can be listened on again", async () => {
  const gateway = await join();
  const { server, told, keyPair } = await serve(gateway);
  expect([server.listening, server.closed]).toEqual([true, false]);
  await Promise.all([server.close(), server.close()]);
  await server.close();
  expect([server.listening, server.closed, told]).toEqual([false, true, ["listening", "close"]]);
  expect((await join()).connect(keyPair.publicKey).opened).rejects.toEqual(refusedWith("PEER_NOT_FOUND"));
  const again = await serve(gateway, {}, keyPair);
  await (await join()).connect(keyPair.publicKey).opened;
  expect(again.server.listening).toBe(true);
});

test("OM-13 a server that is closed before it listens never does", async () => {
  const gateway = await join();
  const server = gateway.createServer();
  const listening = server.listen(Gateway.keyPair());
  await server.close();
  expect(listening).rejects.toEqual(refusedWith("SERVER_CLOSED"));
});

test("OM-03 OM-13 a server ends with its gateway, however that ends", async () => {
  const gateway = await join();
  const { server, told } = await serve(gateway);
  const late = gateway.createServer();
  const listening = late.listen(Gateway.keyPair());
  const failed = listening.catch((error) => error);
  await until("it begins", () => late.publicKey !== null);
  await gateway.destroy({ force: true });
  await server.close();
  expect([server.closed, told]).toEqual([true, ["listening", "close"]]);
  expect(await failed).toMatchObject({ code: "NODE_DESTROYED" });
  await late.close();
});

test("OM-35 a server that could not listen while its gateway was suspended can when it is resumed", async () => {
  const gateway = await join();
  const server = gateway.createServer();
  await gateway.suspend();
  await expect(server.listen(Gateway.keyPair())).rejects.toEqual(refusedWith("SUSPENDED"));
  expect(server.publicKey).toBeNull();
  await gateway.resume();
  await server.listen(Gateway.keyPair());
  expect(server.listening).toBe(true);
});

test("OM-13 connections outlive their server", async () => {
  const { server, sockets } = await serve(await join());
  echo(server);
  const socket = (await join()).connect(server.publicKey!);
  await socket.opened;
  await server.close();
  socket.write(text("still here"));
  socket.end();
  expect(await readAll(socket)).toEqual(["still here"]);
  await until("both are over", () => socket.closed && sockets[0]!.closed);
});

test("OM-08 the firewall is asked with the key and the payload before the connection is told, and true rejects", async () => {
  const [first, second] = [await join(), await join()];
  const asked: { key: string; version: number; connections: number }[] = [];
  const friend = Gateway.keyPair();
  const { server, sockets } = await serve(first, {
    firewall: (key, { version }) => {
      asked.push({ key: key.toHex(), version, connections: sockets.length });
      return key.toHex() !== friend.publicKey.toHex();
    },
  });
  await second.connect(server.publicKey!, { keyPair: friend }).opened;
  await until("the server is told", () => sockets.length === 1);
  expect(asked[0]).toEqual({ key: friend.publicKey.toHex(), version: 1, connections: 0 });
});

test("OM-09 a firewall that says true, throws, or answers later rejects: no connection, no answer, and the dial ends", async () => {
  const throws = () => {
    throw new Error("no database");
  };
  const answersLater = (async () => false) as unknown as () => boolean;
  const [first, second] = [await join(), await join()];
  const rejections = [() => true, throws, answersLater].map(async (firewall) => {
    const { server, told } = await serve(first, { firewall });
    const { opened } = second.connect(server.publicKey!);
    await opened.catch(() => {});
    expect(opened).rejects.toEqual(refusedWith("PEER_CONNECTION_FAILED"));
    expect(told).toEqual(["listening"]);
  });
  await Promise.all(rejections);
}, 15_000);

test("OM-14 a key that nobody listens under is not found, by whatever name", async () => {
  const gateway = await join();
  const { publicKey } = Gateway.keyPair();
  for (const key of [publicKey, publicKey.toHex()]) {
    const socket = gateway.connect(key);
    const failures: string[] = [];
    socket.on("failure", ({ code }) => failures.push(code));
    let closed = 0;
    socket.on("close", () => closed++);
    expect(socket.opened).rejects.toEqual(refusedWith("PEER_NOT_FOUND"));
    await until("it is over", () => closed > 0);
    expect([failures, closed]).toEqual([["PEER_NOT_FOUND"], 1]);
  }
});

test("a gateway without a network fails a dial where its user hears it", async () => {
  const gateway = new Gateway({ host: HOST, port: 0, bootstrap: [] });
  opened.push(gateway);
  await gateway.bind();
  const socket = gateway.connect(Gateway.keyPair().publicKey);
  const told: string[] = [];
  socket.on("failure", ({ code }) => told.push(code));
  socket.on("close", () => told.push("close"));
  await until("it is over", () => told.includes("close"));
  expect(told).toEqual(["PEER_NOT_FOUND", "close"]);
});

test("OM-41 a server's nodes lead to it", async () => {
  const { server } = await serve(await join());
  expect(server.nodes.length).toBeGreaterThan(0);
  expect(server.nodes.length).toBeLessThanOrEqual(3);
  await (await join()).connect(server.publicKey!, { nodes: server.nodes }).opened;
});

test("OM-12 its address is what others see", async () => {
  const { server, keyPair } = await serve(await join());
  const { publicKey, host } = server.address();
  expect([publicKey, host]).toEqual([keyPair.publicKey, HOST]);
});

test("OM-35 a server is reached again after its gateway was suspended, and what was dialled then fails", async () => {
  const [first, second] = [await join(), await join()];
  const { server } = await serve(first);
  echo(server);
  await first.suspend();
  expect(() => first.connect(server.publicKey!)).toThrow(refusedWith("SUSPENDED"));
  await first.resume();
  await until("it is announced", () => server.nodes.length > 0);
  const socket = second.connect(server.publicKey!);
  socket.write(text("back?"));
  socket.end();
  expect(await readAll(socket)).toEqual(["back?"]);
}, 20_000);

test("OM-35 a dial under way when its gateway is suspended ends with that reason", async () => {
  const [first, second] = [await join(), await join()];
  const { server } = await serve(first, { firewall: () => true });
  const { opened } = second.connect(server.publicKey!);
  await second.suspend();
  expect(opened).rejects.toEqual(refusedWith("SUSPENDED"));
});

test("OM-15 a thousand connections at once on one node", async () => {
  const { server, sockets } = await serve(await join());
  echo(server);
  // From two networks: of each a server takes so many handshakes a second.
  const gateways = [await join({ host: "127.0.1.1" }), await join({ host: "127.0.2.1" })];
  const dialled: SecretSocket[] = [];
  /** Both ends of every handshake are this one thread's: more of them at once would only wait for each other. */
  const dialOneByOne = async (gateway: Gateway) => {
    for (let i = 0; i < 125; i++) {
      const socket = gateway.connect(server.publicKey!);
      dialled.push(socket);
      await socket.opened;
    }
  };
  await Promise.all(gateways.flatMap((gateway) => Array.from({ length: 4 }, () => dialOneByOne(gateway))));
  expect([sockets.length, sockets.filter(({ closed }) => closed).length]).toEqual([1_000, 0]);
  const answers = dialled.map((socket, i) => {
    socket.write(text(`${i}`));
    socket.end();
    return readAll(socket);
  });
  expect(await Promise.all(answers)).toEqual(dialled.map((_, i) => [`${i}`]));
  await until("all are over", () => [...dialled, ...sockets].every(({ closed }) => closed));
}, 120_000);
