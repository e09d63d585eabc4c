/** Connections between dnet and the real hyperdht, each in either part, over networks of nodes of either kind. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Gateway, type SecretSocket, type Server, testnet } from "../../src/index.ts";
import { HyperdhtProcess, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { SeededRandom } from "../support/random.ts";
import { until } from "../support/until.ts";

const HOST = "127.0.0.1";
const NETWORKS = ["ours", "theirs"] as const;
/** Firewalled on both sides, without the ways that make punching needless on one machine. */
const PUNCHING = { quickFirewall: false };

const random = new SeededRandom(77);
const seed = () => random.bytes(32);
let theirs: HyperdhtProcess;
let count = 0;

beforeAll(async () => {
  if (hasNode) theirs = await HyperdhtProcess.start();
});
afterAll(async () => await theirs?.stop());

const withNode = (name: string, run: () => Promise<void>) => test.skipIf(!hasNode)(`${name}${needsNode}`, run, 20_000);

/** Four persistent nodes of one kind: whoever joins finds all it needs there. */
async function network(kind: (typeof NETWORKS)[number]) {
  if (kind === "ours") {
    const net = await testnet(4);
    return { bootstrap: net.bootstrap, end: () => net.destroy() };
  }
  const first = await theirs.bootstrapper(`first${++count}`);
  const bootstrap = [await first.address()];
  const nodes = [first];
  while (nodes.length < 4) {
    const node = await theirs.node(`node${++count}`, { bootstrap, ephemeral: false, firewalled: false });
    await node.ready();
    nodes.push(node);
  }
  return { bootstrap, end: async () => void (await Promise.all(nodes.map((node) => node.destroy({ force: true })))) };
}

/** A server of ours that says everything back. */
async function echo(
  gateway: Gateway,
  options = {},
): Promise<{ server: Server; publicKey: Uint8Array; sockets: SecretSocket[] }> {
  const sockets: SecretSocket[] = [];
  const keyPair = Gateway.keyPair(seed());
  const server = gateway.createServer(options, (socket) => {
    sockets.push(socket);
    socket.on("data", (message) => socket.write(message));
    socket.on("end", () => socket.end());
  });
  await server.listen(keyPair);
  return { server, publicKey: keyPair.publicKey, sockets };
}

async function read(socket: SecretSocket, bytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let received = 0;
  for (const done = Promise.withResolvers<void>(); ; ) {
    socket.on("data", (message) => {
      parts.push(message);
      received += message.length;
      if (received >= bytes) done.resolve();
    });
    socket.on("close", () => done.resolve());
    await done.promise;
    return new Uint8Array(Buffer.concat(parts));
  }
}

for (const kind of NETWORKS) {
  describe(`over nodes of ${kind}`, () => {
    let net: Awaited<ReturnType<typeof network>>;
    beforeAll(async () => {
      if (hasNode) net = await network(kind);
    });
    afterAll(async () => await net?.end());

    const ours = async (options = {}) => {
      const gateway = new Gateway({ bootstrap: net.bootstrap, host: HOST, port: 0, ...options });
      await gateway.ready();
      return gateway;
    };
    const other = async (options = {}) => {
      const node = await theirs.node(`node${++count}`, { bootstrap: net.bootstrap, ...options });
      await node.ready();
      return node;
    };

    for (const punches of [false, true]) {
      const how = punches ? "punching through" : "directly";
      const options = punches ? PUNCHING : {};

      withNode(
        `OM-07 OM-15 we connect to the real hyperdht ${how}, and what was written before it opened comes back`,
        async () => {
          const [gateway, node] = [await ours(options), await other(options)];
          const more = { echo: true, options: punches ? { shareLocalAddress: false } : {} };
          const { publicKey } = await node.listen(`server${++count}`, seed().toHex(), more);
          const socket = gateway.connect(Uint8Array.fromHex(publicKey), { localConnection: !punches });
          const data = random.bytes(300_000);
          socket.write(data);
          await socket.opened;
          expect(socket.remotePublicKey.toHex()).toBe(publicKey);
          expect(Buffer.compare(await read(socket, data.length), data)).toBe(0);
          socket.end();
          await until("both sides have ended it", () => socket.closed);
          await gateway.destroy();
          await node.destroy();
        },
      );

      withNode(
        `OM-10 OM-30 the real hyperdht connects to us ${how}, and both name each other and the session alike`,
        async () => {
          const [gateway, node] = [await ours(options), await other(options)];
          const { publicKey, sockets } = await echo(gateway, { shareLocalAddress: !punches });
          const more = { options: punches ? { localConnection: false } : {} };
          const stream = `stream${++count}`;
          const opened = await node.connect(stream, publicKey.toHex(), more);
          const data = random.bytes(300_000).toHex();
          expect(await node.call<string>("echo", { stream, data })).toBe(data);
          const [socket] = sockets;
          expect(opened.remotePublicKey).toBe(publicKey.toHex());
          expect(socket!.remotePublicKey.toHex()).toBe(opened.publicKey);
          expect(socket!.handshakeHash!.toHex()).toBe(opened.handshakeHash);
          await node.call("endStream", { stream });
          await until("both sides have ended it", () => socket!.closed);
          await gateway.destroy();
          await node.destroy();
        },
      );
    }

    withNode(
      "OM-09 whoever a firewall rejects gets no answer, either way, and an error within a bounded time",
      async () => {
        const [gateway, node] = [await ours(), await other()];
        const { publicKey, sockets } = await echo(gateway, { firewall: () => true });
        const refused = node.connect(`stream${++count}`, publicKey.toHex()).catch((error) => error.code);
        const { publicKey: theirKey } = await node.listen(`server${++count}`, seed().toHex(), { refuse: true });
        const socket = gateway.connect(Uint8Array.fromHex(theirKey));
        const mine = socket.opened.catch((error) => error.code);
        expect(await Promise.all([refused, mine])).toEqual(["PEER_CONNECTION_FAILED", "PEER_CONNECTION_FAILED"]);
        expect(sockets).toEqual([]);
        await gateway.destroy();
        await node.destroy();
      },
    );
  });
}

withNode("a stream that the other side destroys is reset, either way", async () => {
  const net = await network("ours");
  const gateway = new Gateway({ bootstrap: net.bootstrap, host: HOST, port: 0 });
  await gateway.ready();
  const node = await theirs.node(`node${++count}`, { bootstrap: net.bootstrap });
  await node.ready();
  const { publicKey, sockets } = await echo(gateway);
  const stream = `stream${++count}`;
  await node.connect(stream, publicKey.toHex());
  await until("the connection is here", () => sockets.length === 1 && sockets[0]!.connected);
  const failed = new Promise<string>((resolve) => sockets[0]!.on("failure", ({ code }) => resolve(code)));
  await node.call("destroyStream", { stream });
  expect(await failed).toBe("ECONNRESET");

  const label = `stream${++count}`;
  await node.connect(label, publicKey.toHex());
  await until("the next connection is here", () => sockets.length === 2 && sockets[1]!.connected);
  sockets[1]!.destroy();
  await until("theirs was told", () =>
    theirs.events.some(({ event, stream }) => event === "stream-close" && stream === label),
  );
  await gateway.destroy();
  await node.destroy();
  await net.end();
});
