/** A store and all whom it is shared with: what one peer brings, or this machine signs, goes on to the others at once. */
import type { Machine } from "../../base/machine.ts";
import { Admission, type Limits } from "./admission.ts";
import { Intake, type Taken } from "./intake.ts";
import { recordOf } from "./rules.ts";
import type { Store, Verdict } from "./store.ts";
import { type DropReason, Sync, type SyncOutput } from "./sync.ts";
import type { Interests, Item } from "./sync-messages.ts";
import type { News } from "./sync-serve.ts";
import { decodeTransaction } from "./transaction.ts";

export interface ReplicaOptions {
  readonly limits?: Partial<Limits>;
  /** Which records are kept; all of them, unless it is said. */
  readonly admits?: (record: Uint8Array) => boolean;
}

export interface PeerOptions {
  /** Who it is, for the bounds and for how far it was read: its key, or whatever else it has shown. */
  readonly peer: string;
  /** Which of its records are asked for; with a dnet's those of the clouds and relays that it has or had, with one of these those of its dnets. */
  readonly interests: Interests;
  /** Which of ours it may read; all of them, unless it is said. */
  readonly serves?: (record: Uint8Array) => boolean;
}

export type ReplicaOutput =
  /** `take` has frames for it. */
  | { readonly type: "ready"; readonly peer: Sync }
  | { readonly type: "settled"; readonly peer: Sync }
  | { readonly type: "dropped"; readonly peer: Sync; readonly reason: DropReason | null; readonly word: string }
  /** Was not here, and is committed; `from` is null for what no peer has brought. */
  | { readonly type: "news"; readonly news: News; readonly from: Sync | null };

/** Full: a newcomer is refused, and those who are here stay. */
export const MAX_REPLICA_PEERS = 1_024;

export class Replica implements Machine<ReplicaOutput> {
  readonly #store: Store;
  readonly #admission: Admission;
  readonly #peers = new Set<Sync>();
  #outputs: ReplicaOutput[] = [];

  constructor(store: Store, { limits, admits }: ReplicaOptions = {}) {
    this.#store = store;
    this.#admission = new Admission(store, limits, admits);
  }

  /** A peer is there; null when there are too many. */
  connect(now: number, options: PeerOptions): Sync | null {
    if (this.#peers.size >= MAX_REPLICA_PEERS) return null;
    const peer = new Sync(now, { ...options, store: this.#store, admission: this.#admission });
    this.#peers.add(peer);
    this.#gather(now, peer);
    return peer;
  }

  /** `time`: ms since 1970. */
  receive(now: number, time: number, peer: Sync, frame: Uint8Array): void {
    peer.receive(now, time, frame);
    this.#gather(now, peer);
  }

  /** What was found elsewhere, as in the DHT, is held against the same rules; `from` names the place, for the bounds. */
  bring(now: number, time: number, from: string, record: Uint8Array, items: readonly Item[]): Taken {
    const taken = new Intake(this.#store, this.#admission, from).take(time, record, items);
    for (const news of taken.news) this.#pass(now, news, null);
    return taken;
  }

  /** There is room for a frame to that peer; null when there is none. */
  take(now: number, peer: Sync): Uint8Array | null {
    const frame = peer.take(now);
    this.#gather(now, peer);
    return frame;
  }

  /** Some bytes of it came, or went. */
  heard(now: number, peer: Sync): void {
    peer.heard(now);
  }

  /** Asks that peer for other records. */
  follow(now: number, peer: Sync, interests: Interests): void {
    peer.follow(now, interests);
    this.#gather(now, peer);
  }

  /** It is gone, or shall be. `time`: ms since 1970. */
  disconnect(time: number, peer: Sync): void {
    if (this.#peers.delete(peer)) peer.close(time);
  }

  /** What this machine says: kept, and told to everyone. `time`: ms since 1970. */
  submit(now: number, time: number, bytes: Uint8Array, body: Uint8Array | null): Verdict {
    const verdict = this.#store.accept(time, bytes, body);
    const isNews = verdict.status !== "known" && verdict.status !== "refused";
    const transaction = isNews ? decodeTransaction(bytes) : null;
    if (transaction && !("version" in transaction)) {
      const record = recordOf(transaction.outputs[0]!.script);
      // A mint alone is nobody's business: it goes with what it begins.
      if (record) this.#pass(now, { record, transaction: transaction.id }, null);
      else this.changed(now);
    }
    return verdict;
  }

  /** The store was changed by other means: a block was sealed, or another process has written to it. */
  changed(now: number): void {
    for (const peer of this.#peers) {
      peer.changed(now, null);
      this.#gather(now, peer);
    }
  }

  advance(now: number): void {
    for (const peer of this.#peers) {
      if (peer.deadline() > now) continue;
      peer.advance(now);
      this.#gather(now, peer);
    }
  }

  deadline(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const peer of this.#peers) first = Math.min(first, peer.deadline());
    return first;
  }

  drain(): ReplicaOutput[] {
    return this.#outputs.splice(0);
  }

  #gather(now: number, peer: Sync): void {
    for (const output of peer.drain()) this.#hear(now, peer, output);
  }

  #hear(now: number, peer: Sync, output: SyncOutput): void {
    if (output.type === "news") this.#pass(now, output.news, peer);
    else this.#outputs.push({ ...output, peer });
  }

  #pass(now: number, news: News, from: Sync | null): void {
    this.#outputs.push({ type: "news", news, from });
    for (const peer of this.#peers) {
      peer.changed(now, peer === from ? null : news);
      if (peer !== from) this.#gather(now, peer);
    }
    if (from) this.#gather(now, from);
  }
}
