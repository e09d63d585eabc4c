/**
 * A node of the DHT for programs: HyperDHT's API, as the Omega Gateway has it, with promises and async iteration.
 * Source: hyperdht 6.34 README and index.js; specification §19.
 */
import { EventEmitter } from "node:events";
import { monotonicMs } from "../../../ffi/libc.ts";
import { type Address, formatAddress } from "../../base/address.ts";
import { isBogon } from "../../base/address-classes.ts";
import { DnetError } from "../../base/error.ts";
import { addressKey, ip4Number } from "../../base/ip4.ts";
import { parsePublicKey } from "../../base/public-key.ts";
import { blake2b256 } from "../../crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import type { Connection } from "../../dht/connection.ts";
import { TICK_MS } from "../../dht/node.ts";
import * as operations from "../../dht/operations.ts";
import { sameBytes } from "../../dht/peer.ts";
import type { Query, QueryOptions } from "../../dht/query.ts";
import { type Outgoing, type Reply, TIMEOUT_MS } from "../../dht/requests.ts";
import { decodeHyperdhtAddress } from "../../wire/hyperdht-address.ts";
import { INTERNAL } from "../../wire/rpc.ts";
import type { DatagramSocket } from "../datagram-socket.ts";
import { type DhtEvent, DhtHost } from "../dht-host.ts";
import { drive } from "../drive.ts";
import { resolveIp4 } from "../endpoints.ts";
import { systemRandom } from "../entropy.ts";
import { openUdpSocket } from "../udp-socket.ts";
import { networkFingerprint } from "./local-network.ts";
import { type CheckedOptions, checkOptions, type GatewayOptions, PUBLIC_BOOTSTRAP } from "./options.ts";
import { failureError, QueryStream } from "./query-stream.ts";
import { SecretSocket } from "./secret-socket.ts";
import { Server, type ServerOptions } from "./server.ts";

export interface QuerySettings {
  /** Begin with these instead of the routing table. */
  readonly nodes?: readonly Address[];
  readonly concurrency?: number;
  /** How often a node is asked again. Default 5. */
  readonly retries?: number;
  /** Ask `nodes` and nobody else. */
  readonly onlyClosestNodes?: boolean;
}

export interface ConnectSettings {
  /** Ours. Default: the gateway's. */
  readonly keyPair?: KeyPair;
  /** Nodes that are said to lead to the server, as its `nodes` are: tried at once. */
  readonly nodes?: readonly Address[];
  /** The same, as HyperDHT calls it. */
  readonly relayAddresses?: readonly Address[];
  /** Try the server's own addresses when both are behind one public address. Default true. */
  readonly localConnection?: boolean;
  /** Probe before the first round of hole punching. Default true. */
  readonly fastOpen?: boolean;
}

export interface RequestSettings {
  /** Default 3. */
  readonly retries?: number;
}

/** What one node is asked, for `request`. */
export interface Question {
  readonly command: number;
  readonly target?: Uint8Array;
  readonly value?: Uint8Array;
  readonly token?: Uint8Array;
  /** Of the RPC's own commands. */
  readonly internal?: boolean;
}

export interface GatewayEvents {
  /** The sockets are open. */
  listening: [];
  /** The network was looked for; found or not. */
  ready: [];
  persistent: [];
  ephemeral: [];
  wakeup: [];
  /** Others see us elsewhere; null and 0 while that is not known. */
  "nat-update": [host: string | null, port: number];
  "network-change": [];
  "network-update": [];
  "add-node": [Address];
  "remove-node": [Address];
  suspend: [];
  resume: [];
  close: [];
}

/** Longer values would not fit a datagram that the internet carries whole, beside the id, token and nodes of a reply. */
export const MAX_VALUE_BYTES = 1_000;

export class Gateway extends EventEmitter<GatewayEvents> {
  /** The nodes to begin with where none are given: the public HyperDHT network's. */
  static readonly BOOTSTRAP = PUBLIC_BOOTSTRAP;

  readonly defaultKeyPair: KeyPair;
  readonly #checked: CheckedOptions;
  readonly #streams = new Map<Query, QueryStream<unknown>>();
  readonly #requests = new Map<number, UserRequest>();
  readonly #servers = new Set<Server>();
  readonly #opened: Promise<DhtHost>;
  readonly #ready = Promise.withResolvers<void>();
  #host: DhtHost | null = null;
  #watch: ReturnType<typeof setInterval> | undefined;
  #isDestroyed = false;
  #destroying: Promise<void> | null = null;
  #isSuspended = false;

  /**
   * Begins to listen and to find the network; `ready()` tells when it has. Throws DnetError for options that cannot be; `bind`,
   * `ready` and whatever asks the network reject with one when the port cannot be had. `publicAddress`: see `bootstrapper`.
   */
  constructor(options: GatewayOptions = {}, publicAddress: Address | null = null) {
    super();
    this.#checked = checkOptions(options, publicAddress, monotonicMs());
    this.defaultKeyPair = this.#checked.keyPair;
    this.#opened = this.#open();
    this.#opened.catch((error) => this.#ready.reject(error));
    this.#ready.promise.catch(() => {}); // whoever asks is told
  }

  /**
   * The first node of a network: it knows that strangers reach it at `host`:`port`, and is persistent from the start. Where it
   * binds is `options.host`. Throws DnetError for an address that nobody could reach.
   */
  static bootstrapper(port: number, host: string, options: GatewayOptions = {}): Gateway {
    if (ip4Number(host ?? "") < 0 || host === "0.0.0.0") {
      throw new DnetError("BAD_OPTION", `host is ${host || "missing"}; a bootstrap node needs its own public address`, {
        failure: "configuration",
        hint: "the IPv4 address at which others reach this machine; not 0.0.0.0, nor ::",
      });
    }
    if (!(Number.isInteger(port) && port > 0 && port <= 65_535)) {
      throw new DnetError("BAD_OPTION", `port is ${port}; a bootstrap node needs a fixed one, from 1 to 65535`, {
        failure: "configuration",
      });
    }
    const fixed = { bootstrap: [], port, anyPort: false, ephemeral: false, firewalled: false };
    return new Gateway({ ...options, ...fixed }, { host, port });
  }

  /** An Ed25519 key pair: from 32 bytes always the same one, without them a new one. */
  static keyPair(seed?: Uint8Array): KeyPair {
    return keyPairFromSeed(seed ?? systemRandom.bytes(32));
  }

  /** BLAKE2b, 32 bytes. Of a public key it is the target under which the peer is found. */
  static hash(bytes: Uint8Array): Uint8Array {
    return blake2b256(bytes);
  }

  /** 32 bytes; null while ephemeral. */
  get id(): Uint8Array | null {
    return this.#host?.node.id ?? null;
  }

  /** Ours as others see it; null until enough of them agree. */
  get host(): string | null {
    return this.#host?.node.contacts.sampler.host ?? null;
  }

  /** As others see it; 0 until they agree. */
  get port(): number {
    return this.#host?.node.contacts.sampler.port ?? 0;
  }

  /** Whether each node sees us at another port. */
  get randomized(): boolean {
    return this.host !== null && this.port === 0;
  }

  get firewall(): "open" | "consistent" | "random" | "unknown" {
    return this.#host?.node.firewall ?? "unknown";
  }

  get firewalled(): boolean {
    return this.#host?.node.isFirewalled ?? this.#checked.node.isFirewalled;
  }

  get ephemeral(): boolean {
    return this.#host?.node.isEphemeral ?? true;
  }

  get bootstrapped(): boolean {
    return this.#host?.node.isReady ?? false;
  }

  get destroyed(): boolean {
    return this.#isDestroyed;
  }

  get suspended(): boolean {
    return this.#isSuspended;
  }

  get online(): boolean {
    return this.#host?.node.isOnline ?? true;
  }

  /** More than half of what is asked is not answered. */
  get degraded(): boolean {
    return this.#host?.node.isDegraded ?? false;
  }

  /** Whether it defends against the whole internet (`GatewayOptions.hardened`). */
  get hardened(): boolean {
    return this.#checked.node.isPublic;
  }

  /** Nodes in the routing table. */
  get size(): number {
    return this.#host?.node.contacts.table.size ?? 0;
  }

  get stats() {
    const node = this.#host?.node;
    return node && { ...node.stats, ...this.#host!.traffic, stored: node.storage.sizes, dropped: node.dropCounts };
  }

  /** Resolves when the sockets are open. */
  async bind(): Promise<void> {
    await this.#opened;
  }

  /** Resolves when it has looked for the network, found or not. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  fullyBootstrapped(): Promise<void> {
    return this.ready();
  }

  /** Where the server socket is bound; null before it is. */
  address(): Address | null {
    return this.#host?.sockets.server.address ?? null;
  }

  /** Where strangers reach us; null when they do not, or it is not known. */
  remoteAddress(): Address | null {
    return this.#host?.node.remoteAddress ?? null;
  }

  /** Nodes of the routing table, most recently heard first: what to save, and to give as `nodes` next time. */
  toArray({ limit = Number.POSITIVE_INFINITY } = {}): Address[] {
    const nodes = [...(this.#host?.node.contacts.table.nodes() ?? [])].reverse();
    return nodes.slice(0, limit).map(({ host, port }) => ({ host, port }));
  }

  addNode(node: Address): void {
    this.#input((now) => this.#host!.node.addNode(now, node));
  }

  /** Walks in the background, so that the table stays alive. */
  refresh(): void {
    this.#input((now) => this.#host!.node.refresh(now));
  }

  /** Asks whether a node is there. Throws DnetError: REQUEST_TIMEOUT. */
  ping(to: Address, settings: RequestSettings = {}): Promise<Reply> {
    return this.#ask({ to, isInternal: true, command: INTERNAL.ping, ...settings }, `a ping to ${formatAddress(to)}`);
  }

  /** A ping that the other node answers after `delayMs`. */
  delayedPing(to: Address, delayMs: number, settings: RequestSettings = {}): Promise<Reply> {
    const { maxPingDelayMs } = this.#checked.node;
    if (!(Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= maxPingDelayMs)) {
      throw new DnetError("BAD_DELAY", `the delay is ${delayMs} ms; expected an integer from 0 to ${maxPingDelayMs}`);
    }
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, delayMs, true);
    const outgoing = { to, isInternal: true, command: INTERNAL.delayedPing, value, timeoutMs: delayMs + TIMEOUT_MS };
    return this.#ask({ ...outgoing, ...settings }, `a delayed ping to ${formatAddress(to)}`);
  }

  /** Asks one node one thing. A refusal is a reply with an `error`. Throws DnetError: REQUEST_TIMEOUT. */
  request({ internal = false, ...question }: Question, to: Address, settings: RequestSettings = {}): Promise<Reply> {
    const what = `command ${question.command} to ${formatAddress(to)}`;
    return this.#ask({ to, isInternal: internal, ...question, ...settings }, what);
  }

  /** Walks towards `target` with a command of one's own, and gives every reply. */
  query(question: Question & { readonly target: Uint8Array }, settings: QuerySettings = {}): QueryStream<Reply> {
    const { internal = false, command, target, value = null } = question;
    const query = { isInternal: internal, command, target: checkBytes("target", target), value };
    return this.#walk({ query, item: (reply) => reply }, settings, `command ${command}`);
  }

  /** The nodes nearest to a target: `closestNodes` at the end of the walk. */
  findNode(target: Uint8Array, settings: QuerySettings = {}): QueryStream<Reply> {
    return this.#walk(operations.findNode(checkBytes("target", target)), settings, "a search for nodes");
  }

  /** Where a peer that listens announced itself. `hash: false`: the argument is the target itself. */
  findPeer(publicKey: Uint8Array, settings: QuerySettings & { readonly hash?: boolean } = {}) {
    const { hash = true, ...rest } = settings;
    const key = checkBytes("publicKey", publicKey);
    return this.#walk(operations.findPeer(hash ? blake2b256(key) : key), rest, "a search for a peer");
  }

  /** Who has announced itself under a topic of 32 bytes; at most 20 from each node, and the same peer from several. */
  lookup(topic: Uint8Array, settings: QuerySettings = {}): QueryStream<operations.FoundPeers> {
    return this.#walk(operations.lookup(checkBytes("topic", topic)), settings, "a lookup");
  }

  /**
   * Announces a key under a topic at the 20 nodes nearest to it, for 20 minutes. Of the relay addresses three are kept, and on the
   * public network none that it does not route. `clear` takes away earlier announcements on the way.
   */
  announce(
    topic: Uint8Array,
    keyPair: KeyPair = this.defaultKeyPair,
    relayAddresses: readonly Address[] = [],
    settings: QuerySettings & { readonly bump?: number; readonly clear?: boolean } = {},
  ): QueryStream<operations.FoundPeers> {
    const { bump = 0, clear = false, ...rest } = settings;
    const isRouted = ({ host }: Address) => !this.hardened || !isBogon(host);
    const relays = relayAddresses.filter(isRouted);
    const announcement = { topic: checkBytes("topic", topic), keyPair, relayAddresses: relays, bump };
    const operation = clear ? operations.lookupAndUnannounce(announcement, true) : operations.announce(announcement);
    return this.#walk(operation, rest, "an announcement");
  }

  /** A lookup that takes the key's announcement away from every node that has it. */
  lookupAndUnannounce(topic: Uint8Array, keyPair: KeyPair = this.defaultKeyPair, settings: QuerySettings = {}) {
    this.#host?.node.storage.remove(checkBytes("topic", topic), keyPair.publicKey);
    const announcement = { topic, keyPair, relayAddresses: [], bump: 0 };
    return this.#walk(operations.lookupAndUnannounce(announcement, false), settings, "an unannouncement");
  }

  async unannounce(
    topic: Uint8Array,
    keyPair: KeyPair = this.defaultKeyPair,
    settings: QuerySettings = {},
  ): Promise<void> {
    await this.lookupAndUnannounce(topic, keyPair, settings).finished();
  }

  /** Stores up to 1,000 bytes under their hash, for 48 hours. */
  async immutablePut(value: Uint8Array, settings: QuerySettings = {}) {
    const stream = this.#walk(operations.immutablePut(checkValue(value)), settings, "an immutable put");
    await stream.finished();
    return { hash: blake2b256(value), closestNodes: stream.closestNodes };
  }

  /** The value with that hash; null when no node has it. */
  async immutableGet(hash: Uint8Array, settings: QuerySettings = {}): Promise<operations.FoundValue | null> {
    const operation = operations.immutableGet(checkBytes("hash", hash));
    for await (const found of this.#walk(operation, settings, "an immutable get")) return found;
    return null;
  }

  /**
   * Stores up to 1,000 bytes under a public key, for 48 hours, in place of a value with a lower `seq`. Throws DnetError: SEQ_TOO_LOW
   * or SEQ_REUSED when the network has a later value, or another of that `seq`.
   */
  async mutablePut(keyPair: KeyPair, value: Uint8Array, settings: QuerySettings & { readonly seq?: number } = {}) {
    const { seq = 0, ...rest } = settings;
    const operation = operations.mutablePut({ keyPair, seq: checkSeq(seq), value: checkValue(value) });
    const stream = this.#walk(operation, rest, "a mutable put");
    for await (const found of stream) {
      if (found.seq > seq) throw seqError("SEQ_TOO_LOW", `the network has seq ${found.seq}, and this is ${seq}`);
      if (found.seq === seq && !sameBytes(found.value, value)) {
        throw seqError("SEQ_REUSED", `the network has another value with seq ${seq}`);
      }
    }
    const { signature } = operation;
    return { publicKey: keyPair.publicKey, closestNodes: stream.closestNodes, seq, signature };
  }

  /**
   * The first valid value with at least that `seq`; with `latest` the one with the highest, after the whole walk. Null when there is
   * none. `refresh`, asked at the end, stores what was found once more when it returns true.
   */
  async mutableGet(
    publicKey: Uint8Array,
    settings: QuerySettings & {
      readonly seq?: number;
      readonly latest?: boolean;
      readonly refresh?: (found: operations.FoundMutable) => boolean;
    } = {},
  ): Promise<operations.FoundMutable | null> {
    const { seq = 0, latest = false, refresh, ...rest } = settings;
    let best: operations.FoundMutable | null = null;
    const note = (found: operations.FoundMutable | null) => {
      if (found && (!best || found.seq > best.seq)) best = found;
    };
    const keep = () => (best && refresh?.(best) ? best : null);
    const key = checkBytes("publicKey", publicKey);
    const { query, item } = operations.mutableGet(key, checkSeq(seq), refresh ? keep : undefined);
    // What is kept is settled with the last reply, before the loop below sees it.
    const follow = (reply: Reply) => {
      note(item(reply));
      return null;
    };
    const operation = { query: refresh ? { ...query, follow } : query, item };
    for await (const found of this.#walk(operation, rest, "a mutable get")) {
      note(found);
      if (!latest && !refresh) return found;
    }
    return best;
  }

  /** A server; it is found once `listen` has resolved. */
  createServer(options: ServerOptions = {}, onConnection?: (socket: SecretSocket) => void): Server {
    const server = new Server(options, () => this.#usable());
    if (onConnection) server.on("connection", onConnection);
    this.#servers.add(server);
    server.on("close", () => this.#servers.delete(server));
    return server;
  }

  /**
   * Connects to whoever listens under a key: 32 bytes, its text in hex or z-base-32, or a HyperDHT address. What is written before it is
   * open is sent when it is; `opened` tells whether it will be. Throws DnetError for what is no key.
   */
  connect(remotePublicKey: Uint8Array | string, settings: ConnectSettings = {}): SecretSocket {
    const { publicKey, nodes } = parseRemote(remotePublicKey);
    const { keyPair = this.defaultKeyPair, localConnection = true, fastOpen = true } = settings;
    const relayAddresses = settings.nodes ?? settings.relayAddresses ?? nodes;
    const options = { remotePublicKey: publicKey, keyPair, relayAddresses, localConnection, fastOpen };
    const host = this.#host;
    if (!host || this.#isDestroyed || this.#isSuspended)
      throw new DnetError("SUSPENDED", "this gateway is not open", { hint: "await bind() first" });
    return new SecretSocket({
      publicKey: keyPair.publicKey,
      remotePublicKey: publicKey,
      open: (owner) => {
        const opening = { connection: null as Connection | null };
        host.input((now) => {
          opening.connection = host.node.connections.connect(now, options, owner);
        });
        return opening.connection!;
      },
      input: (feed) => host.input(feed),
    });
  }

  /** Closes the sockets until `resume`; what is under way fails with IO_SUSPENDED. */
  async suspend(): Promise<void> {
    const host = await this.#opened;
    if (this.#isSuspended || this.#isDestroyed) return;
    this.#isSuspended = true;
    host.suspend();
    this.emit("suspend");
  }

  /** Opens the sockets again, on the ports they had if those are free, and looks for the network anew. */
  async resume(): Promise<void> {
    const host = await this.#opened;
    if (!this.#isSuspended || this.#isDestroyed) return;
    const { server, client } = host.sockets;
    host.resume({
      server: await this.#openFirst([server.address.port, ...this.#checked.ports]),
      client: await this.#openFirst([client.address.port, 0]),
    });
    this.#isSuspended = false;
    this.emit("resume");
  }

  /** Ends everything it does; servers are unannounced first, unless `force`. Calling it again is safe. */
  destroy({ force = false } = {}): Promise<void> {
    this.#destroying ??= this.#destroy(force);
    return this.#destroying;
  }

  async #destroy(force: boolean): Promise<void> {
    if (!force) await Promise.all([...this.#servers].map((server) => server.close()));
    this.#isDestroyed = true;
    clearInterval(this.#watch);
    const host = await this.#opened.catch(() => null);
    host?.input((now) => host.node.connections.destroy(now));
    host?.stop();
    const why = new DnetError("NODE_DESTROYED", "this gateway was destroyed");
    this.#ready.reject(why);
    for (const stream of this.#streams.values()) stream.fail("cancelled");
    for (const { reject, what } of this.#requests.values()) reject(failureError("cancelled", what));
    this.emit("close");
  }

  async #open(): Promise<DhtHost> {
    const server = await this.#openFirst(this.#checked.ports);
    const client = await this.#openFirst([0]);
    const sockets = { server, client };
    if (this.#isDestroyed) {
      server.close();
      client.close();
      throw new DnetError("NODE_DESTROYED", "this gateway was destroyed");
    }
    const host = new DhtHost({
      now: monotonicMs(),
      node: this.#checked.node,
      sockets,
      drive,
      openSocket: () => openUdpSocket({ host: this.#checked.host, port: 0 }),
      resolve: resolveIp4,
      onEvent: (event) => this.#onEvent(event),
    });
    this.#host = host;
    this.#watchNetwork();
    queueMicrotask(() => this.emit("listening"));
    if (host.node.isReady) this.#ready.resolve();
    return host;
  }

  async #openFirst(ports: readonly number[]): Promise<DatagramSocket> {
    const { host } = this.#checked;
    for (const port of ports.slice(0, -1)) {
      const socket = await openUdpSocket({ host, port }).catch((error: DnetError) => {
        if (error.code !== "PORT_IN_USE") throw error;
        return null;
      });
      if (socket) return socket;
    }
    return openUdpSocket({ host, port: ports.at(-1)! });
  }

  /** The machine may come to another network, which shows on no socket. (That it slept shows on the clock.) */
  #watchNetwork(): void {
    let network = networkFingerprint();
    const look = () => {
      const last = network;
      network = networkFingerprint();
      if (network === last) return;
      this.#input((now) => this.#host!.node.networkChanged(now));
      this.emit("network-change");
    };
    this.#watch = setInterval(look, TICK_MS);
  }

  #input(feed: (now: number) => void): void {
    if (this.#host && !this.#isDestroyed && !this.#isSuspended) this.#host.input(feed);
  }

  async #ask(outgoing: Outgoing, what: string): Promise<Reply> {
    if (addressKey(outgoing.to) <= 0 || outgoing.to.port === 0) {
      throw new DnetError(
        "BAD_ARGUMENT",
        `${what} cannot be sent: expected an IPv4 address and a port from 1 to 65535`,
        {
          failure: "usage",
        },
      );
    }
    const host = await this.#usable();
    const asked = { what, ...Promise.withResolvers<Reply>() };
    host.input((now) => this.#requests.set(host.node.request(now, outgoing), asked));
    return asked.promise;
  }

  #walk<Item>({ query, item }: operations.Operation<Item>, settings: QuerySettings, what: string): QueryStream<Item> {
    const { nodes, concurrency, retries, onlyClosestNodes, ...unknown } = settings;
    const [name] = Object.keys(unknown);
    if (name) {
      throw new DnetError("UNKNOWN_OPTION", `${what} has no option ${JSON.stringify(name)}`, {
        failure: "usage",
        hint: "one of: nodes, concurrency, retries, onlyClosestNodes",
      });
    }
    const options: QueryOptions = {
      ...query,
      ...(nodes && { nodes }),
      ...(concurrency && { concurrency }),
      ...(retries !== undefined && { retries }),
      ...(onlyClosestNodes && { onlyTheseNodes: true }),
    };
    let isCancelled = false;
    const stream = new QueryStream(item, what, () => {
      isCancelled = true;
      const walk = stream.query;
      if (walk) this.#input((now) => this.#host!.node.cancel(now, walk));
      if (walk) this.#streams.delete(walk);
    });
    const begin = async () => {
      const host = await this.#usable();
      // Without a single node a walk would end at once; whoever asks so early means: once the network is found.
      if (host.node.contacts.table.size === 0) await this.#ready.promise;
      if (!isCancelled) host.input((now) => this.#begin(now, options, stream));
    };
    begin().catch((error) => stream.end(error));
    return stream;
  }

  #begin(now: number, options: QueryOptions, stream: QueryStream<unknown>): void {
    const query = this.#host!.node.query(now, options);
    if (!query) return stream.fail("overloaded");
    stream.query = query;
    this.#streams.set(query, stream);
  }

  /** Throws DnetError when there is nothing to ask with. */
  async #usable(): Promise<DhtHost> {
    const host = await this.#opened;
    if (this.#isDestroyed) throw new DnetError("NODE_DESTROYED", "this gateway was destroyed");
    if (this.#isSuspended) throw new DnetError("SUSPENDED", "this gateway is suspended", { hint: "resume() first" });
    return host;
  }

  #onEvent(event: DhtEvent): void {
    switch (event.type) {
      case "reply":
        return this.#streams.get(event.query)?.reply(event.reply);
      case "finished": {
        const stream = this.#streams.get(event.query);
        this.#streams.delete(event.query);
        return event.failure ? stream?.fail(event.failure) : stream?.end(null);
      }
      case "answered":
        return this.#takeRequest(event.request)?.resolve(event.reply);
      case "failed": {
        const request = this.#takeRequest(event.request);
        return request?.reject(failureError(event.why, request.what));
      }
      case "ready":
        this.#ready.resolve();
        return void this.emit("ready");
      case "natUpdate":
        return void this.emit("nat-update", this.host, this.port);
      case "networkUpdate":
        return void this.emit("network-update");
      case "addNode":
      case "removeNode": {
        const { host, port } = event.node;
        return void this.emit(event.type === "addNode" ? "add-node" : "remove-node", { host, port });
      }
      default:
        return void this.emit(event.type);
    }
  }

  #takeRequest(number: number): UserRequest | undefined {
    const request = this.#requests.get(number);
    this.#requests.delete(number);
    return request;
  }
}

/** The key of whoever is to be connected to, and the nodes that its address names. */
function parseRemote(remote: Uint8Array | string): { publicKey: Uint8Array; nodes: readonly Address[] } {
  const bytes = typeof remote === "string" ? parsePublicKey(remote) : remote;
  const address = bytes && decodeHyperdhtAddress(bytes);
  if (address) return { publicKey: address.publicKey.slice(), nodes: address.nodes ?? [] };
  const found = typeof remote === "string" ? JSON.stringify(remote) : `${remote?.length} bytes`;
  throw new DnetError("BAD_ARGUMENT", `the key is ${found}; expected 32 bytes, 64 hex or 52 z-base-32 characters`, {
    failure: "usage",
  });
}

interface UserRequest extends PromiseWithResolvers<Reply> {
  readonly what: string;
}

function checkBytes(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes;
  const found = bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
  throw new DnetError("BAD_ARGUMENT", `${name} is ${found}; expected 32 bytes`, { failure: "usage" });
}

function checkValue(value: Uint8Array): Uint8Array {
  if (value instanceof Uint8Array && value.length <= MAX_VALUE_BYTES) return value;
  const found = value instanceof Uint8Array ? `${value.length} bytes` : typeof value;
  throw new DnetError("BAD_VALUE", `the value is ${found}; expected at most ${MAX_VALUE_BYTES} bytes`, {
    failure: "usage",
    hint: "store more under several hashes, and their hashes in one value",
  });
}

function checkSeq(seq: number): number {
  if (Number.isSafeInteger(seq) && seq >= 0) return seq;
  throw new DnetError("BAD_ARGUMENT", `seq is ${seq}; expected an integer from 0`, { failure: "usage" });
}

function seqError(code: "SEQ_TOO_LOW" | "SEQ_REUSED", message: string): DnetError {
  return new DnetError(code, message, { hint: "read the latest value, then put with its seq + 1" });
}
