/** What one record takes to be fetched from a peer: the steps that we lack, then what is beside them, then bodies. */
import { sameBytes } from "../../base/bytes.ts";
import type { Store } from "./store.ts";
import { type Head, type Items, MAX_WANTED_BODIES, type Place, type Want } from "./sync-messages.ts";
import { decodeTransaction } from "./transaction.ts";

/** `near`: what follows our head; `far`: what follows any of our steps; `whole`: from the mint on. */
type Stage = "near" | "far" | "whole" | "beside" | "bodies";

export interface FetchOptions {
  /** Of the question that the peer told of it in answer to. */
  readonly round: number;
  /** How far the peer's log was read with nothing missing. */
  readonly cursor: number;
  readonly isBodiless: boolean;
}

/** Null when we have all that the peer's head speaks of. */
export function beginFetch(store: Store, head: Head, { round, cursor, isBodiless }: FetchOptions): RecordFetch | null {
  const ours = store.headOf(head.record);
  const begin = (stage: Stage) => new RecordFetch(store, round, head, stage, ours ? cursor : 0);
  if (!ours) return begin("whole");
  if (!store.transaction(head.head)) return begin(head.height > ours.height ? "near" : "far");
  if (!sameBytes(ours.digest, head.digest)) return begin("beside");
  return isBodiless ? begin("bodies") : null;
}

export class RecordFetch {
  /** Something may pass later. */
  isEarly = false;
  /** Something cannot be kept here. */
  isFull = false;
  readonly round: number;
  readonly head: Head;
  readonly #store: Store;
  #stage: Stage;
  /** Where the last answer ended, of the steps; null before there was one. */
  #after: Place | null = null;
  /** And of what is beside them. */
  #cursor: number;
  readonly #from: number;
  #isAgain = false;
  #want: Want | null = null;

  constructor(store: Store, round: number, head: Head, stage: Stage, cursor: number) {
    this.#store = store;
    this.round = round;
    this.head = head;
    this.#stage = stage;
    this.#cursor = cursor;
    this.#from = cursor;
  }

  /** The next question; null when there is none. */
  want(): Want | null {
    this.#want = this.#next();
    return this.#want;
  }

  isAnswer({ part, record }: Items): boolean {
    return this.#want !== null && this.#want.part === part && sameBytes(this.#want.record, record);
  }

  /** What it has was taken in by now; `hasBodies`: some of it were bodies that were missing. Whether there is more to ask. */
  goOn(answer: Items, hasBodies: boolean): boolean {
    switch (this.#stage) {
      case "near":
      case "far":
      case "whole":
        return this.#goOnWithSteps(answer);
      case "beside":
        if (answer.end === "more" && answer.next > this.#cursor && answer.items.length > 0) this.#cursor = answer.next;
        else if (this.isFull && !this.#isAgain && !this.#isAlike) this.#goAgain();
        else this.#stage = "bodies";
        return true;
      case "bodies":
        // What it has not now is not asked for again: another peer may have it, and this one will say when it has.
        return hasBodies;
    }
  }

  #next(): Want | null {
    const { record } = this.head;
    switch (this.#stage) {
      case "near":
      case "far":
      case "whole":
        return { type: "want", record, part: "steps", after: this.#after ? [this.#after] : this.#ourPlaces() };
      case "beside":
        return { type: "want", record, part: "beside", cursor: this.#cursor };
      case "bodies": {
        const hashes = this.#store.missingBodies(record, MAX_WANTED_BODIES);
        return hashes.length > 0 ? { type: "want", record, part: "bodies", hashes } : null;
      }
    }
  }

  /** Highest first: our head, or also the steps 1, 3, 7 ... below it, and the creation. */
  #ourPlaces(): Place[] {
    const { record } = this.head;
    const ours = this.#store.headOf(record);
    if (!ours || this.#stage === "whole") return [];
    const places: Place[] = [{ height: ours.height, id: ours.head }];
    if (this.#stage === "near") return places;
    for (let gap = 1, last = ours.height; last > 0; gap *= 2) {
      last = Math.max(0, last - gap);
      const [step] = this.#store.stepsOf(record, last, 1);
      if (step) places.push({ height: last, id: step.id });
    }
    return places;
  }

  get #isAlike(): boolean {
    const ours = this.#store.headOf(this.head.record);
    return ours !== null && sameBytes(ours.digest, this.head.digest);
  }

  /**
   * What a cloud speaks for may have gone for want of room before we heard of that: now it waits, and comes in. What would have broken a rule
   * may be beside the chain now.
   */
  #goAgain(): void {
    [this.#isAgain, this.#stage, this.#after, this.#cursor] = [true, "far", null, this.#from];
  }

  #goOnWithSteps({ end, next, items }: Items): boolean {
    if (end === "unconnected" && this.#stage !== "whole") {
      [this.#stage, this.#after] = [this.#stage === "near" ? "far" : "whole", null];
      return true;
    }
    const last = items.at(-1);
    const id = last?.kind === "transaction" ? decodeTransaction(last.bytes)?.id : null;
    const isFarther = next > (this.#after?.height ?? -1);
    if (end === "more" && isFarther && id && this.#store.isHere(id)) {
      this.#after = { height: next, id };
      return true;
    }
    if (!this.#store.headOf(this.head.record)) return false;
    this.#stage = this.#isAlike ? "bodies" : "beside";
    return true;
  }
}
