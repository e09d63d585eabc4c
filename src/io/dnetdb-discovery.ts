/**
 * A record, for whoever knows nothing but its id: from replicas that announce themselves under its topic, and from what stands of it
 * in the DHT. Neither is believed. Anyone who knows the id can announce replicas that are none and heads that lead nowhere, so
 * several of each are tried; an attacker who does so a thousandfold can still hide the record, or what is new of it.
 */
import { DnetError } from "../base/error.ts";
import { formatPublicKey } from "../base/public-key.ts";
import { dhtTopic } from "../overlay/dnetdb/dht-record.ts";
import type { Taken } from "../overlay/dnetdb/intake.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { Item } from "../overlay/dnetdb/sync-messages.ts";
import type { PeerRecord } from "../wire/dht.ts";
import { findHeads, type HeadRefusal, RecordFetch } from "./dnetdb-dht.ts";
import type { Replication, SyncLink } from "./dnetdb-sync.ts";
import { systemRandom } from "./entropy.ts";
import type { Gateway } from "./gateway/gateway.ts";

/** Of those who say that they share a record. Full: the first that were found. */
const MAX_FOUND = 256;
/** So many of them are called, by chance: whoever announces more than others is called more often. */
const MAX_CALLED = 16;
const CALLED_AT_ONCE = 4;
/** With so many in step there is little more to learn. */
const ENOUGH_REPLICAS = 3;
/** Replicas in step and good heads: then those who are still being called are not waited for. */
const ENOUGH_SOURCES = 2;
/** Clouds and relays of a dnet that are looked for. */
const MAX_ATTACHED = 16;

export interface Discovered {
  /** How many are in step with us. */
  replicas: number;
  /** Heads that were good, and what became of the others. */
  heads: number;
  readonly refused: Map<HeadRefusal | "FOREIGN" | "REFUSED", number>;
  /** How many values were got from the DHT. */
  values: number;
}

export interface Discovering {
  readonly gateway: Gateway;
  readonly store: Store;
  /** Of that store. */
  readonly replication: Replication;
  /** Ends it, whatever has come by then. */
  readonly signal: AbortSignal;
  readonly patience?: Patience;
}

export interface Patience {
  /** A replica has all of a record in a few round trips; its values take one walk each, and are looked for after that. */
  readonly headStartMs: number;
  /** Then another replica is called; the slow one may go on. */
  readonly slowMs: number;
}

const PATIENCE: Patience = { headStartMs: 5_000, slowMs: 10_000 };

/** Of a dnet also its clouds and relays. What was found is in the store. Throws DnetError when the DHT cannot be asked. */
export async function discover(where: Discovering, record: Uint8Array): Promise<Discovered> {
  const found: Discovered = { replicas: 0, heads: 0, refused: new Map(), values: 0 };
  const { store, patience = PATIENCE } = where;
  const calls = new Calls(where, record, found);
  const calling = calls.run();
  try {
    await within(patience.headStartMs, where.signal, calling);
    const items = await takeHeads(where, record, found);
    const attached = store.attached(record).map(({ ovx }) => ovx);
    const missing = attached.filter((ovx) => !store.headOf(ovx)).slice(0, MAX_ATTACHED);
    for (const ovx of missing) await takeHeads(where, ovx, found);
    // A cloud's statements about the dnet are only heard once the cloud itself is known.
    if (missing.length > 0) for (const each of items) where.replication.bring(THE_DHT, record, each);
    // Of two that tell the same one may hide what is new; of one, more likely.
    if (found.replicas + found.heads < ENOUGH_SOURCES) await within(null, where.signal, calling);
    return found;
  } finally {
    calls.close();
  }
}

const THE_DHT = "the DHT";

/** Whatever the heads of a record lead to is taken in; returned as well. */
async function takeHeads(
  { gateway, store, replication, signal }: Discovering,
  record: Uint8Array,
  found: Discovered,
): Promise<Item[][]> {
  const fetch = new RecordFetch(gateway, store, record, signal);
  const all: Item[][] = [];
  for (const head of signal.aborted ? [] : await findHeads(gateway, record)) {
    const items = await fetch.items(head);
    if (signal.aborted) break;
    const refusal =
      typeof items === "string" ? items : judgeTaken(store, record, replication.bring(THE_DHT, record, items));
    if (refusal) found.refused.set(refusal, (found.refused.get(refusal) ?? 0) + 1);
    else found.heads++;
    if (typeof items !== "string") all.push(items);
  }
  found.values += fetch.values;
  return all;
}

/** Null: it was good. */
function judgeTaken(store: Store, record: Uint8Array, { refused }: Taken): "FOREIGN" | "REFUSED" | null {
  if (!store.headOf(record)) return "FOREIGN";
  return refused > 0 ? "REFUSED" : null;
}

/** To replicas that announce themselves. */
class Calls {
  readonly #where: Discovering;
  readonly #record: Uint8Array;
  readonly #found: Discovered;
  readonly #links = new Set<SyncLink>();
  readonly #enough = new AbortController();

  constructor(where: Discovering, record: Uint8Array, found: Discovered) {
    this.#where = where;
    this.#record = record;
    this.#found = found;
  }

  /** Resolves when enough are in step, or none are left. Throws DnetError when the DHT cannot be asked. */
  async run(): Promise<void> {
    const { slowMs } = this.#where.patience ?? PATIENCE;
    const waiting = shuffled(await this.#replicas()).slice(0, MAX_CALLED);
    const caller = async () => {
      for (let next = waiting.pop(); next && !this.#enough.signal.aborted; next = waiting.pop()) {
        await within(slowMs, this.#enough.signal, this.#call(next));
      }
    };
    await Promise.all(Array.from({ length: CALLED_AT_ONCE }, caller));
  }

  close(): void {
    this.#enough.abort();
    for (const link of this.#links) link.close();
  }

  async #replicas(): Promise<PeerRecord[]> {
    const { gateway, signal } = this.#where;
    const peers = new Map<string, PeerRecord>();
    const walk = gateway.lookup(dhtTopic(this.#record));
    signal.addEventListener("abort", () => walk.destroy(), { once: true });
    for await (const reply of walk) {
      for (const peer of reply.peers) if (peers.size < MAX_FOUND) peers.set(peer.publicKey.toHex(), peer);
    }
    return [...peers.values()];
  }

  /** Resolves when it is in step with us, or gone. */
  async #call({ publicKey, relayAddresses }: PeerRecord): Promise<void> {
    const { gateway, replication, store } = this.#where;
    const stream = gateway.connect(publicKey, { nodes: relayAddresses });
    const end = () => stream.destroy();
    this.#enough.signal.addEventListener("abort", end, { once: true });
    try {
      await stream.opened;
      const link = replication.attach(stream, { peer: formatPublicKey(publicKey), interests: [this.#record] });
      this.#links.add(link);
      this.#enough.signal.removeEventListener("abort", end);
      await link.settled;
    } catch (error) {
      if (!(error instanceof DnetError)) throw error;
      return; // another one may be there
    }
    if (!store.headOf(this.#record)) return;
    this.#found.replicas++;
    if (this.#found.replicas >= ENOUGH_REPLICAS) this.#enough.abort();
  }
}

/** Waits no longer than so, null for ever, and not once `signal` says so. */
async function within(ms: number | null, signal: AbortSignal, work: Promise<void>): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = ms === null ? undefined : setTimeout(over.resolve, ms);
  signal.addEventListener("abort", () => over.resolve(), { once: true });
  if (signal.aborted) over.resolve();
  await Promise.race([work, over.promise]).finally(() => clearTimeout(timer));
}

function shuffled<Each>(all: readonly Each[]): Each[] {
  const keyed = all.map((each) => ({ each, key: systemRandom.bytes(8).toHex() }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ each }) => each);
}
