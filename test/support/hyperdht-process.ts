/** The real hyperdht beside us: a child under Node with as many nodes as a test wants. See `hyperdht-node.mjs`. */
import { join } from "node:path";
import type { Address } from "../../src/base/address.ts";
import { Lines } from "../bench/lines.ts";

/** Whether Node, which hyperdht's native parts are for, is here. It is wherever npm is. */
export const hasNode = Bun.which("node") !== null;
/** For the name of a test that is skipped without it. */
export const needsNode = hasNode ? "" : " (skipped: the real hyperdht needs Node)";

/** Bytes in lower-case hex. */
export type Hex = string;

/** Options of hyperdht's constructor; `seed` is in hex. Left out, `bootstrap` is empty, `port` any, and `host` is 127.0.0.1. */
export interface HyperdhtOptions {
  readonly bootstrap?: readonly (Address | string)[];
  readonly nodes?: readonly Address[];
  readonly host?: string;
  readonly port?: number;
  readonly anyPort?: boolean;
  readonly seed?: Hex;
  readonly ephemeral?: boolean;
  readonly firewalled?: boolean;
  readonly quickFirewall?: boolean;
  readonly adaptive?: boolean;
  readonly [other: string]: unknown;
}

/** Shorter times than hyperdht's own five seconds a tick, and 240 ticks until an adaptive node tries to be persistent. */
export interface ShortTimes {
  readonly tickMs?: number;
  readonly stableTicks?: number;
}

export interface HyperdhtInfo {
  /** Null while it is ephemeral. */
  readonly id: Hex | null;
  /** Its address as others see it, as far as it knows. */
  readonly host: string | null;
  readonly port: number;
  readonly randomized: boolean;
  readonly firewalled: boolean;
  readonly ephemeral: boolean;
  readonly bootstrapped: boolean;
  readonly suspended: boolean;
  readonly online: boolean;
  readonly degraded: boolean;
  readonly publicKey: Hex;
  /** Of the socket that its requests leave from; null until it is bound. */
  readonly address: Address | null;
  readonly remoteAddress: Address | null;
  readonly serverPort: number | null;
  readonly clientPort: number | null;
  readonly tableSize: number;
  readonly nodes: readonly Address[];
  readonly stats: {
    readonly queries: { readonly active: number; readonly total: number };
    readonly requests: { readonly [what in "active" | "total" | "responses" | "timeouts" | "retries"]: number };
    readonly commands: { readonly [command: string]: { readonly tx: number; readonly rx: number } };
    readonly [other: string]: unknown;
  };
}

export interface HyperdhtPeer extends Address {
  readonly id: Hex | null;
}

/** A reply as a single request or `findNode` gives it. */
export interface HyperdhtReply {
  readonly tid: number;
  readonly rtt: number;
  readonly from: HyperdhtPeer;
  readonly to: Address;
  readonly token: Hex | null;
  readonly closerNodes: readonly Address[] | null;
  readonly error: number;
  readonly value: Hex | null;
}

interface Found {
  readonly from: HyperdhtPeer;
  readonly to: Address;
  readonly token: Hex | null;
}

export interface PeerRecord {
  readonly publicKey: Hex;
  readonly relayAddresses: readonly Address[];
}

export interface FoundPeers extends Found {
  readonly peers: readonly PeerRecord[];
  readonly bump: number;
}

export interface FoundPeer extends Found {
  readonly peer: PeerRecord;
}

export interface FoundValue extends Found {
  readonly value: Hex;
}

export interface FoundRecord extends FoundValue {
  readonly seq: number;
  readonly signature: Hex;
}

/** A query at its end. `closestNodes` are those that a commit went to. */
export interface QueryResult<Reply> {
  readonly replies: readonly Reply[];
  readonly closestNodes: readonly HyperdhtPeer[];
  readonly successes: number;
  readonly errors: number;
}

export interface QueryOptions {
  readonly nodes?: readonly Address[];
  readonly concurrency?: number;
  readonly retries?: number;
  readonly onlyClosestNodes?: boolean;
}

export type QueryKind = "findNode" | "lookup" | "findPeer";

/** A line that answers no command: a node's event with its `details`, or `connection`, `stream-data`, `failure`... */
export interface HyperdhtEvent {
  readonly event: string;
  readonly name?: string;
  readonly stream?: string;
  readonly [other: string]: unknown;
}

type Line =
  | HyperdhtEvent
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };

/** What hyperdht threw; `code` is its own, such as REQUEST_TIMEOUT, or ERROR where it has none. */
export class HyperdhtError extends Error {
  override name = "HyperdhtError";

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** What speaks the lines: our gateways, and the real hyperdht. */
export const PROGRAMS = {
  ours: [process.execPath, join(import.meta.dir, "hyperdht-gateway.ts")],
  theirs: ["node", join(import.meta.dir, "hyperdht-node.mjs")],
} as const;
const PATIENCE_MS = 2_000;

export class HyperdhtProcess {
  /** All that happened so far, for `until` to look through. */
  readonly events: HyperdhtEvent[] = [];
  readonly #child;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #commands = 0;

  private constructor(netns: string | null, program: readonly string[]) {
    const inside = netns === null ? [] : ["ip", "netns", "exec", netns]; // which becomes the program, so the pid is its own
    this.#child = Bun.spawn([...inside, ...program], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  }

  /**
   * Starts it, in a network namespace if one is named. It ends with this process at the latest: its stdin does. `program` is one of
   * PROGRAMS, or another that speaks the same lines.
   */
  static async start({
    netns = null,
    program = PROGRAMS.theirs,
  }: {
    readonly netns?: string | null;
    readonly program?: readonly string[];
  } = {}): Promise<HyperdhtProcess> {
    const started = new HyperdhtProcess(netns, program);
    const lines = new Lines(started.#child.stdout);
    if (!(await lines.next())?.includes('"started"')) throw new Error(`${program.join(" ")} did not start`);
    void started.#listen(lines);
    return started;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Any command of `hyperdht-node.mjs`. Throws HyperdhtError with what hyperdht threw. */
  call<Result = null>(command: string, args: object = {}): Promise<Result> {
    const id = ++this.#commands;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#child.stdin.write(`${JSON.stringify({ id, command, args })}\n`);
    this.#child.stdin.flush();
    return answer.promise as Promise<Result>;
  }

  /** A new node; it begins to bootstrap at once, and `ready` waits for that. */
  async node(name: string, options: HyperdhtOptions = {}, shorten: ShortTimes = {}): Promise<HyperdhtNode> {
    await this.call("create", { name, options: { host: "127.0.0.1", ...options }, shorten });
    return new HyperdhtNode(this, name);
  }

  /** The first node of a network: persistent, told its own address, ready. Port 0 finds a free one. */
  async bootstrapper(
    name: string,
    { host, port }: Address = { host: "127.0.0.1", port: 0 },
    options: HyperdhtOptions = {},
  ): Promise<HyperdhtNode> {
    await this.call("create", { name, options, bootstrapper: { host, port } });
    const node = new HyperdhtNode(this, name);
    await node.ready();
    return node;
  }

  /** Of the whole process: bytes, and microseconds since its start. */
  memory(): Promise<{ rss: number; heapUsed: number; cpu: { user: number; system: number } }> {
    return this.call("memory");
  }

  /** Ends it without farewells, as a crash would; nodes that should say goodbye are destroyed before. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    await this.#child.exited;
    clearTimeout(timer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #listen(lines: Lines): Promise<void> {
    for (let line = await lines.next(); line !== null; line = await lines.next()) this.#take(JSON.parse(line) as Line);
    for (const { reject } of this.#waiting.values()) reject(new Error("the real hyperdht's process has ended"));
    this.#waiting.clear();
  }

  #take(line: Line): void {
    if ("event" in line) return void this.events.push(line);
    const answer = this.#waiting.get(line.id)!;
    this.#waiting.delete(line.id);
    if ("error" in line) answer.reject(new HyperdhtError(line.error.code, line.error.message));
    else answer.resolve(line.result);
  }
}

/** One node of the real thing. Targets, keys, seeds, tokens and values are hex. */
export class HyperdhtNode {
  constructor(
    readonly process: HyperdhtProcess,
    readonly name: string,
  ) {}

  /** Waits until it has bootstrapped. */
  ready(): Promise<HyperdhtInfo> {
    return this.call("ready");
  }

  info(): Promise<HyperdhtInfo> {
    return this.call("info");
  }

  /** Where others reach it. */
  async address(): Promise<Address> {
    const { serverPort } = await this.info();
    return { host: await this.get<string>("io._host"), port: serverPort! };
  }

  findNode(target: Hex, options: QueryOptions = {}): Promise<QueryResult<HyperdhtReply>> {
    return this.call("findNode", { target, options });
  }

  lookup(target: Hex, options: QueryOptions = {}): Promise<QueryResult<FoundPeers>> {
    return this.call("lookup", { target, options });
  }

  findPeer(publicKey: Hex, options: QueryOptions & { hash?: boolean } = {}): Promise<QueryResult<FoundPeer>> {
    return this.call("findPeer", { publicKey, options });
  }

  announce(
    target: Hex,
    seed: Hex,
    more: { relayAddresses?: readonly Address[]; bump?: number; clear?: boolean; options?: QueryOptions } = {},
  ): Promise<QueryResult<FoundPeers>> {
    return this.call("announce", { target, seed, ...more });
  }

  unannounce(target: Hex, seed: Hex, options: QueryOptions = {}): Promise<QueryResult<FoundPeers>> {
    return this.call("unannounce", { target, seed, options });
  }

  immutablePut(value: Hex, options: QueryOptions = {}): Promise<{ hash: Hex; closestNodes: readonly HyperdhtPeer[] }> {
    return this.call("immutablePut", { value, options });
  }

  immutableGet(target: Hex, options: QueryOptions = {}): Promise<FoundValue | null> {
    return this.call("immutableGet", { target, options });
  }

  mutablePut(
    seed: Hex,
    value: Hex,
    seq = 0,
    options: QueryOptions = {},
  ): Promise<{ publicKey: Hex; closestNodes: readonly HyperdhtPeer[]; seq: number; signature: Hex }> {
    return this.call("mutablePut", { seed, value, seq, options });
  }

  mutableGet(
    publicKey: Hex,
    { seq, latest, ...options }: QueryOptions & { seq?: number; latest?: boolean } = {},
  ): Promise<FoundRecord | null> {
    return this.call("mutableGet", { publicKey, seq, latest, options });
  }

  ping(to: Address, options: { size?: number; retry?: boolean } = {}): Promise<HyperdhtReply> {
    return this.call("ping", { to, options });
  }

  delayedPing(to: Address, delayMs: number, options: { retry?: boolean } = {}): Promise<HyperdhtReply> {
    return this.call("delayedPing", { to, delayMs, options });
  }

  /** One request as it is told; `internal` for the RPC's own commands. A reply with an error is a reply. */
  request(
    to: Address,
    request: { command: number; internal?: boolean; target?: Hex; value?: Hex; token?: Hex; retry?: boolean },
  ): Promise<HyperdhtReply> {
    return this.call("request", { to, ...request });
  }

  /** Puts a node into its routing table. */
  addNode({ host, port }: Address): Promise<null> {
    return this.call("addNode", { host, port });
  }

  /** Closes its sockets until `resume`. */
  suspend(): Promise<null> {
    return this.call("suspend");
  }

  resume(): Promise<null> {
    return this.call("resume");
  }

  /** Has an adaptive node ask, after so many more ticks, whether it may be persistent. */
  persistSoon(ticks = 1): Promise<null> {
    return this.call("persistSoon", { ticks });
  }

  /** Has what is due every five seconds happen now. */
  tick(count = 1): Promise<null> {
    return this.call("tick", { count });
  }

  /** Any field of the node by its path, such as `_nat.port`. */
  get<Value>(path: string): Promise<Value> {
    return this.call("get", { path });
  }

  set(path: string, value: unknown): Promise<null> {
    return this.call("set", { path, value });
  }

  /** Listens for connections under the key of `seed`; resolves once it is announced. */
  listen(
    server: string,
    seed: Hex,
    more: { echo?: boolean; refuse?: boolean; options?: { readonly [name: string]: unknown } } = {},
  ): Promise<{ publicKey: Hex; host: string; port: number; relayAddresses: readonly Address[] }> {
    return this.call("listen", { server, seed, ...more });
  }

  /** Opens a connection that is called `stream` from then on. */
  connect(
    stream: string,
    publicKey: Hex,
    more: { seed?: Hex; options?: { readonly [name: string]: unknown } } = {},
  ): Promise<{ publicKey: Hex; remotePublicKey: Hex; handshakeHash: Hex; remote: Address }> {
    return this.call("connect", { stream, publicKey, ...more });
  }

  /** A blind relay under the key of `seed`: it carries everybody; with `refuse` nobody. */
  relay(relay: string, seed: Hex, more: { refuse?: boolean } = {}): Promise<{ publicKey: Hex }> {
    return this.call("relay", { relay, seed, ...more });
  }

  /** How long each query took in milliseconds, measured there; null for one that failed. */
  benchQueries(kind: QueryKind, targets: readonly Hex[], concurrency = 1): Promise<(number | null)[]> {
    return this.call("benchQueries", { kind, targets, concurrency });
  }

  /** Closes its servers, which unannounces them, unless by force. */
  destroy({ force = false } = {}): Promise<null> {
    return this.call("destroy", { force });
  }

  /** Any command that is about a node. */
  call<Result = null>(command: string, args: object = {}): Promise<Result> {
    return this.process.call(command, { name: this.name, ...args });
  }
}
