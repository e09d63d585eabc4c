/**
 * What a node does by itself to stay in its network: every five seconds it looks what there is to ping, to refresh and to find out, and
 * whether the machine has slept. Source: dht-rpc index.js `_ontick`, `_onwakeup`, `refresh`, `_backgroundQuery`; specification §4.3.
 */
import { type Random, randomUint32 } from "../base/random.ts";
import { INTERNAL } from "../wire/rpc.ts";
import { type Contacts, OLD_TICKS } from "./contacts.ts";
import { Health } from "./health.ts";
import { Query, type QueryContext, type QueryOwner } from "./query.ts";
import type { Reachability } from "./reachability.ts";
import type { Requests } from "./requests.ts";

export const TICK_MS = 5_000;
/** Two ticks farther apart than this: the machine slept. */
const SLEPT_MS = 15_000;
const PING_EVERY_TICKS = 8;
/** A table that small is refreshed so often. */
const SMALL_TABLE = 20;
const SMALL_REFRESH_TICKS = 64;
/** An empty one this often: there may be no network yet. Differs: the reference waits for the next ping, up to 40 s. */
const EMPTY_REFRESH_TICKS = 2;
const REFRESH_TICKS = 60;
/** One refresh in so many asks the bootstrap nodes, too. Differs: with none, the parts of a network that was parted stay apart for ever. */
const BOOTSTRAP_REFRESHES = 2;

export interface UpkeepOptions {
  readonly random: Random;
  readonly contacts: Contacts;
  readonly requests: Requests;
  readonly reachability: Reachability;
  readonly concurrency: number;
  readonly sendDownHints: boolean;
  /** Negative: as many as there are. */
  readonly downHintsPerTick: number;
  readonly context: () => QueryContext;
  readonly onEvent: (event: "networkUpdate" | "wakeup") => void;
}

export class Upkeep {
  readonly health = new Health();
  readonly #options: UpkeepOptions;
  #tickedAt = -Infinity;
  #tickAt = Infinity;
  #refreshTicks: number;
  #refreshes = 0;
  #hintsSent = 0;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#refreshTicks = 31 + (randomUint32(options.random) % 30);
  }

  start(now: number): void {
    this.#tickedAt = now;
    this.#tickAt = now + TICK_MS;
  }

  /** Nothing is due until `start` or `wakeUp`. */
  stop(): void {
    this.#tickAt = Infinity;
  }

  /** The machine slept, as the shell knows from another clock; or its network is another. */
  wakeUp(now: number): void {
    const { contacts, reachability, onEvent } = this.#options;
    contacts.tick += 2 * OLD_TICKS; // everything looks old
    this.#pingIn(2);
    this.#refreshTicks = 1;
    this.start(now);
    reachability.wakeUp(now);
    if (this.health.reset()) onEvent("networkUpdate");
    onEvent("wakeup");
  }

  /** An address of this machine came or went. */
  networkChanged(now: number): void {
    this.#pingIn(1);
    this.refresh(now);
    this.#options.onEvent("networkUpdate");
  }

  /** Somebody walks: that keeps the table alive, too. */
  walked(): void {
    this.#refreshTicks = REFRESH_TICKS;
  }

  /** Walks towards a node that we know, so that the table stays alive. */
  refresh(now: number): void {
    const { table } = this.#options.contacts;
    const nodes = [...table.nodes()];
    const node = nodes[randomUint32(this.#options.random) % Math.max(1, nodes.length)];
    const asksBootstrap = this.#refreshes++ % BOOTSTRAP_REFRESHES === 0;
    this.walk(now, node?.id ?? table.id, { replied: () => {}, finished: () => {} }, asksBootstrap);
  }

  /** A walk in the background: it takes few requests at a time while others are under way. */
  walk(now: number, target: Uint8Array, owner: QueryOwner, asksBootstrap = false): void {
    const { concurrency, requests, context } = this.#options;
    const least = Math.min(concurrency, Math.max(2, Math.floor(concurrency / 8)));
    this.walked();
    const yielding: QueryOwner = {
      replied: (at, query, reply) => {
        query.concurrency = requests.size < 3 ? concurrency : least;
        owner.replied(at, query, reply);
      },
      finished: (at, query, failure) => owner.finished(at, query, failure),
    };
    const question = { isInternal: true, command: INTERNAL.findNode, target, concurrency: least, asksBootstrap };
    new Query(question, context(), yielding).start(now);
  }

  /** Whether one more node may be told that another is down. */
  mayHint(): boolean {
    const { sendDownHints, downHintsPerTick } = this.#options;
    if (!sendDownHints || (downHintsPerTick >= 0 && this.#hintsSent >= downHintsPerTick)) return false;
    this.#hintsSent++;
    return true;
  }

  advance(now: number): void {
    if (now < this.#tickAt) return;
    if (now - this.#tickedAt > SLEPT_MS) return this.wakeUp(now);
    const { contacts, requests, reachability, onEvent } = this.#options;
    contacts.tick++;
    this.start(now);
    if (!reachability.isReady) return;
    reachability.tick(now);
    if (contacts.tick % PING_EVERY_TICKS === 0) contacts.pingSome(now);
    const { size } = contacts.table;
    const isSmall =
      contacts.tick % (size === 0 ? EMPTY_REFRESH_TICKS : SMALL_REFRESH_TICKS) === 0 && size < SMALL_TABLE;
    if (--this.#refreshTicks <= 0 || isSmall) this.refresh(now);
    this.#hintsSent = 0;
    if (this.health.tick(requests)) onEvent("networkUpdate");
  }

  deadline(): number {
    return this.#tickAt;
  }

  /** Pings begin in so many ticks. */
  #pingIn(ticks: number): void {
    const { contacts } = this.#options;
    contacts.tick += PING_EVERY_TICKS - (contacts.tick % PING_EVERY_TICKS) - ticks;
  }
}
