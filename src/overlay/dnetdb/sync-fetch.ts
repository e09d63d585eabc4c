/**
 * What we learn of a peer's store: page by page which records changed there, of each what we lack, and then how far we have
 * read. A cursor is kept only up to where all was committed that could be, so whatever ends the session, nothing is missed.
 */
import { sameBytes } from "../../base/bytes.ts";
import { sha256 } from "../../crypto/sha256.ts";
import type { Admission } from "./admission.ts";
import { Intake } from "./intake.ts";
import { interestsAround } from "./interests.ts";
import type { Store } from "./store.ts";
import type { Head, Heads, Interests, Items, SyncMessage } from "./sync-messages.ts";
import { beginFetch, type RecordFetch } from "./sync-record.ts";
import { MAX_WANTS, type News } from "./sync-serve.ts";

/** After so long, what did not pass, and may now, is asked for again. */
const RETRY_MS = 5 * 60_000;
/**
 * So long a cursor is kept in memory alone: a step of the database for every transaction of every peer would cost more than it
 * saves.
 */
const KEEP_MS = 10_000;
const CURSOR_NAME_BYTES = 16;

/** How the two talk meanwhile. */
export interface FetchOwner {
  send(message: SyncMessage): void;
  /** New here, and committed. */
  heard(news: readonly News[]): void;
  /** So much that no honest replica sends. */
  blame(what: "refused" | "withheld", count: number): void;
}

export class Fetching {
  readonly #store: Store;
  readonly #admission: Admission;
  readonly #peer: string;
  readonly #intake: Intake;
  readonly #owner: FetchOwner;
  #centre: Interests = [];
  #interests: Interests = [];
  #names: ReadonlySet<string> = new Set();
  /** The peer's store, and by which name its cursor is kept. Null until it says. */
  #peerStore: Uint8Array | null = null;
  #name: Uint8Array = new Uint8Array(0);
  #round = 0;
  /** Where the next page begins; and up to where nothing is missing. */
  #cursor = 0;
  #complete = 0;
  #kept = 0;
  #keepAt = Number.POSITIVE_INFINITY;
  #retryAt = Number.POSITIVE_INFINITY;
  #phase: "idle" | "first" | "next" | "page" = "idle";
  #page: Heads | null = null;
  #waiting: Head[] = [];
  /** Whose want has no answer yet, in the order of the answers. */
  #asked: RecordFetch[] = [];
  /** Something of this round was held back, or is missing. */
  #isHeldBack = false;
  #isProgress = false;
  /** Whether the last page was the last one there was. */
  #isAll = false;
  /** In this round the peer was asked for the bodies that nobody had before. */
  #areBodiesAsked = false;

  /** `peer` names whoever it is fetched from. */
  constructor(store: Store, admission: Admission, peer: string, owner: FetchOwner) {
    this.#store = store;
    this.#admission = admission;
    this.#peer = peer;
    this.#intake = new Intake(store, admission, peer);
    this.#owner = owner;
  }

  /** Whether we have all that the peer has told of. */
  get hasAll(): boolean {
    return this.#isAll && this.#phase === "next" && this.#asked.length === 0;
  }

  /** Whether a page is not done with. */
  get isFetching(): boolean {
    return this.#phase === "page";
  }

  /** Whether the peer has to answer at once. */
  get isOwed(): boolean {
    return this.#phase === "first" || this.#asked.length > 0;
  }

  deadline(): number {
    return Math.min(this.#keepAt, this.#phase === "next" ? this.#retryAt : Number.POSITIVE_INFINITY);
  }

  /** From its greeting on, or when other records are of interest: these, and what is around them. */
  follow(time: number, peerStore: Uint8Array | null, interests: Interests): void {
    this.keep(time);
    this.#peerStore = peerStore ?? this.#peerStore;
    this.#centre = interests;
    this.#interests = interestsAround(this.#store, interests);
    this.#names = namesOf(this.#interests);
    for (const record of this.#interests === "all" ? [] : this.#interests) {
      if (this.#store.missingBodies(record, 1).length > 0) this.#admission.bodiless.set(record.toHex(), record);
    }
    if (!this.#peerStore) return;
    this.#name = cursorName(this.#peer, this.#peerStore, this.#interests);
    this.#kept = this.#store.cursorOf(this.#name);
    this.#complete = this.#kept;
    this.#follow();
  }

  advance(now: number, time: number): void {
    if (now >= this.#keepAt) this.keep(time);
    if (now >= this.#retryAt && this.#phase === "next") this.#follow();
  }

  /** Keeps how far we have read. `time`: ms since 1970. */
  keep(time: number): void {
    this.#keepAt = Number.POSITIVE_INFINITY;
    if (this.#complete === this.#kept) return;
    this.#kept = this.#complete;
    this.#store.keepCursor(time, this.#name, this.#kept);
  }

  /** False when it is not the peer's turn. */
  page(now: number, time: number, page: Heads): boolean {
    if (page.round !== this.#round) return true; // of an earlier question
    if (this.#phase !== "first" && this.#phase !== "next") return false;
    if (this.#phase === "next" && page.upTo <= this.#cursor) return false;
    this.#phase = "page";
    this.#page = page;
    this.#waiting = [...page.heads];
    this.#goOn(now, time);
    return true;
  }

  /** False for an answer that nobody asked for. `time`: ms since 1970. */
  items(now: number, time: number, message: Items): boolean {
    const fetch = message.part === "unasked" ? null : this.#asked.shift();
    if (fetch === undefined) return false;
    if (fetch && !fetch.isAnswer(message)) return false;
    if (this.#isFollowed(message.record)) this.#takeIn(time, fetch, message);
    if (fetch) this.#goOn(now, time);
    return true;
  }

  #takeIn(time: number, fetch: RecordFetch | null, message: Items): void {
    const record = message.record.slice(); // the frame may be long
    const taken = this.#intake.take(time, record, message.items);
    if (taken.isBodyMissing) this.#admission.bodiless.set(record.toHex(), record);
    if (taken.refused > 0) this.#owner.blame("refused", taken.refused);
    if (taken.news.length > 0 || taken.bodies > 0) this.#isProgress = true;
    this.#owner.heard(taken.news);
    if (taken.bodies > 0) this.#owner.heard([{ record, hasBody: true }]);
    if (fetch) {
      fetch.isEarly ||= taken.isEarly;
      fetch.isFull ||= taken.isFull || taken.refused > 0;
      if (fetch.round !== this.#round) return;
      if (fetch.goOn(message, taken.bodies > 0)) this.#ask(fetch);
      else this.#finish(fetch);
    } else if (message.items.length === 0) this.#askBodies(record);
  }

  #isFollowed(record: Uint8Array): boolean {
    const isOfInterest = this.#interests === "all" || this.#names.has(record.toHex());
    return isOfInterest && this.#admission.admits(record);
  }

  #follow(): void {
    this.#round++;
    this.#retryAt = Number.POSITIVE_INFINITY;
    this.#cursor = this.#complete;
    this.#phase = "first";
    [this.#page, this.#waiting] = [null, []];
    this.#isHeldBack = this.#isProgress = this.#isAll = this.#areBodiesAsked = false;
    this.#owner.send({ type: "follow", round: this.#round, cursor: this.#cursor, records: this.#interests });
  }

  #goOn(now: number, time: number): void {
    while (this.#asked.length < MAX_WANTS && this.#waiting.length > 0) {
      const fetch = this.#fetchOf(this.#waiting.shift()!);
      if (fetch) this.#ask(fetch);
    }
    if (this.#page && this.#asked.length === 0) this.#finishPage(now, time, this.#page);
  }

  /** The peer has one that we may lack. Full: it is asked when it is connected anew. */
  #askBodies(record: Uint8Array): void {
    const head = this.#store.headOf(record);
    if (!head || this.#asked.length >= MAX_WANTS) return;
    // Strangers can fill the list of those that lack one.
    const fetch = this.#fetchOf(head, this.#store.missingBodies(record, 1).length > 0);
    if (fetch) this.#ask(fetch);
  }

  #finishPage(now: number, time: number, { upTo, isAll }: Heads): void {
    if (isAll && !this.#areBodiesAsked) {
      this.#areBodiesAsked = true;
      for (const [, record] of this.#admission.bodiless) {
        const head = this.#store.headOf(record);
        if (head) this.#waiting.push(head);
      }
      if (this.#waiting.length > 0) return this.#goOn(now, time);
    }
    this.#page = null;
    this.#cursor = upTo;
    this.#isAll = isAll;
    if (!this.#isHeldBack) this.#complete = upTo;
    if (this.#complete !== this.#kept) this.#keepAt = Math.min(this.#keepAt, now + KEEP_MS);
    // A cloud was attached, or has authorised a dnet.
    const around = interestsAround(this.#store, this.#centre);
    const name = isAll ? cursorName(this.#peer, this.#peerStore!, around) : this.#name;
    if (!sameBytes(name, this.#name)) return this.follow(time, null, this.#centre);
    if (isAll && this.#isHeldBack && this.#retryAt === Number.POSITIVE_INFINITY) {
      // What one record lacked may have come with another.
      if (this.#isProgress) return this.#follow();
      this.#retryAt = now + RETRY_MS;
    }
    this.#phase = "next";
    this.#owner.send({ type: "next", cursor: upTo });
  }

  /** Null when there is nothing to ask. */
  #fetchOf(head: Head, isBodiless = this.#admission.bodiless.has(head.record.toHex())): RecordFetch | null {
    if (!this.#isFollowed(head.record)) return null;
    return beginFetch(this.#store, head, { round: this.#round, cursor: this.#complete, isBodiless });
  }

  #ask(fetch: RecordFetch): void {
    const want = fetch.want();
    if (!want) return this.#finish(fetch);
    this.#asked.push(fetch);
    this.#owner.send(want);
  }

  #finish({ head: { record, head }, isFull, isEarly }: RecordFetch): void {
    if (this.#store.missingBodies(record, 1).length === 0) this.#admission.bodiless.delete(record.toHex());
    if (isFull) return;
    const isMissing = this.#store.transaction(head) === null;
    if (isMissing && !isEarly) this.#owner.blame("withheld", 1);
    if (isMissing || isEarly) this.#isHeldBack = true;
  }
}

function namesOf(interests: Interests): ReadonlySet<string> {
  return new Set(interests === "all" ? [] : interests.map((record) => record.toHex()));
}

/**
 * 16 bytes, by which a cursor is kept. What was read of all records says nothing of how far some were read, nor the reverse; and
 * a store's id is no secret: whoever takes another's for its own says nothing of how far we have read the other.
 */
export function cursorName(peer: string, store: Uint8Array, interests: Interests): Uint8Array {
  const [form, records] = interests === "all" ? [0, []] : [1, interests];
  return sha256(store, Uint8Array.of(form), ...records, new TextEncoder().encode(peer)).slice(0, CURSOR_NAME_BYTES);
}
