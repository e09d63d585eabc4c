/** What a connection is to a program, between two gateways on this machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Gateway, type GatewayOptions, type Testnet, testnet } from "../../../../src/index.ts";
import type { SecretSocket } from "../../../../src/io/gateway/secret-socket.ts";
import { until } from "../../../support/until.ts";

const text = (words: string) => new TextEncoder().encode(words);
const words = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const refusedWith = (code: string) => expect.objectContaining({ code });

let network: Testnet;
let waiting: ((socket: SecretSocket) => void)[] = [];
const keyPair = Gateway.keyPair();

beforeAll(async () => {
  network = await testnet(3);
  const server = network.nodes[1]!.createServer({}, (socket) => waiting.shift()?.(socket));
  await server.listen(keyPair);
});
afterAll(() => network.destroy());

/** Dials, does `early` with the dialling end at once, and gives both ends. */
async function pair(early: (socket: SecretSocket) => void = () => {}) {
  const accepted = Promise.withResolvers<SecretSocket>();
  waiting = [accepted.resolve];
  const client = network.nodes[2]!.connect(keyPair.publicKey);
  early(client);
  const server = await accepted.promise;
  return { client, server, told: { client: record(client), server: record(server) } };
}

/** The names of what a socket tells, but for what was said. */
function record(socket: SecretSocket): string[] {
  const told: string[] = [];
  for (const name of ["open", "end", "failure", "close"] as const) socket.on(name, () => told.push(name));
  return told;
}

const isOver =
  ({ client, server }: { client: SecretSocket; server: SecretSocket }) =>
  () =>
    client.closed && server.closed;

test("OM-15 what is written before it is open comes in order, even to a listener that is there from the first moment only", async () => {
  const heard: string[] = [];
  const accepted = Promise.withResolvers<SecretSocket>();
  waiting = [
    (socket) => {
      socket.on("data", (message) => heard.push(words(message)));
      accepted.resolve(socket);
    },
  ];
  const client = network.nodes[2]!.connect(keyPair.publicKey);
  for (let i = 0; i < 50; i++) client.write(text(`${i}`));
  await until("all came", () => heard.length === 50);
  expect(heard).toEqual(Array.from({ length: 50 }, (_, i) => `${i}`));
  client.destroy();
  await until("it is over", () => client.closed);
});

/** A gateway whose sockets are not open yet. */
const newcomer = (options: GatewayOptions = {}) =>
  new Gateway({ host: "127.0.0.1", port: 0, bootstrap: network.bootstrap, ephemeral: true, ...options });

test("OM-15 a gateway connects before its sockets are open: what is written comes in order, and the end after it", async () => {
  const gateway = newcomer();
  const accepted = Promise.withResolvers<SecretSocket>();
  waiting = [accepted.resolve];
  const client = gateway.connect(keyPair.publicKey);
  const told = record(client);
  client.on("drain", () => told.push("drain"));
  expect(client).toMatchObject({ connected: false, closed: false, handshakeHash: null, remoteAddress: null });
  const roomy = Array.from({ length: 50 }, (_, i) => client.write(text(`${i}`)));
  expect(roomy).not.toContain(true); // `drain` follows
  expect(() => client.write(new Uint8Array(2 ** 24))).toThrow(refusedWith("BAD_ARGUMENT"));
  client.send(text("lost"));
  await until("there is room", () => told.length > 0);
  expect(told[0]).toBe("drain");
  client.write(text("50"));
  client.end();
  client.write(text("too late"));
  const server = await accepted.promise;
  const heard: string[] = [];
  for await (const message of server) heard.push(words(message));
  expect(heard).toEqual(Array.from({ length: 51 }, (_, i) => `${i}`));
  server.end();
  await client.opened;
  await until("it is over", isOver({ client, server }));
  await gateway.destroy();
});

test("OM-15 more than fits, written before the sockets are open, has to wait for room once", async () => {
  const gateway = newcomer();
  const accepted = Promise.withResolvers<SecretSocket>();
  waiting = [accepted.resolve];
  const client = gateway.connect(keyPair.publicKey);
  let drained = 0;
  client.on("drain", () => drained++);
  const piece = new Uint8Array(64 * 1024).fill(5);
  for (let i = 0; i < 32; i++) client.write(piece);
  const server = await accepted.promise;
  client.end();
  let bytes = 0;
  for await (const message of server) bytes += message.length;
  expect(bytes).toBe(32 * piece.length);
  expect(drained).toBeLessThanOrEqual(1);
  server.end();
  await until("it is over", isOver({ client, server }));
  await gateway.destroy();
});

test("OM-36 a connection that is destroyed before the sockets are open is over at once, and never begun", async () => {
  const gateway = newcomer();
  const client = gateway.connect(keyPair.publicKey);
  const told = record(client);
  client.write(text("never"));
  client.destroy();
  client.destroy();
  expect([client.closed, client.write(text("x"))]).toEqual([true, false]);
  expect(client.opened).rejects.toEqual(refusedWith("STREAM_DESTROYED"));
  expect(await Array.fromAsync(client)).toEqual([]);
  await gateway.ready();
  expect([told, client.remoteAddress, client.connected]).toEqual([["close"], null, false]);
  await gateway.destroy();
});

test("OM-36 a connection that is destroyed before the sockets fail to open tells that once", async () => {
  const gateway = newcomer({ port: network.bootstrap[0]!.port, anyPort: false });
  const client = gateway.connect(keyPair.publicKey);
  const told = record(client);
  client.destroy();
  await expect(gateway.bind()).rejects.toEqual(refusedWith("PORT_IN_USE"));
  await gateway.destroy();
  expect(told).toEqual(["close"]);
});

test("OM-35 OM-36 a connection fails with what keeps the sockets from opening, or the network from being asked", async () => {
  const { port } = network.bootstrap[0]!;
  for (const [code, options, meanwhile] of [
    ["PORT_IN_USE", { port, anyPort: false }, () => {}],
    ["NODE_DESTROYED", {}, (gateway: Gateway) => gateway.destroy({ force: true })],
    ["SUSPENDED", {}, (gateway: Gateway) => gateway.suspend()],
    ["PEER_NOT_FOUND", { bootstrap: [] }, () => {}],
  ] as const) {
    const gateway = newcomer(options);
    const client = gateway.connect(keyPair.publicKey);
    const told = record(client);
    await meanwhile(gateway);
    await expect(client.opened).rejects.toEqual(refusedWith(code));
    await until("it is told", () => told.length === 2);
    expect([told, client.closed]).toEqual([["failure", "close"], true]);
    await gateway.destroy({ force: true });
    expect(() => gateway.connect(keyPair.publicKey)).toThrow(refusedWith("NODE_DESTROYED"));
  }
});

test("OM-15 a listener that comes late hears what came before it, once", async () => {
  const ends = await pair((client) => client.write(text("early")));
  await ends.server.opened;
  ends.client.write(text("later"));
  const heard: string[] = [];
  await until("something waits", () => ends.server.connected);
  ends.server.on("data", (message) => heard.push(words(message)));
  await until("both came", () => heard.length === 2);
  expect(heard).toEqual(["early", "later"]);
  ends.client.destroy();
  await until("it is over", isOver(ends));
});

test("OM-15 ended on both sides it closes on both, and each event is told once", async () => {
  const ends = await pair();
  await ends.client.opened;
  ends.client.end();
  ends.server.end();
  await until("it is over", isOver(ends));
  await until("all is told", () => ends.told.server.includes("close") && ends.told.client.includes("close"));
  for (const told of Object.values(ends.told)) expect(told.filter((name) => name !== "open")).toEqual(["end", "close"]);
  expect(ends.told.client.filter((name) => name === "open")).toHaveLength(1);
});

test("OM-15 when one side has ended the other goes on", async () => {
  const ends = await pair((client) => client.end());
  for await (const _ of ends.server) throw new Error("nothing was said");
  for (let i = 0; i < 100; i++) ends.server.write(text(`${i}`));
  ends.server.end();
  const heard: string[] = [];
  for await (const message of ends.client) heard.push(words(message));
  expect(heard).toHaveLength(100);
  await until("it is over", isOver(ends));
});

test("OM-36 whoever destroys it is told of no failure, and the other side that it was reset", async () => {
  const ends = await pair();
  await ends.server.opened;
  const failures: string[] = [];
  ends.server.on("failure", ({ code }) => failures.push(code));
  ends.client.destroy();
  ends.client.destroy();
  await until("it is over", isOver(ends));
  await until("it is told", () => ends.told.server.includes("close"));
  expect(failures).toEqual(["ECONNRESET"]);
  expect(ends.told.client.filter((name) => name !== "open")).toEqual(["close"]);
  expect(Array.fromAsync(ends.server)).rejects.toEqual(refusedWith("ECONNRESET"));
  expect(await Array.fromAsync(ends.client)).toEqual([]);
});

test("OM-36 destroyed before it is open it never opens", async () => {
  const socket = network.nodes[2]!.connect(Gateway.keyPair().publicKey);
  socket.destroy();
  expect(socket.opened).rejects.toEqual(refusedWith("STREAM_DESTROYED"));
  expect([socket.closed, socket.write(text("x"))]).toEqual([true, false]);
});

test("OM-36 what no frame can hold is refused, and harms nothing", async () => {
  const ends = await pair();
  expect(() => ends.client.write(new Uint8Array(2 ** 24))).toThrow(refusedWith("BAD_ARGUMENT"));
  expect(() => ends.client.write("words" as unknown as Uint8Array)).toThrow(refusedWith("BAD_ARGUMENT"));
  ends.client.write(text("fine"));
  for await (const message of ends.server) {
    expect(words(message)).toBe("fine");
    break; // and that destroys it
  }
  await until("it is over", isOver(ends));
});

test("it may be destroyed from within what it tells", async () => {
  for (const name of ["open", "data"] as const) {
    const ends = await pair((client) => client.write(text("now")));
    ends.server.on(name, () => ends.server.destroy());
    if (name === "open") ends.server.opened.then(() => ends.server.destroy());
    await until("it is over", isOver(ends));
    await until("it is told", () => ends.told.server.includes("close"));
    expect(ends.told.server.filter((each) => each === "close")).toHaveLength(1);
  }
});

test("unordered messages come as such, beside the ordered ones", async () => {
  const ends = await pair();
  await Promise.all([ends.client.opened, ends.server.opened]);
  const heard: string[] = [];
  ends.server.on("message", (message) => heard.push(words(message)));
  ends.client.send(text("beside"));
  await until("it came", () => heard.length === 1);
  expect(heard).toEqual(["beside"]);
  ends.client.destroy();
  await until("it is over", isOver(ends));
});

test("OM-15 who does not read makes the writer wait, and all of it comes in the end", async () => {
  const ends = await pair();
  await ends.client.opened;
  const piece = new Uint8Array(64 * 1024).fill(7);
  let written = 0;
  while (written < 2_000 && ends.client.write(piece)) written++;
  let drained = 0;
  ends.client.on("drain", () => drained++);
  expect(written).toBeLessThan(2_000); // 128 MB would have fit nowhere
  ends.client.end();
  let bytes = 0;
  for await (const message of ends.server) bytes += message.length;
  expect(bytes).toBe((written + 1) * piece.length);
  expect(drained).toBeLessThanOrEqual(1);
  ends.server.end();
  await until("it is over", isOver(ends));
}, 30_000);

test("OM-15 as Web Streams both directions hold back, carry everything, and end", async () => {
  const ends = await pair();
  const [near, far] = [ends.client.toWeb(), ends.server.toWeb()];
  const piece = new Uint8Array(64 * 1024).fill(3);
  const writer = near.writable.getWriter();
  let written = 0;
  let isHeld = false;
  const writing = (async () => {
    for (; written < 400; written++) {
      await writer.ready;
      await writer.write(piece);
    }
    await writer.close();
  })();
  await until("it is held back", () => {
    isHeld = written > 10 && writer.desiredSize === 0;
    return isHeld;
  });
  expect(written).toBeLessThan(400);
  const echoing = far.readable.pipeTo(far.writable);
  let bytes = 0;
  for await (const message of near.readable) bytes += message.length;
  await Promise.all([writing, echoing]);
  expect([isHeld, bytes]).toEqual([true, 400 * piece.length]);
  await until("it is over", isOver(ends));
}, 60_000);

test("OM-36 Web Streams fail with the connection", async () => {
  const ends = await pair();
  await ends.client.opened;
  const { readable, writable } = ends.client.toWeb();
  const reading = readable.getReader().read();
  ends.server.destroy();
  await reading.catch(() => {});
  expect(reading).rejects.toEqual(refusedWith("ECONNRESET"));
  await until("it is told", () => ends.told.client.includes("close"));
  expect(writable.getWriter().write(text("x"))).rejects.toEqual(refusedWith("ECONNRESET"));
});
