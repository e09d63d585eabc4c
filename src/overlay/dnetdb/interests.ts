/**
 * Which records someone needs that is interested in a few: without the clouds' and relays' own, nothing that these say can be
 * checked.
 */
import { compareBytes } from "../../base/bytes.ts";
import type { Store } from "./store.ts";
import { type Interests, MAX_INTERESTS } from "./sync-messages.ts";

/**
 * These, the dnets that those of them which are clouds or relays are authorised for, and the clouds and relays that are or were
 * attached to any of these dnets: what one has said still counts. As far as they are here; ascending, none twice. Full: the first
 * ones of each.
 */
export function interestsAround(store: Store, records: Interests): Interests {
  if (records === "all") return "all";
  const all = new Map<string, Uint8Array>();
  const add = (record: Uint8Array) => {
    if (all.size < MAX_INTERESTS) all.set(record.toHex(), record);
  };
  for (const record of records) add(record);
  for (const record of records) for (const { dnet } of store.authorised(record)) add(dnet);
  for (const record of [...all.values()]) for (const ovx of store.state.everAttached(record)) add(ovx);
  return [...all.values()].sort(compareBytes);
}
