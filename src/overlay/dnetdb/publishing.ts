/**
 * When which record goes into the DHT: at the start, soon after it has changed, and again before the DHT forgets it (values after 48
 * hours, who shares a record after 20 minutes). What has to be done is an output, and `done` tells how it ended.
 */
import type { Machine } from "../../base/machine.ts";
import { blake2b256 } from "../../crypto/blake2b.ts";
import type { Store } from "./store.ts";

export type PublishingOutput =
  /** What `values` has due of that record shall be there, and then its head. */
  | { readonly type: "publish"; readonly record: Uint8Array; readonly values: KeptValues }
  /** We share that record. */
  | { readonly type: "announce"; readonly record: Uint8Array };

export interface Kept {
  /** These are put into the DHT. */
  readonly published: readonly Uint8Array[];
  /** Who looks for these finds us. */
  readonly shared: readonly Uint8Array[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Steps that are signed one after the other go together. */
const QUIET_MS = 3_000;
const CHANGED_AT_LATEST_MS = 30_000;
/** Anyone can overwrite a head. */
const LOOK_EVERY_MS = HOUR_MS;
/** Three times before the DHT forgets it. */
const PUT_EVERY_MS = 16 * HOUR_MS;
/** A value that was there before us is put again so soon, for want of knowing its age. */
const FOUND_LASTS_MS = 4 * HOUR_MS;
const ANNOUNCE_EVERY_MS = 8 * MINUTE_MS;
const RETRY_MS = MINUTE_MS;
const MAX_ANNOUNCING = 4;
/** Of each kind. Full: the first ones; whoever serves more is found by its key. */
export const MAX_KEPT = 1_024;

/** Which values of a record are in the DHT, as far as we know. As many as its newest form has. */
export class KeptValues {
  /** By hash: when it has to be put again. */
  #dueAt = new Map<string, number>();

  /** Of the values that the record has now: `unknown` may be there from before, `due` have to be put again. Forgets all others. */
  sort(now: number, values: readonly Uint8Array[]): { readonly unknown: Uint8Array[]; readonly due: Uint8Array[] } {
    const named = new Map(values.map((value) => [blake2b256(value).toHex(), value]));
    this.#dueAt = new Map([...this.#dueAt].filter(([name]) => named.has(name)));
    const unknown = [...named].filter(([name]) => !this.#dueAt.has(name));
    const due = [...named].filter(([name]) => (this.#dueAt.get(name) ?? Number.POSITIVE_INFINITY) <= now);
    return { unknown: unknown.map(([, value]) => value), due: due.map(([, value]) => value) };
  }

  /** `isNew`: it was put just now; otherwise it was found there. */
  note(now: number, value: Uint8Array, isNew: boolean): void {
    this.#dueAt.set(blake2b256(value).toHex(), now + (isNew ? PUT_EVERY_MS : FOUND_LASTS_MS));
  }
}

interface Publication {
  readonly record: Uint8Array;
  readonly values: KeptValues;
  /** Its last place in the store's log that we know of. */
  place: number;
  lookAt: number;
  /** Since when it has changed, and when it did last; null when it has not since it was published. */
  changed: { readonly since: number; readonly last: number } | null;
}

interface Announcement {
  readonly record: Uint8Array;
  /** Never, while it is under way. */
  dueAt: number;
}

export class Publishing implements Machine<PublishingOutput> {
  readonly #store: Store;
  readonly #publications = new Map<string, Publication>();
  readonly #announcements = new Map<string, Announcement>();
  /** One record at a time: all its values are in memory then. */
  #underWay: Publication | null = null;
  #announcing = 0;
  #place = -1;
  #outputs: PublishingOutput[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** From now on these, and no others. */
  keep(now: number, { published, shared }: Kept): void {
    retain(this.#publications, published, (record) => {
      const place = this.#store.headOf(record)?.changed ?? 0;
      return { record, values: new KeptValues(), place, lookAt: now, changed: null };
    });
    retain(this.#announcements, shared, (record) => ({ record, dueAt: now }));
  }

  /** The store may have changed. */
  changed(now: number): void {
    const { sequence } = this.#store;
    if (sequence === this.#place) return;
    this.#place = sequence;
    for (const each of this.#publications.values()) {
      const place = this.#store.headOf(each.record)?.changed ?? 0;
      if (place !== each.place) each.changed = { since: each.changed?.since ?? now, last: now };
      each.place = place;
    }
  }

  /** How what was given out has ended. */
  done(now: number, { type, record }: PublishingOutput, isDone: boolean): void {
    if (type === "publish") {
      if (this.#underWay) this.#underWay.lookAt = now + (isDone ? LOOK_EVERY_MS : RETRY_MS);
      this.#underWay = null;
      return;
    }
    this.#announcing--;
    const announcement = this.#announcements.get(record.toHex());
    if (announcement) announcement.dueAt = now + (isDone ? ANNOUNCE_EVERY_MS : RETRY_MS);
  }

  advance(now: number): void {
    const publication = this.#nextPublication();
    if (publication && dueAt(publication) <= now) {
      this.#underWay = publication;
      publication.changed = null;
      this.#outputs.push({ type: "publish", record: publication.record, values: publication.values });
    }
    for (let next = this.#nextAnnouncement(); next && next.dueAt <= now; next = this.#nextAnnouncement()) {
      next.dueAt = Number.POSITIVE_INFINITY;
      this.#announcing++;
      this.#outputs.push({ type: "announce", record: next.record });
    }
  }

  deadline(): number {
    const publication = this.#nextPublication();
    const never = Number.POSITIVE_INFINITY;
    return Math.min(publication ? dueAt(publication) : never, this.#nextAnnouncement()?.dueAt ?? never);
  }

  drain(): PublishingOutput[] {
    return this.#outputs.splice(0);
  }

  #nextPublication(): Publication | null {
    return this.#underWay ? null : first(this.#publications.values(), dueAt);
  }

  #nextAnnouncement(): Announcement | null {
    return this.#announcing < MAX_ANNOUNCING ? first(this.#announcements.values(), (each) => each.dueAt) : null;
  }
}

function dueAt({ lookAt, changed }: Publication): number {
  if (!changed) return lookAt;
  return Math.min(lookAt, changed.last + QUIET_MS, changed.since + CHANGED_AT_LATEST_MS);
}

/** The one that is due first. */
function first<Each>(all: Iterable<Each>, when: (each: Each) => number): Each | null {
  let found: Each | null = null;
  for (const each of all) if (!found || when(each) < when(found)) found = each;
  return found;
}

function retain<Each>(
  kept: Map<string, Each>,
  records: readonly Uint8Array[],
  begin: (record: Uint8Array) => Each,
): void {
  const wanted = new Map(records.slice(0, MAX_KEPT).map((record) => [record.toHex(), record]));
  for (const name of kept.keys()) if (!wanted.has(name)) kept.delete(name);
  for (const [name, record] of wanted) if (!kept.has(name)) kept.set(name, begin(record));
}
