/**
 * A node of the DHT for programs: HyperDHT's API, as the Omega Gateway has it, with promises and async iteration.
 * Source: hyperdht 6.34 README and index.js; specification §19.
 */
import { EventEmitter } from "node:events";
import { monotonicMs } from "../../../ffi/libc.ts";
import { type Address, formatAddress } from "../../base/address.ts";
import { isBogon } from "../../base/address-classes.ts";
import { blake2b256 } from "../../crypto/blake2b.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import type { Connection } from "../../dht/connection.ts";
import * as operations from "../../dht/operations.ts";
import { type Reply, TIMEOUT_MS } from "../../dht/requests.ts";
import type { Mapping } from "../../portmap/port-mapper.ts";
import { INTERNAL } from "../../wire/rpc.ts";
import type { DhtEvent, DhtHost } from "../dht-host.ts";
import { systemRandom } from "../entropy.ts";
import { checkBytes, checkDelay, checkSeq, checkSucceeds, checkValue, parseRemote, pickRelay } from "./arguments.ts";
import { Lifecycle } from "./lifecycle.ts";
import {
  type CheckedOptions,
  checkOptions,
  checkPublicAddress,
  type GatewayOptions,
  PUBLIC_BOOTSTRAP,
} from "./options.ts";
import { Pending } from "./pending.ts";
import type { QueryStream } from "./query-stream.ts";
import { rehearseSoon } from "./rehearsal.ts";
import { Relay, type RelayOptions } from "./relay.ts";
import { SecretSocket } from "./secret-socket.ts";
import { Server, type ServerOptions } from "./server.ts";
import type { ConnectSettings, GatewayEvents, QuerySettings, Question, RequestSettings } from "./settings.ts";

export class Gateway extends EventEmitter<GatewayEvents> {
  /** The nodes to begin with where none are given: the public HyperDHT network's. */
  static readonly BOOTSTRAP = PUBLIC_BOOTSTRAP;

  readonly defaultKeyPair: KeyPair;
  readonly #checked: CheckedOptions;
  readonly #servers = new Set<Server>();
  readonly #life: Lifecycle;
  readonly #pending: Pending;
  #destroying: Promise<void> | null = null;

  /**
   * Begins to listen and to find the network; `ready()` tells when it has. Throws DnetError for options that cannot be; `bind`,
   * `ready` and whatever asks the network reject with one when the port cannot be had. `publicAddress`: see `bootstrapper`.
   */
  constructor(options: GatewayOptions = {}, publicAddress: Address | null = null) {
    super();
    this.#checked = checkOptions(options, publicAddress, monotonicMs());
    this.defaultKeyPair = this.#checked.keyPair;
    this.#life = new Lifecycle(this.#checked, this, (event) => this.#onEvent(event));
    this.#pending = new Pending(this.#life);
  }

  /**
   * The first node of a network: it knows that strangers reach it at `host`:`port`, and is persistent from the start. Where it
   * binds is `options.host`. Throws DnetError for an address that nobody could reach.
   */
  static bootstrapper(port: number, host: string, options: GatewayOptions = {}): Gateway {
    checkPublicAddress({ host, port });
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

  get #host(): DhtHost | null {
    return this.#life.host;
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
    return this.#life.isDestroyed;
  }

  get suspended(): boolean {
    return this.#life.isSuspended;
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
    await this.#life.opened;
  }

  /** Resolves when it has looked for the network, found or not. */
  ready(): Promise<void> {
    return this.#life.ready;
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

  /** What the router in front of us lets strangers in by, as it says; null when there is none. */
  get portMapping(): Mapping | null {
    return this.#life.portMapping?.current ?? null;
  }

  /** Nodes of the routing table, most recently heard first: what to save, and to give as `nodes` next time. */
  toArray({ limit = Number.POSITIVE_INFINITY } = {}): Address[] {
    const nodes = [...(this.#host?.node.contacts.table.nodes() ?? [])].reverse();
    return nodes.slice(0, limit).map(({ host, port }) => ({ host, port }));
  }

  addNode(node: Address): void {
    this.#life.input((now, dht) => dht.addNode(now, node));
  }

  /** Walks in the background, so that the table stays alive. */
  refresh(): void {
    this.#life.input((now, dht) => dht.refresh(now));
  }

  /** Asks whether a node is there. Throws DnetError: REQUEST_TIMEOUT. */
  ping(to: Address, settings: RequestSettings = {}): Promise<Reply> {
    const outgoing = { to, isInternal: true, command: INTERNAL.ping };
    return this.#pending.ask({ ...outgoing, ...settings }, `a ping to ${formatAddress(to)}`);
  }

  /** A ping that the other node answers after `delayMs`. */
  delayedPing(to: Address, delayMs: number, settings: RequestSettings = {}): Promise<Reply> {
    const value = new Uint8Array(4);
    new DataView(value.buffer).setUint32(0, checkDelay(delayMs, this.#checked.node.maxPingDelayMs), true);
    const outgoing = { to, isInternal: true, command: INTERNAL.delayedPing, value, timeoutMs: delayMs + TIMEOUT_MS };
    return this.#pending.ask({ ...outgoing, ...settings }, `a delayed ping to ${formatAddress(to)}`);
  }

  /** Asks one node one thing. A refusal is a reply with an `error`. Throws DnetError: REQUEST_TIMEOUT. */
  request({ internal = false, ...question }: Question, to: Address, settings: RequestSettings = {}): Promise<Reply> {
    const what = `command ${question.command} to ${formatAddress(to)}`;
    return this.#pending.ask({ to, isInternal: internal, ...question, ...settings }, what);
  }

  /** Walks towards `target` with a command of one's own, and gives every reply. */
  query(question: Question & { readonly target: Uint8Array }, settings: QuerySettings = {}): QueryStream<Reply> {
    const { internal = false, command, target, value = null } = question;
    const query = { isInternal: internal, command, target: checkBytes("target", target), value };
    return this.#pending.walk({ query, item: (reply) => reply }, settings, `command ${command}`);
  }

  /** The nodes nearest to a target: `closestNodes` at the end of the walk. */
  findNode(target: Uint8Array, settings: QuerySettings = {}): QueryStream<Reply> {
    return this.#pending.walk(operations.findNode(checkBytes("target", target)), settings, "a search for nodes");
  }

  /** Where a peer that listens announced itself. `hash: false`: the argument is the target itself. */
  findPeer(publicKey: Uint8Array, settings: QuerySettings & { readonly hash?: boolean } = {}) {
    const { hash = true, ...rest } = settings;
    const key = checkBytes("publicKey", publicKey);
    return this.#pending.walk(operations.findPeer(hash ? blake2b256(key) : key), rest, "a search for a peer");
  }

  /** Who has announced itself under a topic of 32 bytes; at most 20 from each node, and the same peer from several. */
  lookup(topic: Uint8Array, settings: QuerySettings = {}): QueryStream<operations.FoundPeers> {
    return this.#pending.walk(operations.lookup(checkBytes("topic", topic)), settings, "a lookup");
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
    const relays = relayAddresses.filter(({ host }) => !this.hardened || !isBogon(host));
    const announcement = { topic: checkBytes("topic", topic), keyPair, relayAddresses: relays, bump };
    const operation = clear ? operations.lookupAndUnannounce(announcement, true) : operations.announce(announcement);
    return this.#pending.walk(operation, rest, "an announcement");
  }

  /** A lookup that takes the key's announcement away from every node that has it. */
  lookupAndUnannounce(topic: Uint8Array, keyPair: KeyPair = this.defaultKeyPair, settings: QuerySettings = {}) {
    this.#host?.node.storage.remove(checkBytes("topic", topic), keyPair.publicKey);
    const announcement = { topic, keyPair, relayAddresses: [], bump: 0 };
    return this.#pending.walk(operations.lookupAndUnannounce(announcement, false), settings, "an unannouncement");
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
    const stream = this.#pending.walk(operations.immutablePut(checkValue(value)), settings, "an immutable put");
    await stream.finished();
    return { hash: blake2b256(value), closestNodes: stream.closestNodes };
  }

  /** The value with that hash; null when no node has it. */
  async immutableGet(hash: Uint8Array, settings: QuerySettings = {}): Promise<operations.FoundValue | null> {
    const operation = operations.immutableGet(checkBytes("hash", hash));
    for await (const found of this.#pending.walk(operation, settings, "an immutable get")) return found;
    return null;
  }

  /**
   * Stores up to 1,000 bytes under a public key, for 48 hours, in place of a value with a lower `seq`. Throws DnetError: SEQ_TOO_LOW
   * or SEQ_REUSED when the network has a later value, or another of that `seq`.
   */
  async mutablePut(keyPair: KeyPair, value: Uint8Array, settings: QuerySettings & { readonly seq?: number } = {}) {
    const { seq = 0, ...rest } = settings;
    const operation = operations.mutablePut({ keyPair, seq: checkSeq(seq), value: checkValue(value) });
    const stream = this.#pending.walk(operation, rest, "a mutable put");
    for await (const found of stream) checkSucceeds(seq, value, found);
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
    for await (const found of this.#pending.walk(operation, rest, "a mutable get")) {
      note(found);
      if (!latest && !refresh) return found;
    }
    return best;
  }

  /** A server; it is found once `listen` has resolved. */
  createServer(options: ServerOptions = {}, onConnection?: (socket: SecretSocket) => void): Server {
    const server = this.#keep(new Server(options, this.#life));
    if (onConnection) server.on("connection", onConnection);
    return server;
  }

  /** A blind relay: joins peers that it admits until they have a direct path, and cannot read what it passes on. */
  createRelay(options: RelayOptions): Relay {
    return this.#keep(new Relay(options, this.#life));
  }

  /**
   * Connects to whoever listens under a key: 32 bytes, its text in hex or z-base-32, or a HyperDHT address. What is written before it is
   * open is sent when it is; `opened` tells whether it will be. Throws DnetError for what is no key, and when this is suspended or
   * destroyed.
   */
  connect(remotePublicKey: Uint8Array | string, settings: ConnectSettings = {}): SecretSocket {
    const { publicKey, nodes } = parseRemote(remotePublicKey);
    const { keyPair = this.defaultKeyPair, localConnection = true, fastOpen = true } = settings;
    const relayAddresses = settings.nodes ?? settings.relayAddresses ?? nodes;
    const relayThrough = pickRelay(settings.relayThrough);
    const options = { remotePublicKey: publicKey, keyPair, relayAddresses, localConnection, fastOpen, relayThrough };
    const life = this.#life;
    life.check();
    const later = (begin: (host: DhtHost) => void) =>
      relayAddresses.length > 0 ? life.use(begin) : life.useNetwork(begin);
    const socket = new SecretSocket({
      publicKey: keyPair.publicKey,
      remotePublicKey: publicKey,
      isInitiator: true,
      host: life.host ?? later,
      open: (host, owner) => {
        const opening = { connection: null as Connection | null };
        host.input((now) => {
          opening.connection = host.node.connections.connect(now, options, owner);
        });
        return opening.connection!;
      },
    });
    rehearseSoon();
    return socket;
  }

  /** Closes the sockets until `resume`; what is under way fails with IO_SUSPENDED. */
  suspend(): Promise<void> {
    return this.#life.suspend();
  }

  /** Opens the sockets again, on the ports they had if those are free, and looks for the network anew. */
  resume(): Promise<void> {
    return this.#life.resume();
  }

  /** Ends everything it does; servers are unannounced first, unless `force`. Calling it again is safe. */
  destroy({ force = false } = {}): Promise<void> {
    this.#destroying ??= this.#destroy(force);
    return this.#destroying;
  }

  #keep<Kind extends Server>(server: Kind): Kind {
    this.#servers.add(server);
    server.on("close", () => this.#servers.delete(server));
    return server;
  }

  async #destroy(force: boolean): Promise<void> {
    if (!force) await Promise.all([...this.#servers].map((server) => server.close()));
    await this.#life.destroy();
    this.emit("close");
  }

  #onEvent(event: DhtEvent): void {
    switch (event.type) {
      case "reply":
      case "finished":
      case "answered":
      case "failed":
        return this.#pending.receive(event);
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
}
