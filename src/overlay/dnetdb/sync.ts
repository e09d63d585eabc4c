/**
 * One replica's talk with another: each tells the other what changed since it last asked, fetches what it lacks, and passes on
 * at once what is new. Both ends are the same. A frame is given out only when there is room for it, and made then, so a peer
 * that reads slowly costs no memory.
 *
 *   a: hello, follow ──►     ◄── hello, follow
 *              ◄── heads     of records that changed since the cursor
 *   want steps ──►           ◄── items            as often as needed; then what is beside the chain, then bodies
 *         next ──►           ◄── heads            as soon as something else has changed
 *                            ◄── items, unasked   what was accepted just now
 */

import { sameBytes } from "../../base/bytes.ts";
import type { Machine } from "../../base/machine.ts";
import type { Admission } from "./admission.ts";
import { MAX_REFUSED } from "./intake.ts";
import type { Store } from "./store.ts";
import { Fetching } from "./sync-fetch.ts";
import { decodeSyncMessage, encodeSyncMessage, type Interests, type SyncMessage } from "./sync-messages.ts";
import { type News, Serving } from "./sync-serve.ts";

/** Why a peer is dropped; the words are stable, and said to the peer, too. */
export const DROP_REASONS = {
  MALFORMED: "it sent what is no message, or one of another version",
  SAME_STORE: "it is this very store, or a copy of it",
  OUT_OF_TURN: "it answered what was not asked, or asked before it had the last answer",
  TOO_MANY_WANTS: "it wants more at once than it may",
  REFUSED: "too much of what it sent breaks the rules",
  WITHHELD: "it told of steps and did not show them, too often",
  SILENT: "it does not answer",
} as const;
export type DropReason = keyof typeof DROP_REASONS;

export type SyncOutput =
  /** `take` has a frame; said once until it had none. */
  | { readonly type: "ready" }
  /** Came from this peer, was not here, and is committed. */
  | { readonly type: "news"; readonly news: News }
  /** Each has all that the other has told of. */
  | { readonly type: "settled" }
  /** Nothing more is taken from it; `take` may still have a last word for it. Null: it has said goodbye, `word` says why. */
  | { readonly type: "dropped"; readonly reason: DropReason | null; readonly word: string };

/**
 * Without a byte of it, while it owes an answer. A frame of the longest body takes four minutes at 5 KB/s, and says nothing
 * before its end.
 */
const SILENT_MS = 5 * 60_000;
/**
 * How much of one peer may break the rules, or be withheld; an honest one's never does, but a version or a race may differ. One
 * is forgiven a minute.
 */
const MAX_BLAMES = MAX_REFUSED;
const FORGIVEN_MS = 60_000;

export interface SyncOptions {
  readonly store: Store;
  readonly admission: Admission;
  /** Who it is, for the bounds and for how far it was read. */
  readonly peer: string;
  readonly interests: Interests;
  /** Which records this peer may read. */
  readonly serves?: (record: Uint8Array) => boolean;
}

export class Sync implements Machine<SyncOutput> {
  readonly #store: Store;
  readonly #serving: Serving;
  readonly #fetching: Fetching;
  #interests: Interests;
  /** Small, and bounded by what is asked at once: everything else is made when it is taken. */
  readonly #outbox: SyncMessage[] = [];
  #outputs: SyncOutput[] = [];
  #isReady = false;
  #isSettled = false;
  #isGreeted = false;
  #isDropped = false;
  /** Since when it owes us an answer and was not heard; null when it owes none. */
  #quietSince: number | null = null;
  readonly #blames = { refused: 0, withheld: 0 };
  #blamedAt = 0;
  #now = 0;
  /** From `now` to ms since 1970, as it was told last. */
  #epoch = 0;

  constructor(now: number, { store, admission, peer, interests, serves = () => true }: SyncOptions) {
    this.#now = now;
    this.#store = store;
    this.#interests = interests;
    this.#serving = new Serving(store, serves, () => this.#fetching.isFetching);
    this.#fetching = new Fetching(store, admission, peer, {
      send: (message) => this.#outbox.push(message),
      heard: (news) => this.#outputs.push(...news.map((each) => ({ type: "news" as const, news: each }))),
      blame: (what, count) => this.#blame(what, count),
    });
    this.#outbox.push({ type: "hello", store: store.id });
    this.#look(now);
  }

  /** One frame, handed over: what is kept of it are views. `time`: ms since 1970. */
  receive(now: number, time: number, frame: Uint8Array): void {
    if (this.#isDropped) return;
    this.#epoch = time - now;
    this.heard(now);
    const message = decodeSyncMessage(frame);
    if (message) this.#hear(now, time, message);
    else this.#drop("MALFORMED");
    this.#look(now);
  }

  /** Some of its bytes came or went, if not yet a whole frame: it is slow, and not silent. */
  heard(now: number): void {
    this.#now = now;
    if (this.#quietSince !== null) this.#quietSince = now;
  }

  /** The next frame, now that there is room for one; null when there is none. */
  take(now: number): Uint8Array | null {
    const message = this.#outbox.shift() ?? (this.#isDropped ? null : this.#serving.take());
    if (!message) this.#isReady = false;
    this.#look(now);
    return message && encodeSyncMessage(message);
  }

  /** The store has changed; `news`: by what, when that is to be passed on to this peer. */
  changed(now: number, news: News | null): void {
    if (news) this.#serving.pass(news);
    this.#look(now);
  }

  /** Other records are of interest. */
  follow(now: number, interests: Interests): void {
    this.#interests = interests;
    if (this.#isGreeted) this.#fetching.follow(now + this.#epoch, null, interests);
    this.#look(now);
  }

  /** It is over: keeps how far we have read. `time`: ms since 1970. */
  close(time: number): void {
    this.#isDropped = true;
    this.#fetching.keep(time);
  }

  advance(now: number): void {
    if (this.#isDropped) return;
    this.#fetching.advance(now, now + this.#epoch);
    if (this.#quietSince !== null && now >= this.#quietSince + SILENT_MS) this.#drop("SILENT");
    this.#look(now);
  }

  deadline(): number {
    if (this.#isDropped) return Number.POSITIVE_INFINITY;
    return Math.min((this.#quietSince ?? Number.POSITIVE_INFINITY) + SILENT_MS, this.#fetching.deadline());
  }

  drain(): SyncOutput[] {
    return this.#outputs.splice(0);
  }

  #hear(now: number, time: number, message: SyncMessage): void {
    if (message.type === "goodbye") return this.#end(null, message.reason);
    if (message.type === "hello" ? this.#isGreeted : !this.#isGreeted) return this.#drop("OUT_OF_TURN");
    switch (message.type) {
      case "hello":
        if (sameBytes(message.store, this.#store.id)) return this.#drop("SAME_STORE");
        this.#isGreeted = true;
        return this.#fetching.follow(time, message.store.slice(), this.#interests);
      case "follow":
        return this.#serving.follow(message.round, message.cursor, message.records);
      case "next":
        return this.#serving.next(message.cursor) ? undefined : this.#drop("OUT_OF_TURN");
      case "heads":
        for (const head of message.heads) this.#serving.note(head);
        return this.#fetching.page(now, time, message) ? undefined : this.#drop("OUT_OF_TURN");
      case "want":
        return this.#serving.want(message) ? undefined : this.#drop("TOO_MANY_WANTS");
      case "items":
        return this.#fetching.items(now, time, message) ? undefined : this.#drop("OUT_OF_TURN");
    }
  }

  #blame(what: "refused" | "withheld", count: number): void {
    const forgiven = Math.floor((this.#now - this.#blamedAt) / FORGIVEN_MS);
    this.#blames[what] = Math.max(0, this.#blames[what] - forgiven) + count;
    this.#blamedAt = this.#now;
    if (this.#blames[what] > MAX_BLAMES) this.#drop(what === "refused" ? "REFUSED" : "WITHHELD");
  }

  #drop(reason: DropReason): void {
    if (this.#isDropped) return;
    this.#outbox.splice(0);
    this.#outbox.push({ type: "goodbye", reason });
    this.#end(reason, reason);
  }

  #end(reason: DropReason | null, word: string): void {
    this.#isDropped = true;
    this.#outputs.push({ type: "dropped", reason, word });
  }

  /** What follows from an input. */
  #look(now: number): void {
    this.#now = now;
    const isOwed = !this.#isDropped && (!this.#isGreeted || this.#fetching.isOwed);
    this.#quietSince = isOwed ? (this.#quietSince ?? now) : null;
    const hasMessage = this.#outbox.length > 0 || (!this.#isDropped && this.#serving.hasMessage);
    if (hasMessage && !this.#isReady) {
      this.#isReady = true;
      this.#outputs.push({ type: "ready" });
    }
    const isSettled = !this.#isDropped && this.#fetching.hasAll && this.#serving.hasToldAll && !hasMessage;
    if (isSettled && !this.#isSettled) this.#outputs.push({ type: "settled" });
    this.#isSettled = isSettled;
  }
}
