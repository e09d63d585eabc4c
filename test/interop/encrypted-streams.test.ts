/** Encrypted streams that carry much, and many of them: every byte is hashed at both ends. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Gateway, type SecretSocket } from "../../src/index.ts";
import { Lines } from "../bench/lines.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { SeededRandom } from "../support/random.ts";
import { type BadNetwork, badNetwork } from "../support/udx-real.ts";
import { until } from "../support/until.ts";

const RUNTIMES = { ours: process.execPath, theirs: "node" } as const;
type Kind = keyof typeof RUNTIMES;
const PROGRAM = join(import.meta.dir, "../support/bulk-end.mjs");

/** `DNET_MEGABYTES=1000` sends a gigabyte. */
const MEGABYTES = Number(process.env["DNET_MEGABYTES"] ?? 100);
const WITHIN_MS = 60_000 * Math.max(1, MEGABYTES / 100);

interface Report {
  readonly sent: string;
  readonly received: string;
  readonly receivedBytes: number;
}

function start(kind: Kind, role: "listen" | "connect", bytes: number) {
  const command = [RUNTIMES[kind], PROGRAM, role, `${bytes}`];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const lines = new Lines(child.stdout);
  return {
    port: async () => Number(await lines.next()),
    tell(port: number) {
      child.stdin.write(`${port}\n`);
      child.stdin.flush();
    },
    report: async () => JSON.parse((await lines.next())!) as Report,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

/** Both send that much at once over one stream, and compare what they have. Halfway the client may come to have another address. */
async function exchange(
  client: Kind,
  server: Kind,
  bytes: number,
  weather: BadNetwork | null,
  rebinds = false,
): Promise<void> {
  await using listening = start(server, "listen", bytes);
  await using connecting = start(client, "connect", bytes);
  const [clientPort, serverPort] = [await connecting.port(), await listening.port()];
  const path = weather && (await badNetwork(bytes, clientPort, serverPort, weather));
  connecting.tell(path ? path.portForA : serverPort);
  const reports = Promise.all([connecting.report(), listening.report()]);
  if (path && rebinds) {
    await until("half of it has been carried", () => path.carried > bytes / 1_200, { withinMs: WITHIN_MS });
    await path.rebind();
  }
  const [a, b] = await reports;
  path?.close();
  expect([a.receivedBytes, b.receivedBytes]).toEqual([bytes, bytes]);
  expect([a.received, b.received]).toEqual([b.sent, a.sent]);
}

test("OM-15 a gigabyte each way at once arrives as it was sent", () => exchange("ours", "ours", 1e9, null), WITHIN_MS);

describe(`${MEGABYTES} MB each way at once, through 1 % loss and with one datagram in a hundred held back`, () => {
  const weather = { loss: 0.01, reordering: 0.01, reorderMs: 3 };
  for (const [client, server] of [
    ["ours", "ours"],
    ["ours", "theirs"],
    ["theirs", "ours"],
  ] as const) {
    const needs = client === server || hasNode;
    const name = `OM-15 OM-16 a client of ${client}, a server of ${server}${needs ? "" : needsNode}`;
    test.skipIf(!needs)(name, () => exchange(client, server, MEGABYTES * 1e6, weather), WITHIN_MS);
  }
  const name = "OM-15 two dnets, the client of which has another address halfway";
  test(name, () => exchange("ours", "ours", MEGABYTES * 1e6, weather, true), WITHIN_MS);
});

test(
  "OM-15 a thousand streams at once on one node, each with its own data both ways",
  async () => {
    const options = { bootstrap: [], port: 0, ephemeral: false, firewalled: false };
    const server = new Gateway({ ...options, host: "127.0.0.1" });
    await server.ready();
    const keyPair = Gateway.keyPair(new Uint8Array(32).fill(1));
    const listening = server.createServer({}, echo).listen(keyPair);
    listening.catch(() => {}); // nobody is there to be announced at
    const clients = [1, 2, 3].map((network) => new Gateway({ ...options, host: `127.0.${network}.1` }));
    const nodes = [server.address()!];
    const sockets: SecretSocket[] = [];
    while (sockets.length < 1_000) {
      // A server takes 50 new clients a second from one network, and 100 in all.
      const wave = Array.from({ length: 50 }, (_, i) =>
        clients[i % clients.length]!.connect(keyPair.publicKey, { nodes, localConnection: false }),
      );
      await Promise.all(wave.map(({ opened }) => opened));
      sockets.push(...wave);
    }
    const checks = await Promise.all(
      sockets.map((socket, i) => comesBack(socket, new SeededRandom(i).bytes(20_000 + i))),
    );
    expect(checks.filter((isRight) => isRight)).toHaveLength(1_000);
    await until("all streams have ended", () => sockets.every(({ closed }) => closed));
    await Promise.all([server, ...clients].map((gateway) => gateway.destroy({ force: true })));
  },
  WITHIN_MS,
);

function echo(socket: SecretSocket): void {
  socket.on("data", (message) => socket.write(message));
  socket.on("end", () => socket.end());
}

/** Sends it in messages of a thousand bytes, and says whether it comes back the same. */
async function comesBack(socket: SecretSocket, data: Uint8Array): Promise<boolean> {
  for (let at = 0; at < data.length; at += 1_000) socket.write(data.subarray(at, at + 1_000));
  socket.end();
  const parts: Uint8Array[] = [];
  for await (const message of socket) parts.push(message);
  return Buffer.compare(Buffer.concat(parts), data) === 0;
}
