/**
 * dnet's DHT nodes, told what to do over stdin by the lines that `test/support/hyperdht-node.mjs` takes, as far as the benchmark
 * uses them: so both kinds are measured by the same words.
 *   bun dht-nodes.ts
 */
import { createInterface } from "node:readline";
import { type Address, Gateway, type GatewayOptions } from "../../src/index.ts";

/** Of all commands together; each has what it needs. */
interface Args {
  readonly name: string;
  readonly options?: GatewayOptions;
  /** Port 0: any. */
  readonly bootstrapper?: Address;
  readonly kind: "findNode" | "lookup" | "findPeer";
  /** In hex. */
  readonly targets: readonly string[];
}

const HOST = "127.0.0.1";
const nodes = new Map<string, Gateway>();
const QUERIES = {
  findNode: (node: Gateway, target: Uint8Array) => node.findNode(target),
  lookup: (node: Gateway, target: Uint8Array) => node.lookup(target),
  findPeer: (node: Gateway, target: Uint8Array) => node.findPeer(target, { hash: false }),
};

const COMMANDS: { readonly [command: string]: (args: Args) => unknown } = {
  async create({ name, options = {}, bootstrapper }: Args) {
    nodes.set(name, bootstrapper ? await first(bootstrapper) : new Gateway({ host: HOST, port: 0, ...options }));
  },
  async ready({ name }: Args) {
    const node = nodes.get(name)!;
    await node.ready();
    const { id, ephemeral, firewalled, size } = node;
    return { id: id?.toHex() ?? null, ephemeral, firewalled, tableSize: size, serverPort: node.address()!.port };
  },
  info: ({ name }: Args) => ({ serverPort: nodes.get(name)!.address()!.port }),
  get: () => HOST,
  async benchQueries({ name, kind, targets }: Args) {
    const node = nodes.get(name)!;
    const latencies: number[] = [];
    for (const target of targets) {
      const startedAt = performance.now();
      await QUERIES[kind](node, Uint8Array.fromHex(target)).finished();
      latencies.push(performance.now() - startedAt);
    }
    return latencies;
  },
  memory: () => ({ rss: process.memoryUsage.rss(), cpu: process.cpuUsage() }),
};

const write = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, command, args } = JSON.parse(line);
    try {
      write({ id, result: (await COMMANDS[command]!(args)) ?? null });
    } catch (error) {
      write({ id, error: { code: "ERROR", message: String(error) } });
    }
  })
  .on("close", () => process.exit(0));
write({ event: "started" });

/** A bootstrap node has to be told its port. */
async function first({ host, port }: Address): Promise<Gateway> {
  if (port !== 0) return Gateway.bootstrapper(port, host, { host });
  const socket = await Bun.udpSocket({ hostname: host, port });
  const free = socket.port;
  socket.close();
  return Gateway.bootstrapper(free, host, { host });
}
