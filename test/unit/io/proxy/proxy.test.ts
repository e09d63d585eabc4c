/** A node that has UDP only through another machine, over a WebSocket. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { blake2b256 } from "../../../../src/crypto/blake2b.ts";
import { sign } from "../../../../src/crypto/ed25519.ts";
import { Gateway, type Testnet, testnet } from "../../../../src/index.ts";
import { proxySignable } from "../../../../src/io/proxy/carried.ts";
import { ProxyServer } from "../../../../src/io/proxy/server.ts";
import { decodeProxyMessage, encodeProxyMessage } from "../../../../src/wire/proxy.ts";
import { until } from "../../../support/until.ts";

let network: Testnet;
beforeAll(async () => {
  network = await testnet(4);
});
afterAll(() => network.destroy());

const text = (words: string) => new TextEncoder().encode(words);
const known = Gateway.keyPair(new Uint8Array(32).fill(1));

function serve({ port = 0, carriesPrivate = true } = {}): ProxyServer {
  const admits = (key: Uint8Array) => key.toHex() === known.publicKey.toHex();
  return new ProxyServer({ host: "127.0.0.1", port, admits, names: [], carriesPrivate });
}

const through = (proxy: ProxyServer, keyPair = known) =>
  new Gateway({ bootstrap: network.bootstrap, ephemeral: true, keyPair, via: `ws://127.0.0.1:${proxy.port}` });

/** A WebSocket of our own, and how it ended. */
function call(proxy: ProxyServer, onMessage: (socket: WebSocket, bytes: Uint8Array) => void) {
  const closed = Promise.withResolvers<number>();
  const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => onMessage(socket, new Uint8Array(data as ArrayBuffer));
  socket.onclose = ({ code }) => closed.resolve(code);
  return { socket, closed: closed.promise };
}

test("OM-40 a node without UDP stores, finds, serves and connects through a proxy, which sees none of what is said", async () => {
  const proxy = serve();
  const gateway = through(proxy);
  await gateway.ready();
  const { hash } = await gateway.immutablePut(text("stored"));
  expect((await gateway.immutableGet(hash))?.value).toEqual(text("stored"));

  const server = gateway.createServer({}, (socket) => socket.on("data", (message) => socket.write(message)));
  await server.listen(Gateway.keyPair());
  const direct = new Gateway({ host: "127.0.0.1", port: 0, bootstrap: network.bootstrap, ephemeral: true });
  const client = direct.connect(server.publicKey!);
  client.write(text("hello"));
  for await (const message of client) {
    expect(message).toEqual(text("hello"));
    break;
  }
  const other = direct.createServer({}, (socket) => socket.on("data", (message) => socket.write(message)));
  await other.listen(Gateway.keyPair());
  const back = gateway.connect(other.publicKey!);
  const big = new Uint8Array(300_000).fill(7);
  for (let at = 0; at < big.length; at += 30_000) back.write(big.subarray(at, at + 30_000));
  let bytes = 0;
  for await (const message of back) {
    bytes += message.length;
    if (bytes === big.length) break;
  }
  expect(bytes).toBe(big.length);
  expect(proxy.size).toBe(1);
  await Promise.all([gateway.destroy(), direct.destroy()]);
  await until("the proxy has nobody", () => proxy.size === 0);
  await proxy.close();
}, 20_000);

test("OM-40 when the proxy was away, the node goes on with other ports", async () => {
  const first = serve();
  const { port } = first;
  const gateway = through(first);
  await gateway.ready();
  const before = gateway.address()!.port;
  await first.close();
  const second = serve({ port });
  await until("it is connected again", () => second.size === 1 && gateway.address()!.port !== before);
  const { hash } = await gateway.immutablePut(text("again"));
  expect((await gateway.immutableGet(hash))?.value).toEqual(text("again"));
  await gateway.destroy();
  await second.close();
}, 20_000);

test("OM-40 who is not admitted, signs for another proxy, or says nonsense is shown out", async () => {
  const proxy = serve();
  const stranger = through(proxy, Gateway.keyPair());
  await expect(stranger.bind()).rejects.toMatchObject({ code: "PROXY_FAILED" });
  await stranger.destroy();
  const nonsense = call(proxy, (socket) => socket.send(text("nonsense")));
  expect(await nonsense.closed).toBe(1008);
  const early = call(proxy, (socket) => socket.send(encodeProxyMessage({ type: "open", socket: 1 })));
  expect(await early.closed).toBe(1008);
  const forged = call(proxy, (socket) => {
    const hello = { type: "hello", publicKey: known.publicKey, signature: new Uint8Array(64) } as const;
    socket.send(encodeProxyMessage(hello));
  });
  expect(await forged.closed).toBe(1008);
  expect(proxy.size).toBe(0);
  await proxy.close();
}, 20_000);

test("OM-40 a proxy answers to its own names alone, so that no other can pass on what a client signed for that", async () => {
  const admits = () => true;
  const proxy = new ProxyServer({ host: "127.0.0.1", port: 0, admits, names: ["Proxy.example"], carriesPrivate: true });
  const ask = async (host: string) => (await fetch(`http://127.0.0.1:${proxy.port}/`, { headers: { host } })).status;
  const { port } = proxy;
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, "proxy.example", `proxy.example:${port}`]) {
    expect([host, await ask(host)]).toEqual([host, 426]); // and may go on by WebSocket
  }
  for (const host of ["evil.example", `evil.example:${port}`, "127.0.0.1:1", "proxy.example:1"]) {
    expect([host, await ask(host)]).toEqual([host, 421]);
  }
  await proxy.close();
});

test("OM-40 a proxy is no way into its operator's own network, nor to anything but the DHT", async () => {
  const closedNetwork = serve({ carriesPrivate: false });
  const gateway = through(closedNetwork);
  await gateway.ready(); // the network is on 127.0.0.1, so nobody answers
  expect(gateway.toArray()).toEqual([]);
  await gateway.destroy();
  await closedNetwork.close();
  const proxy = serve();
  const heard: Uint8Array[] = [];
  const listener = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (_socket, data) => void heard.push(new Uint8Array(data)) },
  });
  const plain = new Gateway({ bootstrap: [], ephemeral: true, keyPair: known, via: `ws://127.0.0.1:${proxy.port}` });
  await plain.bind();
  plain
    .request({ command: 77, target: blake2b256(text("x")) }, { host: "127.0.0.1", port: listener.port })
    .catch(() => {});
  await until("a message of the DHT comes", () => heard.length > 0);
  expect(heard[0]![0]).toBe(0x03);
  await plain.destroy();
  listener.close();
  await proxy.close();
}, 20_000);

/** A client that was admitted, and what it hears. */
async function admitted(proxy: ProxyServer, onPort: (number: number, port: number) => void) {
  const isIn = Promise.withResolvers<WebSocket>();
  const { closed } = call(proxy, (socket, bytes) => {
    const message = decodeProxyMessage(bytes)!;
    if (message.type === "opened") return onPort(message.socket, message.port);
    if (message.type !== "challenge") return;
    const signature = sign(proxySignable(message.random, `127.0.0.1:${proxy.port}`), known.secretKey);
    socket.send(encodeProxyMessage({ type: "hello", publicKey: known.publicKey, signature }));
    isIn.resolve(socket);
  });
  return { socket: await isIn.promise, closed };
}

test("a client that opens and closes one socket in one breath leaves none open behind it", async () => {
  const proxy = serve();
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const ports: number[] = [];
  const { socket, closed } = await admitted(proxy, (_number, port) => void ports.push(port));
  const before = descriptors();
  for (let i = 0; i < 300; i++) {
    for (const type of ["open", "close", "open", "close"] as const) {
      socket.send(encodeProxyMessage({ type, socket: 7 }));
    }
  }
  socket.send(encodeProxyMessage({ type: "open", socket: 8 }));
  await until("the last one is open", () => ports.length > 0);
  socket.close();
  await closed;
  await until("all are closed", () => descriptors() <= before);
  await proxy.close();
}, 20_000);
