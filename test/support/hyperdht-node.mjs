/**
 * The real hyperdht under Node, told what to do over stdin: what our own DHT is judged by. One process holds as many nodes as
 * one likes, each under a name. One JSON object a line, bytes in hex:
 *   in   {"id":1,"command":"lookup","args":{"name":"a","target":"00…"}}
 *   out  {"id":1,"result":…}  or  {"id":1,"error":{"code":"REQUEST_TIMEOUT","message":"…"}}
 *   out  {"event":"persistent","name":"a"}
 * Commands run side by side and are answered as they are done. It ends when stdin does; until then no failure ends it.
 * Source: hyperdht 6.34 index.js, dht-rpc 6.27 index.js; fields that begin with an underscore are theirs.
 */
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { Server as BlindRelay } from "blind-relay";
import DHT from "hyperdht";
import { ToldStreams } from "./told-streams.mjs";

const NODE_EVENTS = [
  "listening",
  "ready",
  "persistent",
  "ephemeral",
  "wakeup",
  "nat-update",
  "network-update",
  "close",
];
/** A port of the kernel's choice: hyperdht takes 0 for "the default", and a range without a port in it for "any". */
const ANY_PORT = [0, 0];
const QUERIES = {
  findNode: (node, target) => node.findNode(target),
  lookup: (node, target) => node.lookup(target),
  findPeer: (node, target) => node.findPeer(target, { hash: false }),
};

const nodes = new Map();
const servers = new Map();
const relays = new Map();
const streams = new ToldStreams({
  tell: write,
  failureEvent: "error",
  remoteOf: ({ rawStream }) => ({ host: rawStream.remoteHost, port: rawStream.remotePort }),
});

const COMMANDS = {
  // Nodes

  /**
   * `options` are hyperdht's own, but `bootstrap` is empty and `port` any unless given: no test meets the public network.
   * `bootstrapper: { host, port }` makes the first node of a network; port 0 finds one. `shorten` replaces the five seconds of
   * a tick and the 240 ticks after which an adaptive node asks whether it may be persistent.
   */
  async create({ name, options = {}, bootstrapper = null, shorten = {} }) {
    if (nodes.has(name)) throw new Error(`a node named ${name} exists`);
    const given = { bootstrap: [], port: ANY_PORT, ...options };
    if (!given.bootstrap) throw new Error("without a bootstrap list hyperdht would join the public network");
    if (given.seed) given.seed = bytes(given.seed);
    const node = bootstrapper ? await createBootstrapper(bootstrapper, options) : new DHT(given);
    nodes.set(name, node);
    for (const event of NODE_EVENTS) node.on(event, (...details) => write({ event, name, details }));
    if (shorten.stableTicks) node._stableTicks = shorten.stableTicks;
    if (shorten.tickMs) {
      clearInterval(node._tickInterval);
      node._tickInterval = setInterval(() => node._ontick(), shorten.tickMs);
    }
  },

  async ready({ name }) {
    await nodeOf(name).fullyBootstrapped();
    return COMMANDS.info({ name });
  },

  info({ name }) {
    const node = nodeOf(name);
    const { id, host, port, randomized, firewalled, ephemeral, bootstrapped, suspended, online, degraded, stats } =
      node;
    return {
      ...{ id, host, port, randomized, firewalled, ephemeral, bootstrapped, suspended, online, degraded, stats },
      publicKey: node.defaultKeyPair.publicKey,
      address: node.address(),
      remoteAddress: node.remoteAddress(),
      serverPort: node.io.serverSocket?.address().port ?? null,
      clientPort: node.io.clientSocket?.address().port ?? null,
      tableSize: node.table.toArray().length,
      nodes: node.toArray(),
    };
  },

  addNode: ({ name, host, port }) => nodeOf(name).addNode({ host, port }),
  suspend: ({ name }) => nodeOf(name).suspend(),
  resume: ({ name }) => nodeOf(name).resume(),

  async destroy({ name, force = false }) {
    const node = nodeOf(name);
    nodes.delete(name);
    await node.destroy({ force });
  },

  // Queries: `options` are theirs (nodes, concurrency, retries, onlyClosestNodes)

  findNode: ({ name, target, options }) => collect(nodeOf(name).findNode(bytes(target), options)),
  lookup: ({ name, target, options }) => collect(nodeOf(name).lookup(bytes(target), options)),
  findPeer: ({ name, publicKey, options }) => collect(nodeOf(name).findPeer(bytes(publicKey), options)),

  announce: ({ name, target, seed, relayAddresses = [], bump = 0, clear = false, options }) =>
    collect(nodeOf(name).announce(bytes(target), keyPair(seed), relayAddresses, { ...options, bump, clear })),
  unannounce: ({ name, target, seed, options }) =>
    collect(nodeOf(name).lookupAndUnannounce(bytes(target), keyPair(seed), options)),

  immutablePut: ({ name, value, options }) => nodeOf(name).immutablePut(bytes(value), options),
  immutableGet: ({ name, target, options }) => nodeOf(name).immutableGet(bytes(target), options),
  mutablePut: ({ name, seed, value, seq = 0, options }) =>
    nodeOf(name).mutablePut(keyPair(seed), bytes(value), { ...options, seq }),
  mutableGet: ({ name, publicKey, seq = 0, latest = true, options }) =>
    nodeOf(name).mutableGet(bytes(publicKey), { ...options, seq, latest }),

  // Single requests

  ping: ({ name, to, options }) => nodeOf(name).ping(to, options),
  delayedPing: ({ name, to, delayMs, options }) => nodeOf(name).delayedPing(to, delayMs, options),

  /** Any request whatever, of the RPC's own commands too. */
  request({ name, to, command, internal = false, target = null, value = null, token = null, retry = true }) {
    const node = nodeOf(name);
    const [ask, key, body] = [token, target, value].map(bytes);
    const request = node.io.createRequest({ id: null, ...to }, ask, internal, command, key, body, null);
    return node._requestToPromise(request, { retry });
  },

  // Connections; what a server accepts is named for the server, and numbered. `relayThrough` is the key of a blind relay

  async listen({ name, server, seed, echo = false, refuse = false, options = {} }) {
    const made = nodeOf(name).createServer({ ...relayedBy(options), firewall: () => refuse });
    let accepted = 0;
    made.on("connection", (stream) => {
      const label = `${server}/${++accepted}`;
      streams.adopt(label, stream, { echo });
      write({ event: "connection", name, server, stream: label, remotePublicKey: stream.remotePublicKey });
    });
    await made.listen(keyPair(seed));
    servers.set(server, made);
    return { ...made.address(), relayAddresses: made.relayAddresses };
  },

  async closeServer({ server }) {
    await found(servers, server, "server").close();
    servers.delete(server);
  },

  async connect({ name, stream: label, publicKey, seed, options = {} }) {
    const from = seed ? { keyPair: keyPair(seed) } : {};
    const stream = nodeOf(name).connect(bytes(publicKey), { ...relayedBy(options), ...from });
    streams.adopt(label, stream);
    await new Promise((resolve, reject) => {
      stream.once("open", resolve).once("error", reject);
      stream.once("close", () => reject(new Error("it closed before it opened")));
    });
    const { publicKey: ownKey, remotePublicKey, handshakeHash, rawStream } = stream;
    const { remoteHost, remotePort } = rawStream;
    return { publicKey: ownKey, remotePublicKey, handshakeHash, remote: { host: remoteHost, port: remotePort } };
  },

  /** A blind relay that listens under the key of `seed`, and carries everybody; with `refuse` nobody. */
  async relay({ name, relay: label, seed, refuse = false }) {
    const node = nodeOf(name);
    const relay = new BlindRelay({ createStream: (options) => node.createRawStream({ ...options, framed: true }) });
    const server = node.createServer({ shareLocalAddress: false, firewall: () => refuse }, (stream) => {
      stream.on("error", () => {});
      relay.accept(stream, { id: stream.remotePublicKey }).on("error", () => {});
    });
    await server.listen(keyPair(seed));
    relays.set(label, relay);
    return server.address();
  },

  /** Peers that are connected to a relay, and pairs that are joined. */
  relayCounts({ relay }) {
    const { sessions, pairings } = found(relays, relay, "relay").stats;
    return { peers: sessions.active, pairs: pairings.active };
  },

  ...streams.commands,

  // Time, and what is inside

  /** After so many more ticks an adaptive node asks whether it may be persistent, even where it asked before. */
  persistSoon({ name, ticks = 1 }) {
    const node = nodeOf(name);
    node._stableTicks = ticks;
    node._lastHost = null;
  },

  /** Has time pass: what is due every five seconds happens now, and so many times. */
  tick({ name, count = 1 }) {
    for (let i = 0; i < count; i++) nodeOf(name)._ontick();
  },

  /** What an adaptive node does when it asks whether it may be persistent (or just unfirewalled); false when it may not. */
  updateNetworkState: ({ name, onlyFirewall = false }) => nodeOf(name)._updateNetworkState(onlyFirewall),

  /** Any field of a node by its path, such as `_nat.port`. */
  get: ({ name, path }) => path.split(".").reduce((at, key) => at?.[key], nodeOf(name)) ?? null,
  set({ name, path, value }) {
    const keys = path.split(".");
    const last = keys.pop();
    keys.reduce((at, key) => at[key], nodeOf(name))[last] = value;
  },

  // Measuring

  /** How long each query took, in milliseconds, in the order of the targets; null for one that failed. */
  async benchQueries({ name, kind, targets, concurrency = 1 }) {
    const node = nodeOf(name);
    const latencies = new Array(targets.length).fill(null);
    let next = 0;
    const worker = async () => {
      while (next < targets.length) {
        const i = next++;
        const target = bytes(targets[i]);
        const startedAt = performance.now();
        try {
          await QUERIES[kind](node, target).finished();
          latencies[i] = performance.now() - startedAt;
        } catch {}
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return latencies;
  },

  /** Bytes, and microseconds since the start, of the whole process. */
  memory() {
    const { rss, heapUsed } = process.memoryUsage();
    return { rss, heapUsed, cpu: process.cpuUsage() };
  },
};

process.on("uncaughtException", (error) => write({ event: "failure", message: error.stack }));
process.on("unhandledRejection", (error) => write({ event: "failure", message: error?.stack ?? `${error}` }));
createInterface({ input: process.stdin })
  .on("line", (line) => void obey(JSON.parse(line)))
  .on("close", () => process.exit(0));
write({ event: "started" });

async function obey({ id, command, args }) {
  try {
    if (!Object.hasOwn(COMMANDS, command)) throw new Error(`no command is named ${command}`);
    write({ id, result: (await COMMANDS[command](args)) ?? null });
  } catch (error) {
    write({ id, error: { code: error.code ?? "ERROR", message: error.message } });
  }
}

/** Bytes become hex. Buffers have a `toJSON` of their own, so the replacer looks at what was there before it. */
function write(line) {
  const text = JSON.stringify(line, function (key, value) {
    const original = this[key];
    return original instanceof Uint8Array ? Buffer.from(original).toString("hex") : value;
  });
  process.stdout.write(`${text}\n`);
}

function bytes(hex) {
  return hex === null || hex === undefined ? null : Buffer.from(hex, "hex");
}

function keyPair(seed) {
  return DHT.keyPair(bytes(seed));
}

function found(map, name, kind) {
  const it = map.get(name);
  if (!it) throw new Error(`no ${kind} is named ${name}`);
  return it;
}

function nodeOf(name) {
  return found(nodes, name, "node");
}

function relayedBy({ relayThrough, ...options }) {
  return { ...options, ...(relayThrough && { relayThrough: bytes(relayThrough) }) };
}

async function createBootstrapper({ host, port }, options) {
  return DHT.bootstrapper(port || (await freePort(host)), host, { host, ...options });
}

function freePort(host) {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(0, host, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Runs a query, with its commits, to its end. */
async function collect(query) {
  const replies = [];
  for await (const reply of query) replies.push(reply);
  const { closestNodes, successes, errors } = query;
  return { replies, closestNodes, successes, errors };
}
