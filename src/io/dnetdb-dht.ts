/**
 * Records in the DHT, for whoever knows nothing but an id and finds no replica. What is found there proves itself, by the hashes of its
 * values and by the rules; but anyone can overwrite the head, so it may not be found. The form is `overlay/dnetdb/dht-record.ts`.
 */
import { sameBytes } from "../base/bytes.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import {
  decodeDhtHead,
  dhtKeyPair,
  exportRecord,
  readExport,
  StringGathering,
  type StringHead,
} from "../overlay/dnetdb/dht-record.ts";
import type { Store } from "../overlay/dnetdb/store.ts";
import type { Item } from "../overlay/dnetdb/sync-messages.ts";
import type { Gateway } from "./gateway/gateway.ts";

/** Walks at once: a walk asks some twenty nodes. */
const WALKS = 8;
/** A seq that anyone may have raised to the end leaves no room for another. */
const MAX_SEQ = Number.MAX_SAFE_INTEGER;

export interface Published {
  readonly values: number;
  /** How many were put now: those that are in `known` already are left. */
  readonly put: number;
}

/** Each value and the head are there for 48 hours. Null for a record that is not here, or too long. `known` grows by what was put. */
export async function publishRecord(
  gateway: Gateway,
  store: Store,
  record: Uint8Array,
  known: Set<string> = new Set(),
): Promise<Published | null> {
  const found = exportRecord(store, record);
  if (!found) return null;
  const missing = found.values.filter((value) => !known.has(blake2b256(value).toHex()));
  await inParallel(missing, async (value) => {
    const { hash } = await gateway.immutablePut(value);
    known.add(hash.toHex());
  });
  // Last: whoever finds the head finds all that it leads to.
  const keyPair = dhtKeyPair(record);
  const before = await gateway.mutableGet(keyPair.publicKey, { latest: true });
  const isThere = before !== null && sameBytes(before.value, found.head);
  const seq = isThere ? before.seq : before ? Math.min(before.seq + 1, MAX_SEQ) : 0;
  await gateway.mutablePut(keyPair, found.head, { seq });
  return { values: found.values.length, put: missing.length };
}

/** What the DHT has of a record, to be taken in as from any peer; null when it has none, or not all of it. */
export async function fetchRecord(gateway: Gateway, record: Uint8Array): Promise<Item[] | null> {
  const found = await gateway.mutableGet(dhtKeyPair(record).publicKey, { latest: true });
  const head = found && decodeDhtHead(found.value);
  const chain = head && (await fetchString(gateway, head.chain));
  const rest = chain && (await fetchString(gateway, head.rest));
  return rest && readExport(chain, rest);
}

async function fetchString(gateway: Gateway, head: StringHead): Promise<Uint8Array | null> {
  const gathering = new StringGathering(head);
  for (let wanted = gathering.wanted(WALKS); wanted.length > 0; wanted = gathering.wanted(WALKS)) {
    const values = await Promise.all(wanted.map((hash) => gateway.immutableGet(hash)));
    for (const each of values) if (!each || !gathering.give(each.value)) return null;
  }
  return gathering.bytes;
}

async function inParallel<Each>(all: readonly Each[], work: (each: Each) => Promise<void>): Promise<void> {
  const rest = [...all];
  const worker = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) await work(next);
  };
  await Promise.all(Array.from({ length: WALKS }, worker));
}
