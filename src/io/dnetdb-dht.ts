/**
 * Records in the DHT, as `overlay/dnetdb/dht-record.ts` has their form: putting them there, and getting what stands there. What is
 * found proves itself, by the hashes of its values and by the rules.
 */
import { monotonicMs } from "../../ffi/libc.ts";
import { sameBytes } from "../base/bytes.ts";
import { DnetError } from "../base/error.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import * as operations from "../dht/operations.ts";
import {
  type DhtHead,
  decodeDhtHead,
  dhtKeyPair,
  exportRecord,
  MAX_STRING_BYTES,
  PIECE_BYTES,
  StringGathering,
  type StringHead,
} from "../overlay/dnetdb/dht-record.ts";
import { KeptValues } from "../overlay/dnetdb/publishing.ts";
import { readStrings } from "../overlay/dnetdb/record-string.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { Item } from "../overlay/dnetdb/sync-messages.ts";
import { COMMAND } from "../wire/dht.ts";
import type { Gateway } from "./gateway/gateway.ts";

/** Walks at once: a walk asks some twenty nodes. */
const WALKS = 8;
/** Of one record, from whatever heads: twice the longest record. Full: the rest is not looked for. */
const MAX_VALUES = Math.ceil((4 * MAX_STRING_BYTES) / PIECE_BYTES);
/** That are tried of one record. Full: those that most nodes have, then those of the highest seq. */
const MAX_HEADS = 8;

export interface Published {
  readonly values: number;
  /** How many were put now, the head not counted: the others are there. */
  readonly put: number;
  /** False: somebody has overwritten it so that no other can be put. */
  readonly isHeadThere: boolean;
}

/**
 * What is due of a record is put there for 48 hours, and its head last: whoever finds that finds all that it leads to. Null for a
 * record that is not here, or too long. `values` keeps what is there. Throws DnetError when the DHT cannot be asked.
 */
export async function publishRecord(
  gateway: Gateway,
  store: Store,
  record: Uint8Array,
  values: KeptValues = new KeptValues(),
): Promise<Published | null> {
  const exported = exportRecord(store, record);
  if (!exported) return null;
  const { unknown, due } = values.sort(monotonicMs(), [...exported.values, exported.head]);
  const isHead = (value: Uint8Array) => value === exported.head;
  let put = 0;
  const note = (value: Uint8Array, isNew: boolean) => {
    values.note(monotonicMs(), value, isNew);
    put += isNew ? 1 : 0;
  };
  const tasks = [
    ...unknown
      .filter((value) => !isHead(value))
      .map((value) => async () => note(value, await putMissing(gateway, value))),
    ...due
      .filter((value) => !isHead(value))
      .map((value) => async () => {
        await gateway.immutablePut(value);
        note(value, true);
      }),
  ];
  await inParallel(tasks);
  const isHeadThere = await putHead(gateway, record, exported.head, { isDue: due.some(isHead), values });
  return { values: exported.values.length, put, isHeadThere };
}

/** False: most of the nodes where it belongs have it already. */
async function putMissing(gateway: Gateway, value: Uint8Array): Promise<boolean> {
  const walk = gateway.query({ command: COMMAND.immutableGet, target: blake2b256(value) });
  await walk.finished();
  if (isMost(walk.closestReplies, (reply) => reply.value !== null && sameBytes(reply.value, value))) return false;
  await gateway.immutablePut(value, { nodes: walk.closestNodes, onlyClosestNodes: true });
  return true;
}

async function putHead(
  gateway: Gateway,
  record: Uint8Array,
  head: Uint8Array,
  { isDue, values }: { readonly isDue: boolean; readonly values: KeptValues },
): Promise<boolean> {
  const keyPair = dhtKeyPair(record);
  const { item, walk } = headWalk(gateway, keyPair.publicKey);
  const found = [];
  for await (const reply of walk) found.push(item(reply));
  const highest = found.reduce((best, each) => (each && (!best || each.seq > best.seq) ? each : best), null);
  const isOurs = highest !== null && sameBytes(highest.value, head);
  const isThere = isMost(walk.closestReplies, (reply) => sameBytes(item(reply)?.value ?? EMPTY, head));
  if (isOurs && isThere && !isDue) {
    values.note(monotonicMs(), head, false);
    return true;
  }
  const seq = (highest?.seq ?? -1) + (isOurs ? 0 : 1);
  if (!Number.isSafeInteger(seq)) return false;
  await gateway.mutablePut(keyPair, head, { seq });
  values.note(monotonicMs(), head, true);
  return true;
}

/** The heads that nodes have for a record, the likeliest first; whoever knows the id may have put any of them there. */
export async function findHeads(gateway: Gateway, record: Uint8Array): Promise<Uint8Array[]> {
  const { item, walk } = headWalk(gateway, dhtKeyPair(record).publicKey);
  const heads = new Map<string, { readonly value: Uint8Array; seq: number; nodes: number }>();
  for await (const reply of walk) {
    const found = item(reply);
    if (!found) continue;
    const head = heads.get(found.value.toHex()) ?? { value: found.value.slice(), seq: 0, nodes: 0 };
    head.seq = Math.max(head.seq, found.seq);
    head.nodes++;
    heads.set(found.value.toHex(), head);
  }
  const likely = [...heads.values()].sort((a, b) => b.nodes - a.nodes || b.seq - a.seq);
  return likely.slice(0, MAX_HEADS).map(({ value }) => value);
}

/** Why what a head leads to is not taken; the words are stable. */
export type HeadRefusal =
  /** It is no head. */
  | "MALFORMED"
  /** A value that it leads to is not there, or not what the head says. */
  | "ABSENT"
  | "BROKEN"
  /** It leads to more than is looked for. */
  | "TOO_LONG";

/** Gets what heads of one record lead to. */
export class RecordFetch {
  readonly #gateway: Gateway;
  readonly #store: Store;
  readonly #record: Uint8Array;
  readonly #signal: AbortSignal;
  /** How many were got from the DHT: what is here already is not looked for. */
  values = 0;

  /** `signal` ends it. */
  constructor(gateway: Gateway, store: Store, record: Uint8Array, signal: AbortSignal) {
    this.#gateway = gateway;
    this.#store = store;
    this.#record = record;
    this.#signal = signal;
  }

  /** What a head leads to, to be taken in as from any peer. Throws DnetError when the DHT cannot be asked. */
  async items(value: Uint8Array): Promise<Item[] | HeadRefusal> {
    const head: DhtHead | null = decodeDhtHead(value);
    if (!head) return "MALFORMED";
    const here = new Map(
      exportRecord(this.#store, this.#record)?.values.map((each) => [blake2b256(each).toHex(), each]),
    );
    const chain = await this.#string(head.chain, here);
    if (typeof chain === "string") return chain;
    const rest = await this.#string(head.rest, here);
    if (typeof rest === "string") return rest;
    return readStrings(chain, rest) ?? "BROKEN";
  }

  async #string(head: StringHead, here: ReadonlyMap<string, Uint8Array>): Promise<Uint8Array | HeadRefusal> {
    const gathering = new StringGathering(head);
    let refusal: HeadRefusal | null = null;
    const underWay = new Map<string, Promise<void>>();
    const get = async (hash: Uint8Array) => {
      if (this.values >= MAX_VALUES) refusal = "TOO_LONG";
      if (refusal) return;
      this.values++;
      const found = await this.#gateway.immutableGet(hash).catch(ignoreFailure);
      if (!found) refusal ??= "ABSENT";
      else gathering.give(found.value);
    };
    while (!refusal && !this.#signal.aborted) {
      const wanted = gathering.wanted(WALKS);
      if (wanted.length === 0) break;
      const near = wanted.map((hash) => here.get(hash.toHex())).filter((each) => each !== undefined);
      for (const each of near) gathering.give(each);
      if (near.length > 0) continue;
      for (const hash of wanted) {
        const name = hash.toHex();
        if (underWay.has(name)) continue;
        const got = get(hash).finally(() => underWay.delete(name));
        underWay.set(name, got);
      }
      await Promise.race(underWay.values());
    }
    await Promise.all(underWay.values());
    return refusal ?? gathering.bytes ?? (gathering.isBroken ? "BROKEN" : "ABSENT");
  }
}

const EMPTY = new Uint8Array(0);

/** Every reply of a walk to a record's head; `item` gives what is rightly signed. */
function headWalk(gateway: Gateway, publicKey: Uint8Array) {
  const { query, item } = operations.mutableGet(publicKey, 0);
  const { command, target, value = null } = query;
  return { item, walk: gateway.query({ command, target, ...(value && { value }) }) };
}

function isMost<Each>(all: readonly Each[], holds: (each: Each) => boolean): boolean {
  return 2 * all.filter(holds).length > all.length;
}

/** The first that fails is the last that is begun. */
async function inParallel(tasks: (() => Promise<void>)[]): Promise<void> {
  const worker = async () => {
    for (let next = tasks.shift(); next; next = tasks.shift()) {
      await next().catch((error) => {
        tasks.length = 0;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: WALKS }, worker));
}

/** To whoever looks for a value, a network that does not answer is one that does not have it. */
function ignoreFailure(error: unknown): null {
  if (error instanceof DnetError) return null;
  throw error;
}
