/**
 * Our own gateways, told what to do by the lines of `hyperdht-node.mjs` and answering in its shapes, so that a test can let either
 * kind do either part. What is not here a gateway has not got. (Node loads no TypeScript: how lines are read stands there, too.)
 *   bun hyperdht-gateway.ts
 */
import { createInterface } from "node:readline";
import type { Address } from "../../src/base/address.ts";
import {
  type ConnectSettings,
  Gateway,
  type GatewayOptions,
  type QuerySettings,
  type QueryStream,
  type Relay,
  type Reply,
  type SecretSocket,
  type ServerOptions,
} from "../../src/index.ts";
import type { Hex, HyperdhtOptions, QueryOptions, ShortTimes } from "./hyperdht-process.ts";
import { ToldStreams } from "./told-streams.mjs";

/** What a line may carry; a command takes from it what it needs. */
interface Args {
  readonly name: string;
  readonly options?: HyperdhtOptions & QueryOptions & { readonly retry?: boolean };
  readonly bootstrapper?: Address | null;
  readonly shorten?: ShortTimes;
  readonly host: string;
  readonly port: number;
  readonly target: Hex;
  readonly publicKey: Hex;
  readonly seed: Hex;
  readonly value: Hex;
  readonly token?: Hex | null;
  readonly relayAddresses?: readonly Address[];
  readonly bump?: number;
  readonly clear?: boolean;
  readonly seq?: number;
  readonly latest?: boolean;
  readonly to: Address;
  readonly delayMs: number;
  readonly command: number;
  readonly internal?: boolean;
  readonly retry?: boolean;
  readonly path: string;
  readonly server: string;
  readonly relay: string;
  readonly stream: string;
  readonly echo?: boolean;
  readonly refuse?: boolean;
}

const HOST = "127.0.0.1";
const gateways = new Map<string, { readonly gateway: Gateway; readonly host: string }>();
const relays = new Map<string, Relay>();
const streams = new ToldStreams<SecretSocket>({
  tell: write,
  failureEvent: "failure",
  remoteOf: ({ remoteAddress, path, trace }) => ({ ...remoteAddress, path, trace }),
});

const COMMANDS: { readonly [command: string]: (args: Args) => unknown } = {
  async create({ name, options = {}, bootstrapper = null, shorten = {} }) {
    if (gateways.has(name)) throw new Error(`a node named ${name} exists`);
    const { seed, ...rest } = options;
    const { stableTicks } = shorten;
    const given: GatewayOptions = { ...rest, ...(seed && { seed: bytes(seed) }), ...(stableTicks && { stableTicks }) };
    const gateway = bootstrapper
      ? await createBootstrapper(bootstrapper, given)
      : new Gateway({ bootstrap: [], port: 0, ...given });
    gateways.set(name, { gateway, host: bootstrapper?.host ?? options.host ?? HOST });
    for (const event of [
      "listening",
      "ready",
      "persistent",
      "ephemeral",
      "wakeup",
      "network-update",
      "close",
    ] as const) {
      gateway.on(event, () => write({ event, name, details: [] }));
    }
    gateway.on("nat-update", (...details) => write({ event: "nat-update", name, details }));
    await gateway.bind();
  },

  async ready({ name }) {
    await of(name).ready();
    return info(of(name));
  },
  info: ({ name }) => info(of(name)),
  /** Theirs are asked for any field; of ours a test needs to know where it is bound. */
  get: ({ name, path }) => (path === "io._host" ? gateways.get(name)!.host : null),
  addNode: ({ name, host, port }) => of(name).addNode({ host, port }),
  suspend: ({ name }) => of(name).suspend(),
  resume: ({ name }) => of(name).resume(),
  async destroy({ name }) {
    await of(name).destroy();
    gateways.delete(name);
  },

  findNode: ({ name, target, options }) => collect(of(name).findNode(bytes(target), settings(options)), inTheirShape),
  lookup: ({ name, target, options }) => collect(of(name).lookup(bytes(target), settings(options))),
  findPeer: ({ name, publicKey, options = {} }) =>
    collect(of(name).findPeer(bytes(publicKey), { ...settings(options), hash: options["hash"] !== false })),

  announce: ({ name, target, seed, relayAddresses = [], bump = 0, clear = false, options }) =>
    collect(of(name).announce(bytes(target), keyPair(seed), relayAddresses, { ...settings(options), bump, clear })),
  unannounce: ({ name, target, seed, options }) =>
    collect(of(name).lookupAndUnannounce(bytes(target), keyPair(seed), settings(options))),

  immutablePut: ({ name, value, options }) => of(name).immutablePut(bytes(value), settings(options)),
  immutableGet: ({ name, target, options }) => of(name).immutableGet(bytes(target), settings(options)),
  mutablePut: ({ name, seed, value, seq = 0, options }) =>
    of(name).mutablePut(keyPair(seed), bytes(value), { ...settings(options), seq }),
  mutableGet: ({ name, publicKey, seq = 0, latest = true, options }) =>
    of(name).mutableGet(bytes(publicKey), { ...settings(options), seq, latest }),

  ping: async ({ name, to, options = {} }) => inTheirShape(await of(name).ping(to, retries(options.retry))),
  delayedPing: async ({ name, to, delayMs, options = {} }) =>
    inTheirShape(await of(name).delayedPing(to, delayMs, retries(options.retry))),
  async request({ name, to, command, internal = false, target, value, token, retry }) {
    const fields = { ...(target && { target: bytes(target) }), ...(token && { token: bytes(token) }) };
    const question = { command, internal, ...fields, ...(typeof value === "string" && { value: bytes(value) }) };
    return inTheirShape(await of(name).request(question, to, retries(retry)));
  },

  async listen({ name, server, seed, echo = false, refuse = false, options }) {
    let accepted = 0;
    const made = of(name).createServer({ ...(options as ServerOptions), firewall: () => refuse }, (socket) => {
      const stream = `${server}/${++accepted}`;
      streams.adopt(stream, socket, { echo });
      write({ event: "connection", name, server, stream, remotePublicKey: socket.remotePublicKey });
    });
    await made.listen(keyPair(seed));
    return { ...made.address(), relayAddresses: made.nodes };
  },
  async connect({ name, stream, publicKey, seed, options }) {
    const from = seed ? { keyPair: keyPair(seed) } : {};
    const socket = of(name).connect(bytes(publicKey), { ...(options as ConnectSettings), ...from });
    streams.adopt(stream, socket);
    await socket.opened;
    const { publicKey: ownKey, remotePublicKey, handshakeHash, remoteAddress } = socket;
    return { publicKey: ownKey, remotePublicKey, handshakeHash, remote: remoteAddress };
  },
  async relay({ name, relay, seed, refuse = false }) {
    const made = of(name).createRelay({ admits: () => !refuse });
    await made.listen(keyPair(seed));
    relays.set(relay, made);
    return made.address();
  },
  relayCounts: ({ relay }) => relays.get(relay)!.counts,
  ...streams.commands,
};

process.on("uncaughtException", (error) => write({ event: "failure", message: error.stack }));
process.on("unhandledRejection", (error) =>
  write({ event: "failure", message: (error as Error)?.stack ?? `${error}` }),
);
createInterface({ input: process.stdin })
  .on("line", (line) => void obey(JSON.parse(line)))
  .on("close", () => process.exit(0));
write({ event: "started" });

async function obey({ id, command, args }: { id: number; command: string; args: Args }): Promise<void> {
  try {
    if (!Object.hasOwn(COMMANDS, command)) throw new Error(`no command is named ${command}`);
    write({ id, result: (await COMMANDS[command]!(args)) ?? null });
  } catch (error) {
    const { code = "ERROR", message } = error as Error & { code?: string };
    write({ id, error: { code, message } });
  }
}

/** Bytes become hex. */
function write(line: object): void {
  const text = JSON.stringify(line, (_, value) => (value instanceof Uint8Array ? value.toHex() : value));
  process.stdout.write(`${text}\n`);
}

function of(name: string): Gateway {
  const found = gateways.get(name);
  if (!found) throw new Error(`no node is named ${name}`);
  return found.gateway;
}

function info(gateway: Gateway) {
  const { id, host, port, randomized, firewalled, ephemeral, bootstrapped, suspended, online, degraded } = gateway;
  return {
    ...{ id, host, port, randomized, firewalled, ephemeral, bootstrapped, suspended, online, degraded },
    publicKey: gateway.defaultKeyPair.publicKey,
    address: gateway.address(),
    remoteAddress: gateway.remoteAddress(),
    serverPort: gateway.address()?.port ?? null,
    clientPort: null,
    tableSize: gateway.size,
    nodes: gateway.toArray(),
    stats: gateway.stats,
  };
}

/** Runs a walk, with its commits, to its end. */
async function collect<Item>(stream: QueryStream<Item>, shape: (item: Item) => unknown = (item) => item) {
  const replies = [];
  for await (const item of stream) replies.push(shape(item));
  const closestNodes = stream.closestReplies.map(({ from: { id, host, port } }) => ({ id, host, port }));
  return { replies, closestNodes, successes: 0, errors: 0 };
}

function inTheirShape({ rttMs, closerNodes, ...reply }: Reply) {
  return { ...reply, rtt: rttMs, closerNodes: closerNodes.length > 0 ? closerNodes : null };
}

function settings({ nodes, concurrency, retries, onlyClosestNodes }: QueryOptions = {}): QuerySettings {
  return {
    ...(nodes && { nodes }),
    ...(concurrency !== undefined && { concurrency }),
    ...(retries !== undefined && { retries }),
    ...(onlyClosestNodes !== undefined && { onlyClosestNodes }),
  };
}

function retries(retry = true) {
  return retry ? {} : { retries: 0 };
}

function bytes(hex: Hex): Uint8Array {
  return Uint8Array.fromHex(hex);
}

function keyPair(seed: Hex) {
  return Gateway.keyPair(bytes(seed));
}

async function createBootstrapper({ host, port }: Address, options: GatewayOptions): Promise<Gateway> {
  return Gateway.bootstrapper(port || (await freePort(host)), host, { host, ...options });
}

async function freePort(hostname: string): Promise<number> {
  const socket = await Bun.udpSocket({ hostname, port: 0 });
  const { port } = socket;
  socket.close();
  return port;
}
