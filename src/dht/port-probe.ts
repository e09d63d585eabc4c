/**
 * Whether strangers reach our server socket at a port: nodes are asked to answer there, and those whose answers arrive on that socket
 * have shown it. Source: dht-rpc index.js `_checkIfFirewalled`; specification §4.2.
 */
import type { Address } from "../base/address.ts";
import { addressKey } from "../base/ip4.ts";
import { INTERNAL } from "../wire/rpc.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { Contacts } from "./contacts.ts";
import { NatSampler } from "./nat-sampler.ts";
import type { PendingRequest, Reply, Requester, Requests, SocketName } from "./requests.ts";

/** Nodes that are asked. */
const PROBES = 5;
/** So many of them must get through, and are enough; of fewer nodes one, once all have answered or not. */
const LEAST_PONGS = 3;

export interface PortProbeOptions {
  readonly contacts: Contacts;
  readonly requests: Requests;
  readonly bootstrap: Bootstrap;
  /** The port that is tried, as strangers see it. */
  readonly port: number;
  /** Called once: with what those that got through say of our address, or null when there is no way in. */
  readonly onDone: (now: number, found: NatSampler | null) => void;
}

export class PortProbe implements Requester {
  readonly #options: PortProbeOptions;
  readonly #asked: number;
  readonly #hosts: ReadonlySet<string>;
  readonly #pending = new Set<PendingRequest>();
  /** Of those hosts the ones whose datagrams arrived on the server socket meanwhile. */
  readonly #heard = new Set<string>();
  /** Those that arrived there. */
  readonly #pongs: Reply[] = [];

  private constructor(now: number, options: PortProbeOptions, nodes: readonly Address[]) {
    this.#options = options;
    this.#asked = nodes.length;
    this.#hosts = new Set(nodes.map(({ host }) => host));
    for (const node of nodes) this.#pending.add(pingNat(now, options.requests, node, options.port, this));
  }

  /** Asks the nodes that were heard last, and the first of all while there are few. Null when there is nobody to ask. */
  static start(now: number, options: PortProbeOptions): PortProbe | null {
    const { contacts, bootstrap } = options;
    const nodes: Address[] = contacts.table.recent(PROBES);
    if (nodes.length < PROBES) nodes.push(...bootstrap.addresses(now));
    const distinct = [...new Map(nodes.map((node) => [addressKey(node), node])).values()];
    return distinct.length === 0 ? null : new PortProbe(now, options, distinct);
  }

  /** A datagram arrived on that socket. */
  heard(socket: SocketName, { host }: Address): void {
    if (socket === "server" && this.#hosts.has(host)) this.#heard.add(host);
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    if (this.#heard.has(reply.from.host)) this.#pongs.push(reply);
    this.#ended(now, request);
  }

  failed(now: number, request: PendingRequest): void {
    this.#ended(now, request);
  }

  /** Differs: the reference waits for all, and so for four seconds when one of the five is gone. */
  #ended(now: number, request: PendingRequest): void {
    this.#pending.delete(request);
    if (this.#pongs.length < LEAST_PONGS && this.#pending.size > 0) return;
    for (const other of this.#pending) this.#options.requests.forget(now, other);
    const sampler = new NatSampler();
    for (const { to } of this.#pongs) sampler.add(to);
    const isEnough = this.#pongs.length >= (this.#asked >= PROBES ? LEAST_PONGS : 1);
    const isOpen = isEnough && sampler.host !== null && sampler.port === this.#options.port;
    this.#options.onDone(now, isOpen ? sampler : null);
  }
}

/** Asks a node to answer to `port` of the host that it sees us at. */
export function pingNat(now: number, requests: Requests, to: Address, port: number, owner: Requester): PendingRequest {
  const value = Uint8Array.of(port, port >>> 8);
  return requests.start(now, { to, isInternal: true, command: INTERNAL.pingNat, value }, owner);
}
