/**
 * A node of HyperDHT's network: answers requests, keeps a routing table, walks for its user. It holds no socket and no clock.
 * Source: dht-rpc 6.27 index.js, hyperdht 6.34 index.js; specification §3 to §9.
 */
import type { Address } from "../base/address.ts";
import { isBogon } from "../base/address-classes.ts";
import { sameBytes } from "../base/bytes.ts";
import { addressKey } from "../base/ip4.ts";
import type { Machine } from "../base/machine.ts";
import { randomUint32 } from "../base/random.ts";
import { decodeRequest, decodeResponse, ID_BYTES, REQUEST, RESPONSE } from "../wire/rpc.ts";
import { Bootstrap } from "./bootstrap.ts";
import { Connections } from "./connections.ts";
import { Contacts } from "./contacts.ts";
import { Guard, type HeldRequest } from "./guard.ts";
import type { DhtNodeOptions, DhtOutput } from "./node-options.ts";
import { nodeId, peerAt } from "./peer.ts";
import { Query, type QueryContext, type QueryFailure, type QueryOptions, type QueryOwner } from "./query.ts";
import { Reachability } from "./reachability.ts";
import {
  type Outgoing,
  type PendingRequest,
  type Reply,
  type Requester,
  type RequestFailure,
  Requests,
  type Sender,
  type SocketName,
} from "./requests.ts";
import { Responder } from "./responder.ts";
import { Storage } from "./storage.ts";
import { Tokens } from "./tokens.ts";
import { Upkeep } from "./upkeep.ts";

/** Queries of the user's under way. Full: the next one fails. */
const MAX_QUERIES = 1024;

export class DhtNode implements Machine<DhtOutput>, QueryOwner, Requester {
  readonly #dropped = { malformed: 0, unexpected: 0 };
  readonly storage: Storage;
  readonly contacts: Contacts;
  /** Null on private networks. */
  readonly #guard: Guard | null;
  readonly #options: DhtNodeOptions;
  readonly #requests: Requests;
  readonly #reachability: Reachability;
  readonly #bootstrap: Bootstrap;
  readonly #responder: Responder;
  readonly connections: Connections;
  readonly #surroundings: QueryContext;
  readonly #upkeep: Upkeep;
  readonly #queries = new Set<Query>();
  readonly #asked = new Map<PendingRequest, number>();
  #nextRequest = 1;
  #outputs: DhtOutput[] = [];
  /** Where the internet reaches the socket `six`, unless a firewall keeps it away: one address of IPv6, or none. */
  addresses6: readonly Address[] = [];
  #serverPort = 0;
  #isSuspended = false;

  constructor(now: number, options: DhtNodeOptions) {
    const { random } = options;
    const emit = (output: DhtOutput) => void this.#outputs.push(output);
    const send = (socket: SocketName, to: Address, datagram: Uint8Array, segmentBytes = 0) =>
      emit({ type: "send", socket, to, datagram, segmentBytes });
    this.#options = options;
    this.#requests = new Requests({
      random,
      maxWindow: options.maxWindow,
      socket: () => (this.isFirewalled ? "client" : "server"),
      id: (socket) => this.#idOn(socket),
      send,
    });
    this.#bootstrap = new Bootstrap(options.bootstrap, (host) => emit({ type: "resolve", host }));
    this.contacts = new Contacts({
      requests: this.#requests,
      id: random.bytes(ID_BYTES),
      isDiverse: options.isPublic,
      firstTick: 51 + (randomUint32(random) % 50),
      maxStrangeSamples: Math.max(1, this.#bootstrap.size),
      admits: (node) => this.#admits(node),
      onAdded: (node) => emit({ type: "addNode", node }),
      onRemoved: (node) => emit({ type: "removeNode", node }),
      onNatChanged: () => emit({ type: "natUpdate" }),
      onMoved: (now) => this.#reachability.moved(now),
    });
    this.#reachability = new Reachability({
      ...options,
      contacts: this.contacts,
      requests: this.#requests,
      bootstrap: this.#bootstrap,
      port: () => this.#serverPort,
      walk: (now, owner) => this.#upkeep.walk(now, this.contacts.table.id, owner),
      refresh: (now) => this.refresh(now),
      onEvent: (type) => {
        if (type === "ready") this.contacts.maySwap = true;
        emit({ type });
      },
    });
    this.#upkeep = new Upkeep({
      ...options,
      contacts: this.contacts,
      requests: this.#requests,
      reachability: this.#reachability,
      context: () => this.#surroundings,
      onEvent: (type) => emit({ type }),
    });
    this.storage = new Storage(options);
    const release = (now: number, held: HeldRequest) => this.#onRequest(now, held);
    this.#guard = options.isPublic ? new Guard({ requests: this.#requests, random, release }) : null;
    this.#responder = new Responder({
      contacts: this.contacts,
      storage: this.storage,
      guard: this.#guard,
      tokens: options.tokens ?? new Tokens(now, random.bytes(ID_BYTES), random.bytes(ID_BYTES)),
      maxPingDelayMs: options.maxPingDelayMs,
      id: (socket) => this.#idOn(socket),
      send,
      forServer: (now, { socket, from, datagram }, request) =>
        this.connections.relayed(now, socket, from, request, datagram.length),
    });
    this.connections = new Connections({
      send,
      keepAliveMs: options.keepAliveMs,
      messageCipher: options.messageCipher,
      isVerified: (now, host) => this.#guard?.isVerified(now, host) ?? true,
      emit,
      id: (socket) => this.#idOn(socket),
      around: {
        random,
        requests: this.#requests,
        isOpen: () => !this.isFirewalled,
        recentNodes: () => [...this.contacts.table.nodes()].reverse(),
        query: (now, question, owner) => this.#ask(now, question, owner),
        publicAddress: () => this.#ownAddress,
        mappedAddress: () => this.#reachability.mapped.reached,
        localAddresses: () => options.localHosts().map((host) => ({ host, port: this.#serverPort })),
        addresses6: () => this.addresses6,
        mainSocket: () => (this.isFirewalled ? "client" : "server"),
      },
    });
    this.#surroundings = {
      requests: this.#requests,
      concurrency: options.concurrency,
      self: () => this.contacts.table.id,
      closest: (target) => this.contacts.table.closest(target),
      bootstrap: (now) => this.#bootstrap.addresses(now),
      admits: (node) => this.#admits(node),
      mayHint: () => this.#upkeep.mayHint(),
      unreachable: (now, node) => {
        this.contacts.remove(node.key);
        this.#bootstrap.failed(now, node);
      },
    };
    if (options.publicAddress) this.contacts.sampler.add(options.publicAddress);
    for (const node of options.nodes) this.contacts.addKnown(now, peerAt(node));
  }

  /** The sockets are open, the server socket on `serverPort`: begins to find the network. */
  start(now: number, serverPort: number): void {
    this.#serverPort = serverPort;
    this.#upkeep.start(now);
    this.#reachability.start(now);
  }

  /** Ours, while we are persistent; otherwise null. 32 bytes. */
  get id(): Uint8Array | null {
    return this.isEphemeral ? null : this.contacts.table.id;
  }

  get isEphemeral(): boolean {
    return this.#reachability.isEphemeral;
  }

  get isFirewalled(): boolean {
    return this.#reachability.isFirewalled;
  }

  /** Whether it has looked for the network, found or not. */
  get isReady(): boolean {
    return this.#reachability.isReady;
  }

  get isOnline(): boolean {
    return this.#upkeep.health.isOnline;
  }

  get isDegraded(): boolean {
    return this.#upkeep.health.isDegraded;
  }

  /** Open: strangers reach us, be it by a port mapping. Consistent: all see one address. Random: each sees another port. */
  get firewall(): "open" | "consistent" | "random" | "unknown" {
    const { host, port } = this.contacts.sampler;
    if (!this.isFirewalled || this.#reachability.mapped.reached) return "open";
    if (host === null) return "unknown";
    return port === 0 ? "random" : "consistent";
  }

  /** Where strangers reach us; null when they do not, or it is not known. */
  get remoteAddress(): Address | null {
    return this.#ownAddress ?? this.#reachability.mapped.reached;
  }

  /** The same, if it is also where they see us. */
  get #ownAddress(): Address | null {
    const { host, port } = this.contacts.sampler;
    return host !== null && port === this.#serverPort && !this.isFirewalled ? { host, port } : null;
  }

  get stats() {
    const { answers, timeouts, size: pending } = this.#requests;
    return { answers, timeouts, pending, queries: this.#queries.size, ...this.#responder.stats };
  }

  /** Datagrams that were dropped, by reason. */
  get dropCounts(): { readonly [reason: string]: number } {
    return { ...this.#dropped, ...this.#guard?.dropped };
  }

  /** A datagram arrived. Its bytes are ours to keep. */
  receive(now: number, socket: SocketName, from: Address, datagram: Uint8Array): void {
    const isByIp6 = socket === "six"; // the DHT knows IPv4 alone
    if (this.#isSuspended || from.port === 0 || from.host.includes(":") !== isByIp6) return;
    if (datagram.length <= 1 || isByIp6) {
      if (!this.connections.receive(now, socket, from, datagram)) this.#dropped.malformed++;
    } else if (datagram[0] === REQUEST) {
      if (!this.#guard || this.#guard.allows(now, from.host)) this.#onRequest(now, { socket, from, datagram });
    } else if (datagram[0] === RESPONSE) {
      this.#onResponse(now, socket, from, datagram);
    } else if (!this.connections.receive(now, socket, from, datagram)) {
      this.#dropped.malformed++;
    }
  }

  /** The shell's answer to `resolve`: an IPv4 address, or null when the name has none just now. */
  resolved(now: number, host: string, ip: string | null): void {
    this.#bootstrap.resolved(host, ip);
    this.#reachability.resolved(now);
  }

  /** Walks towards a target; its replies and its end are outputs. Null when too many walks are under way. */
  query(now: number, options: QueryOptions): Query | null {
    if (this.#queries.size >= MAX_QUERIES) return null;
    this.#upkeep.walked();
    const query = new Query(options, this.#surroundings, this);
    this.#queries.add(query);
    query.start(now);
    return query;
  }

  cancel(now: number, query: Query): void {
    this.#queries.delete(query);
    query.cancel(now);
  }

  /** Asks one node. Returns the number that its outcome will carry. */
  request(now: number, outgoing: Outgoing): number {
    const number = this.#nextRequest++;
    this.#asked.set(this.#requests.start(now, outgoing, this), number);
    return number;
  }

  addNode(now: number, address: Address): void {
    this.contacts.addKnown(now, peerAt(address));
  }

  /** Walks in the background, so that the table stays alive. */
  refresh(now: number): void {
    this.#upkeep.refresh(now);
  }

  /** The machine slept, as the shell knows from another clock; or its network is another. */
  wakeUp(now: number): void {
    this.#upkeep.wakeUp(now);
  }

  /** Our router lets strangers in to the server socket at `address`, as it says; null: no longer. */
  mapped(now: number, address: Address | null): void {
    this.#reachability.mapped.claim(now, address);
  }

  /** An address of this machine came or went. */
  networkChanged(now: number): void {
    this.#upkeep.networkChanged(now);
    this.connections.refresh(now);
  }

  /** The sockets are about to close: nothing is asked, answered or due until `resume`. */
  suspend(now: number): void {
    this.connections.suspend(now);
    this.#isSuspended = true;
    this.#requests.suspend(now);
    this.#responder.suspend();
    this.#upkeep.stop();
  }

  resume(now: number, serverPort: number): void {
    this.#isSuspended = false;
    this.#requests.resume();
    this.#serverPort = serverPort;
    this.wakeUp(now);
    this.refresh(now);
    this.connections.refresh(now);
  }

  advance(now: number): void {
    this.#requests.advance(now);
    this.#responder.advance(now);
    if (!this.#isSuspended) this.connections.advance(now);
    this.#upkeep.advance(now);
  }

  deadline(): number {
    return Math.min(
      this.#upkeep.deadline(),
      this.#requests.deadline(),
      this.#responder.deadline(),
      this.#isSuspended ? Infinity : this.connections.deadline(),
    );
  }

  drain(): DhtOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** A query's answer came. */
  replied(_now: number, query: Query, reply: Reply): void {
    this.#outputs.push({ type: "reply", query, reply });
  }

  finished(_now: number, query: Query, failure: QueryFailure | null): void {
    this.#queries.delete(query);
    this.#outputs.push({ type: "finished", query, failure });
  }

  /** One node answered what `request` asked it. */
  answered(_now: number, request: PendingRequest, reply: Reply): void {
    this.#outputs.push({ type: "answered", request: this.#takeAsked(request), reply });
  }

  failed(_now: number, request: PendingRequest, why: RequestFailure): void {
    this.#outputs.push({ type: "failed", request: this.#takeAsked(request), why });
  }

  #takeAsked(request: PendingRequest): number {
    const number = this.#asked.get(request)!;
    this.#asked.delete(request);
    return number;
  }

  #onRequest(now: number, { socket, from, datagram }: HeldRequest): void {
    const request = decodeRequest(datagram);
    if (!request) return void this.#dropped.malformed++;
    this.#reachability.heard(socket, from);
    const sender = this.#sender(from, request.id);
    // An id would bring its sender into the table, or keep it there: first it must show that it is where it seems to be.
    const isDoubtful = sender.id !== null && this.#guard?.isVerified(now, from.host) === false;
    if (isDoubtful && this.#guard?.hold(now, { socket, from, datagram })) return;
    // What it says of our address counts only where nobody far away can pose as another.
    const isSample = !this.#guard && this.#isExpected(socket);
    if (sender.id && !isDoubtful) this.contacts.heard(now, sender, request.to, isSample);
    this.#responder.respond(now, { socket, from: sender, datagram }, request);
  }

  #onResponse(now: number, socket: SocketName, from: Address, datagram: Uint8Array): void {
    const response = decodeResponse(datagram);
    if (!response) return void this.#dropped.malformed++;
    this.#reachability.heard(socket, from);
    const request = this.#requests.match(from, response.tid);
    if (!request) return void this.#dropped.unexpected++;
    const sender = this.#sender(from, response.id);
    this.contacts.heard(now, sender, response.to, this.#isExpected(socket));
    this.#requests.receive(now, request, sender, response);
    this.#guard?.verified(now, from.host);
  }

  /** An id counts when it is the one that follows from the address; a known node needs no hash. */
  #sender(from: Address, id: Uint8Array | null): Sender {
    if (!id) return { ...from, id: null };
    const known = this.contacts.table.get(addressKey(from))?.id ?? nodeId(from);
    return { ...from, id: sameBytes(known, id) ? known : null };
  }

  /** Whether what a datagram says of our address is about the socket that we ask from. */
  #isExpected(socket: SocketName): boolean {
    return socket === (this.isFirewalled ? "client" : "server");
  }

  /** We give our id only from the socket whose address it follows from. */
  #idOn(socket: SocketName): Uint8Array | null {
    return socket === "server" ? this.id : null;
  }

  #admits(node: Address): boolean {
    return !(this.#options.isPublic && isBogon(node.host)) && this.#options.admits(node);
  }

  /** A walk of one of our parts. */
  #ask(now: number, question: QueryOptions, owner: QueryOwner): Query {
    const query = new Query(question, this.#surroundings, owner);
    query.start(now);
    return query;
  }
}
