/**
 * Whether strangers reach us, and so what we are to them. A node begins as *ephemeral*: it asks, answers and relays, but gives no id, so
 * nobody keeps it in a table. Once it knows its public address and that its port is open it may become *persistent*: it gives its
 * id and stores records. Source: dht-rpc index.js `_bootstrap`, `_updateNetworkState`, `_checkIfFirewalled`; specification §4.2.
 */
import type { Address } from "../base/address.ts";
import { addressKey } from "../base/ip4.ts";
import { INTERNAL } from "../wire/rpc.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { Contacts } from "./contacts.ts";
import { NatSampler } from "./nat-sampler.ts";
import { nodeId, sameBytes } from "./peer.ts";
import type { Query, QueryOwner } from "./query.ts";
import type { PendingRequest, Reply, Requester, Requests, SocketName } from "./requests.ts";

/** Ticks of 5 s without events before a node looks whether it can be persistent: 20 minutes; and before it looks again. */
export const STABLE_TICKS = 240;
export const MORE_STABLE_TICKS = 720;
/** A node that is to be persistent, and could not be, tries once a minute. */
const RETRY_TICKS = 12;
/** Nodes that are asked to ping our server socket. */
const PROBES = 5;
/** So many of them must get through; one when fewer were asked. */
const LEAST_PONGS = 3;

export interface ReachabilityOptions {
  readonly contacts: Contacts;
  readonly requests: Requests;
  readonly bootstrap: Bootstrap;
  /** True: stay ephemeral. False: become persistent while starting, if the address can be learnt. Null: when stable. */
  readonly isEphemeral: boolean | null;
  readonly isFirewalled: boolean;
  /** While starting, ask the first node that answers whether our port is open. */
  readonly quickFirewall: boolean;
  readonly stableTicks: number;
  /** The server socket's local port. */
  readonly port: () => number;
  /** Walks towards our own id, for this object. */
  readonly walk: (now: number, owner: QueryOwner) => void;
  readonly refresh: (now: number) => void;
  readonly onEvent: (event: "ready" | "persistent" | "ephemeral") => void;
}

type Phase = "idle" | "resolving" | "first-walk" | "first-probe" | "second-walk" | "ready";

interface Probe {
  readonly onlyFirewall: boolean;
  readonly sampler: NatSampler;
  /** As the sampler in use had it when the probe began. */
  readonly believed: Address;
  readonly asked: number;
  readonly hosts: ReadonlySet<string>;
  readonly pending: Set<PendingRequest>;
  /** Of those hosts the ones whose datagrams arrived on the server socket meanwhile. */
  readonly heard: Set<string>;
  readonly pongs: Reply[];
}

export class Reachability implements Requester, QueryOwner {
  isEphemeral = true;
  isFirewalled: boolean;
  readonly #options: ReachabilityOptions;
  #phase: Phase = "idle";
  #stableTicks: number;
  #triedTicks = 0;
  /** The public host that was checked last; the same one is not checked again. */
  #checkedHost: string | null = null;
  #probe: Probe | null = null;
  #quickTest: "untried" | PendingRequest | "passed" | "off";

  constructor(options: ReachabilityOptions) {
    this.#options = options;
    this.isFirewalled = options.isFirewalled;
    this.#stableTicks = options.stableTicks;
    const isQuick = options.isFirewalled && options.quickFirewall && options.isEphemeral !== false;
    this.#quickTest = isQuick ? "untried" : "off";
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  get #isAdaptive(): boolean {
    return this.#options.isEphemeral === null;
  }

  /** Begins to find the network: names first, then a walk towards ourselves. */
  start(now: number): void {
    const { bootstrap, contacts } = this.#options;
    bootstrap.addresses(now);
    if (bootstrap.isResolving && contacts.table.size === 0) this.#phase = "resolving";
    else this.#walk(now, "first-walk");
  }

  /** A name was resolved, or cannot be just now. */
  resolved(now: number): void {
    if (this.#phase === "resolving" && !this.#options.bootstrap.isResolving) this.#walk(now, "first-walk");
  }

  /** A tick of 5 s has passed. */
  tick(now: number): void {
    if (!this.isReady || !this.isEphemeral) return;
    if (this.#options.isEphemeral === false) {
      // Differs: the reference tries just once to be what it was told to be.
      if (++this.#triedTicks % RETRY_TICKS === 0) this.#update(now, { onlyFirewall: false });
      return;
    }
    if (!this.#isAdaptive || --this.#stableTicks > 0) return;
    if (this.#checkedHost !== null && this.#checkedHost === this.#options.contacts.sampler.host) {
      this.#stableTicks = MORE_STABLE_TICKS;
    } else {
      this.#update(now, { onlyFirewall: false });
    }
  }

  /** After sleep nothing is sure: perhaps the machine was carried elsewhere. */
  wakeUp(): void {
    this.#stableTicks = MORE_STABLE_TICKS;
    this.#checkedHost = null;
    if (!this.#isAdaptive || this.isEphemeral) return;
    this.isEphemeral = true;
    this.#options.onEvent("ephemeral");
  }

  /** Our address is another: whether strangers reach us there is to be seen. */
  moved(now: number): void {
    const { isFirewalled, isEphemeral, onEvent } = this.#options;
    if (!this.isReady) return;
    this.#checkedHost = null;
    this.#stableTicks = Math.min(this.#stableTicks, this.#options.stableTicks);
    this.isFirewalled = isFirewalled;
    if (!this.isEphemeral) {
      this.isEphemeral = true; // our id followed from the old one
      onEvent("ephemeral");
    }
    this.#update(now, { onlyFirewall: isEphemeral !== false });
  }

  /** A datagram arrived on that socket. */
  heard(socket: SocketName, from: Address): void {
    if (socket === "server" && this.#probe?.hosts.has(from.host)) this.#probe.heard.add(from.host);
  }

  replied(now: number, _query: Query, reply: Reply): void {
    if (this.#quickTest === "untried") this.#quickTest = this.#pingNat(now, reply.from);
  }

  finished(now: number): void {
    const isForced = this.#options.isEphemeral === false;
    if (this.#phase === "second-walk" || (this.#quickTest !== "passed" && !isForced)) return this.#ready();
    this.#phase = "first-probe";
    this.#update(now, { onlyFirewall: !isForced });
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (request === this.#quickTest) this.#quickTest = "passed";
    if (this.#probe?.pending.has(request)) this.#probe.pongs.push(reply);
    this.#probed(now, request);
  }

  failed(now: number, request: PendingRequest): void {
    this.#probed(now, request);
  }

  #walk(now: number, phase: "first-walk" | "second-walk"): void {
    this.#phase = phase;
    this.#options.walk(now, this);
  }

  #ready(): void {
    this.#phase = "ready";
    this.#options.onEvent("ready");
  }

  /** Looks whether we can be persistent or, if so asked, no more than whether our port is open. */
  #update(now: number, { onlyFirewall }: { onlyFirewall: boolean }): void {
    const { sampler } = this.#options.contacts;
    const { host, port } = sampler;
    if (!this.isEphemeral || (onlyFirewall && !this.isFirewalled) || this.#probe) return this.#updated(now, false);
    if (!onlyFirewall) {
      this.#stableTicks = MORE_STABLE_TICKS;
      this.#checkedHost = host;
    }
    if (host === null || port === 0) return this.#updated(now, false);
    if (this.isFirewalled) this.#startProbe(now, { host, port }, onlyFirewall);
    else this.#adopt(now, sampler, { host, port }, onlyFirewall);
  }

  /** Asks nodes to ping our server socket: those whose answers arrive there show that it is open. */
  #startProbe(now: number, believed: Address, onlyFirewall: boolean): void {
    const { contacts, bootstrap } = this.#options;
    const nodes: Address[] = contacts.table.recent(PROBES);
    if (nodes.length < PROBES) nodes.push(...bootstrap.addresses(now));
    const distinct = [...new Map(nodes.map((node) => [addressKey(node), node])).values()];
    if (distinct.length === 0) return this.#updated(now, false);
    const shared = { onlyFirewall, believed, asked: distinct.length, sampler: new NatSampler() };
    const hosts = new Set(distinct.map(({ host }) => host));
    this.#probe = { ...shared, hosts, pending: new Set(), heard: new Set(), pongs: [] };
    for (const node of distinct) this.#probe.pending.add(this.#pingNat(now, node));
  }

  #probed(now: number, request: PendingRequest): void {
    const probe = this.#probe;
    if (!probe?.pending.delete(request) || probe.pending.size > 0) return;
    this.#probe = null;
    const pongs = probe.pongs.filter(({ from }) => probe.heard.has(from.host));
    for (const { to } of pongs) probe.sampler.add(to);
    const isOpen =
      pongs.length >= (probe.asked >= PROBES ? LEAST_PONGS : 1) &&
      probe.sampler.host === this.#options.contacts.sampler.host &&
      probe.sampler.port === this.#options.port();
    if (isOpen) this.#adopt(now, probe.sampler, probe.believed, probe.onlyFirewall);
    else this.#updated(now, false);
  }

  /** Our port is open. */
  #adopt(now: number, found: NatSampler, believed: Address, onlyFirewall: boolean): void {
    const { contacts, onEvent } = this.#options;
    this.isFirewalled = false;
    const { host, port } = contacts.sampler;
    const isSteady = this.isEphemeral && host === believed.host && port === believed.port;
    if (!isSteady || found.host !== host || found.port === 0) return this.#updated(now, false);
    const id = nodeId({ host: found.host, port: found.port });
    if (!onlyFirewall) this.isEphemeral = false;
    if (found !== contacts.sampler) contacts.resample(found);
    if (!sameBytes(contacts.table.id, id)) {
      contacts.rekey(id);
      if (this.isReady) this.#options.refresh(now);
    }
    if (!this.isEphemeral) onEvent("persistent");
    this.#updated(now, true);
  }

  #updated(now: number, changed: boolean): void {
    if (this.#phase !== "first-probe") return;
    if (changed) this.#walk(now, "second-walk");
    else this.#ready();
  }

  #pingNat(now: number, to: Address): PendingRequest {
    const port = this.#options.port();
    const value = Uint8Array.of(port, port >>> 8);
    return this.#options.requests.start(now, { to, isInternal: true, command: INTERNAL.pingNat, value }, this);
  }
}
