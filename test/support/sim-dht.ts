/** DHT nodes on the simulated internet: the product's own shell (`DhtHost`) over simulated sockets and time. */
import type { Address } from "../../src/base/address.ts";
import type { DhtNodeOptions } from "../../src/dht/node-options.ts";
import type { Operation } from "../../src/dht/operations.ts";
import type { Query, QueryFailure } from "../../src/dht/query.ts";
import { type DhtEvent, DhtHost } from "../../src/io/dht-host.ts";
import type { Host } from "../sim/internet/host.ts";
import type { Internet } from "../sim/internet/internet.ts";
import { nodeOptions } from "./dht-node.ts";

export const DHT_PORT = 1776;

/** A walk as it goes: what it found so far, and how it ended. */
export interface Walk<Item> {
  readonly items: Item[];
  readonly startedAt: number;
  query: Query | null;
  endedAt: number | null;
  failure: QueryFailure | null;
}

export class SimDhtNode {
  /** What the node said, but for queries, oldest first. */
  readonly events: string[] = [];
  dht!: DhtHost;
  readonly #internet: Internet;
  readonly #options: Partial<DhtNodeOptions>;
  #walks = new Map<Query, (event: DhtEvent) => void>();

  constructor(
    internet: Internet,
    readonly host: Host,
    options: Partial<DhtNodeOptions> = {},
  ) {
    this.#internet = internet;
    this.#options = options;
    this.start();
  }

  /** Runs a node on this host: a new one, as after a restart, with other options where given. */
  start(options: Partial<DhtNodeOptions> = {}): void {
    const [server, client] = [this.host.bind(DHT_PORT), this.host.bind(0)];
    this.#walks = new Map();
    this.dht = new DhtHost({
      now: this.#internet.now,
      node: nodeOptions({
        random: this.#internet.freshRandom(),
        localHosts: () => [this.host.address],
        ...this.#options,
        ...options,
      }),
      sockets: { server, client },
      drive: (machine, onOutput) => this.host.drive(machine, onOutput),
      openSocket: () => this.host.bind(0),
      resolve: async () => null,
      onEvent: (event) => this.#onEvent(event),
    });
  }

  get node() {
    return this.dht.node;
  }

  /** Where others on the core reach it, while it has a public address. */
  get address(): Address {
    return { host: this.host.address!, port: DHT_PORT };
  }

  walk<Item>({ query, item }: Operation<Item>): Walk<Item> {
    const walk: Walk<Item> = { items: [], startedAt: this.#internet.now, query: null, endedAt: null, failure: null };
    this.dht.input((now) => {
      walk.query = this.node.query(now, query)!;
      this.#walks.set(walk.query, (event) => {
        if (event.type === "reply") {
          const found = item(event.reply);
          if (found !== null) walk.items.push(found);
        } else if (event.type === "finished") {
          walk.endedAt = this.#internet.now;
          walk.failure = event.failure;
        }
      });
    });
    return walk;
  }

  #onEvent(event: DhtEvent): void {
    if (event.type === "reply" || event.type === "finished") {
      this.#walks.get(event.query)?.(event);
      if (event.type === "finished") this.#walks.delete(event.query);
    } else if (event.type !== "addNode" && event.type !== "removeNode") {
      this.events.push(event.type);
    }
  }
}

/** A network of persistent nodes at public addresses; the first is the bootstrap. All have found each other. */
export function simNetwork(internet: Internet, size: number, options: Partial<DhtNodeOptions> = {}): SimDhtNode[] {
  const persistent = { isEphemeral: false, isFirewalled: false, ...options };
  const host = internet.addHost();
  const publicAddress = { host: host.address!, port: DHT_PORT };
  const first = new SimDhtNode(internet, host, { ...persistent, publicAddress });
  const bootstrap = [{ ...first.address, suggested: null }];
  const nodes = [first];
  while (nodes.length < size) {
    nodes.push(new SimDhtNode(internet, internet.addHost(), { ...persistent, bootstrap }));
    internet.runFor(20);
  }
  internet.runUntil(() => nodes.every(({ node }) => node.isReady && !node.isEphemeral), 120_000);
  return nodes;
}

/** Runs until the walk is over. */
export function finish<Item>(internet: Internet, walk: Walk<Item>, withinMs = 60_000): Walk<Item> {
  internet.runUntil(() => walk.endedAt !== null, withinMs);
  return walk;
}
