/**
 * The executable itself: `dnet gateway` makes a network of bootstrap node and five others on 127.0.0.1, which `dnet dht` and the
 * real hyperdht use alike.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPublicKey } from "../../src/base/public-key.ts";
import { decodeSavedNodes } from "../../src/io/saved-nodes.ts";
import { type HyperdhtNode, HyperdhtProcess, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { DNET, ensureBuilt } from "../support/tunnel-process.ts";
import { until } from "../support/until.ts";

const TOPIC = "70".repeat(32);
const SEED = "5e".repeat(32);
// A bootstrap node that is down is asked six times, in each of the two walks until a node is ready.
const READY_WITHOUT_BOOTSTRAP_MS = 40_000;
const folder = mkdtempSync(join(tmpdir(), "dnet-cli-gateway-"));
let states = 0;

interface Event {
  readonly event: "starting" | "listening" | "ready" | "status" | "stopped";
  readonly node?: number;
  readonly address?: string;
  readonly isPersistent?: boolean;
  readonly knownNodes?: number;
  readonly knownBefore?: number;
}

/** A `dnet gateway --json`. */
class GatewayProcess {
  readonly events: Event[] = [];
  readonly #child;
  stderr = "";

  /** `state`: the directory that it saves in; one of its own if left out. */
  constructor(
    words: readonly string[],
    readonly state = newState(),
  ) {
    const env = { ...process.env, DNET_STATE_DIR: state };
    this.#child = Bun.spawn([DNET, "gateway", "--json", ...words], { env, stdout: "pipe", stderr: "pipe" });
    void this.#listen();
    void this.#hear();
  }

  /** Waits until `count` of its nodes are ready. */
  async ready(count = 1, withinMs = 10_000): Promise<Event[]> {
    const ready = () => this.events.filter(({ event }) => event === "ready");
    await until("the gateway is ready", () => ready().length === count || this.#hasEnded(), { withinMs });
    return ready();
  }

  /** Its exit code after that signal. */
  async end(signal: "SIGINT" | "SIGTERM" | "SIGKILL" = "SIGINT"): Promise<number> {
    this.#child.kill(signal);
    return this.#child.exited;
  }

  /** The one list that it has saved, decoded; null when there is none yet. Throws for a damaged one. */
  savedNodes(network: string): readonly string[] | null {
    const name = readdirSync(this.state).find((name) => name.endsWith(".json"));
    if (name === undefined) return null;
    const nodes = decodeSavedNodes(readFileSync(join(this.state, name), "utf8"), network);
    if (!nodes) throw new Error(`${name} is damaged`);
    return nodes.map(({ host, port }) => `${host}:${port}`);
  }

  #hasEnded(): boolean {
    if (this.#child.exitCode === null) return false;
    throw new Error(`the gateway has ended: ${this.stderr}`);
  }

  async #listen(): Promise<void> {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      const lines = `${text}${decoder.decode(chunk, { stream: true })}`.split("\n");
      text = lines.pop()!;
      for (const line of lines) this.events.push(JSON.parse(line));
    }
  }

  async #hear(): Promise<void> {
    for await (const chunk of this.#child.stderr) this.stderr += Buffer.from(chunk).toString();
  }
}

function newState(): string {
  const path = join(folder, `state-${states++}`);
  mkdirSync(path, { mode: 0o700 });
  return path;
}

/** A `dnet dht WORDS` until its end. */
async function dht(...words: string[]) {
  const child = Bun.spawn([DNET, "dht", ...words], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { stdout, stderr, exitCode };
}

/** A port that was free just now. */
async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: "127.0.0.1", port: 0 });
  const { port } = socket;
  socket.close();
  return port;
}

const hex = (text: string) => Buffer.from(text).toString("hex");

let port = 0;
let bootstrap = "";
let first: GatewayProcess;
let five: GatewayProcess;

beforeAll(async () => {
  ensureBuilt();
  port = await freePort();
  bootstrap = `127.0.0.1:${port}`;
  first = new GatewayProcess(["--bootstrap", "--host", "127.0.0.1", "--port", String(port)]);
  await first.ready();
  five = new GatewayProcess(["--nodes", "5", "--bootstrap", bootstrap, "--host", "127.0.0.1", "--persistent"]);
  await five.ready(5);
}, 120_000);

afterAll(async () => {
  await Promise.all([first.end("SIGKILL"), five.end("SIGKILL")]);
  rmSync(folder, { recursive: true });
});

test("OM-27 OM-28 a bootstrap node and five others are started, each with a port of its own", async () => {
  expect((await first.ready())[0]).toMatchObject({ address: bootstrap, isPersistent: true });
  const ready = await five.ready(5);
  expect(new Set(ready.map(({ address }) => address)).size).toBe(5);
  expect(ready.map(({ isPersistent }) => isPersistent)).toEqual([true, true, true, true, true]);
});

test("what one command announces or stores the next one finds, and a node is pinged and found", async () => {
  const network = ["--bootstrap", bootstrap];
  const keyFile = join(folder, "key");
  const publicKey = (await dht("keygen", keyFile)).stdout.trim();
  expect((await dht("announce", "chat", "--key-file", keyFile, ...network)).stdout).toBe(`${publicKey}\n`);
  expect((await dht("lookup", "chat", ...network)).stdout).toContain(`\n${publicKey}  6 `);
  const { stdout: hash } = await dht("put", "hello", ...network);
  expect(await dht("get", hash.trim(), ...network)).toMatchObject({ exitCode: 0, stdout: "hello\n", stderr: "" });
  expect((await dht("put", "one", "--mutable", "--key-file", keyFile, ...network)).stdout).toBe(`${publicKey}\n`);
  expect((await dht("get", "--mutable", publicKey, ...network)).stdout).toBe("one\n");
  expect((await dht("ping", bootstrap)).stdout).toStartWith(`${bootstrap} answered in `);
  const found = JSON.parse((await dht("find", "chat", "--json", ...network)).stdout);
  expect(found.nodes).toHaveLength(6);
  expect(await dht("lookup", "nobody", ...network)).toMatchObject({ exitCode: 5, stdout: "" });
});

describe.skipIf(!hasNode)(`with the real hyperdht${needsNode}`, () => {
  let hyperdht: HyperdhtProcess;
  let client: HyperdhtNode;

  beforeAll(async () => {
    hyperdht = await HyperdhtProcess.start();
    client = await hyperdht.node("client", { bootstrap: [{ host: "127.0.0.1", port }] });
    await client.ready();
  });
  afterAll(() => hyperdht.stop());

  test("a hyperdht client announces and looks up through it, and dnet dht lookup shows it", async () => {
    const { closestNodes } = await client.announce(TOPIC, SEED);
    expect(closestNodes).toHaveLength(6);
    const { replies } = await client.lookup(TOPIC);
    const publicKey = replies[0]!.peers[0]!.publicKey;
    const shown = await dht("lookup", TOPIC, "--bootstrap", bootstrap);
    expect(shown.stdout).toContain(`\n${formatPublicKey(Uint8Array.fromHex(publicKey))}  6 `);
    await client.unannounce(TOPIC, SEED);
    expect((await dht("lookup", TOPIC, "--bootstrap", bootstrap)).exitCode).toBe(5);
  });

  test("what dnet dht announces and puts a hyperdht client finds, and the other way round", async () => {
    const network = ["--bootstrap", bootstrap];
    const announced = await dht("announce", "11".repeat(32), ...network);
    const { replies } = await client.lookup("11".repeat(32));
    const keys = replies.map(({ peers }) => formatPublicKey(Uint8Array.fromHex(peers[0]!.publicKey)));
    expect(keys).toEqual(Array(6).fill(announced.stdout.trim()));
    const { stdout } = await dht("put", "from dnet", ...network);
    expect((await client.immutableGet(stdout.trim()))?.value).toBe(hex("from dnet"));
    const { hash } = await client.immutablePut(hex("from hyperdht"));
    expect((await dht("get", hash, ...network)).stdout).toBe("from hyperdht\n");
    const { publicKey } = await client.mutablePut(SEED, hex("signed"), 4);
    const got = await dht("get", "--mutable", publicKey, "--json", ...network);
    expect(JSON.parse(got.stdout)).toMatchObject({ seq: 4, text: "signed" });
  });
});

test("kill -9 at any time, also while it ends, leaves a whole list of nodes or none", async () => {
  const words = ["--bootstrap", bootstrap, "--host", "127.0.0.1", "--port", "0"];
  const state = newState();
  for (let round = 0; round < 9; round++) {
    const gateway = new GatewayProcess(words, state);
    await gateway.ready(); // it begins to save
    if (round % 3 === 1) void gateway.end("SIGTERM"); // it begins to save once more
    if (round % 3 === 2) await until("it has saved", () => gateway.savedNodes(bootstrap));
    await gateway.end("SIGKILL");
    gateway.savedNodes(bootstrap);
  }
  const last = new GatewayProcess(words, state);
  await last.ready();
  expect(last.events[0]!.knownBefore).toBeGreaterThan(0);
  await last.end("SIGKILL");
}, 30_000);

test("SIGINT and SIGTERM end it with exit code 0, after it has saved whom it knows", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const gateway = new GatewayProcess(["--bootstrap", bootstrap, "--host", "127.0.0.1", "--port", "0"]);
    await gateway.ready();
    expect(await gateway.end(signal)).toBe(0);
    await until("its last words came", () => gateway.events.some(({ event }) => event === "stopped"));
    expect(gateway.savedNodes(bootstrap)).toContain(bootstrap);
  }
});

test("with the bootstrap node down a restart finds the network by the saved nodes, and others find it through that", async () => {
  const own = await freePort();
  const words = ["--bootstrap", bootstrap, "--host", "127.0.0.1", "--port", String(own)];
  const before = new GatewayProcess(words);
  expect((await before.ready())[0]!.knownNodes).toBe(6);
  await before.end();
  const { stdout: hash } = await dht("put", "still here", "--bootstrap", bootstrap);
  await first.end("SIGKILL");
  const after = new GatewayProcess(words, before.state);
  const [ready] = await after.ready(1, READY_WITHOUT_BOOTSTRAP_MS);
  expect(after.events[0]).toMatchObject({ event: "starting", knownBefore: 6 });
  expect(ready!.knownNodes).toBeGreaterThanOrEqual(5); // the dead bootstrap node may still be among them
  const found = await dht("get", hash.trim(), "--bootstrap", `127.0.0.1:${own}`);
  expect(found).toMatchObject({ exitCode: 0, stdout: "still here\n" });
  expect(await after.end()).toBe(0);
}, 60_000);
