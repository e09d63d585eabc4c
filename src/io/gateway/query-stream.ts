/** The items of a walk as they come: iterate, or wait for the end. */
import type { Address } from "../../base/address.ts";
import { DnetError } from "../../base/error.ts";
import type { Query, QueryFailure } from "../../dht/query.ts";
import type { Reply } from "../../dht/requests.ts";

export class QueryStream<Item> implements AsyncIterable<Item> {
  readonly #item: (reply: Reply) => Item | null;
  readonly #cancel: () => void;
  readonly #items: Item[] = []; // as many as nodes that one walk may ask, at most
  readonly #end = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();
  readonly #what: string;
  isDone = false;
  /** The walk; null until it has begun. */
  query: Query | null = null;

  /** `item`: what a reply gives; null for nothing. `what`: how errors call the walk. */
  constructor(item: (reply: Reply) => Item | null, what: string, cancel: () => void) {
    this.#item = item;
    this.#what = what;
    this.#cancel = cancel;
    this.#end.promise.catch(() => {}); // whoever iterates is told there
  }

  /** The nearest nodes that answered, nearest first. */
  get closestNodes(): Address[] {
    return this.closestReplies.map(({ from: { host, port } }) => ({ host, port }));
  }

  get closestReplies(): readonly Reply[] {
    return this.query?.closestReplies ?? [];
  }

  /** Resolves at the end of the walk, whether its items were read or not. Throws DnetError when it failed. */
  finished(): Promise<void> {
    return this.#end.promise;
  }

  /** Ends the walk where it is. */
  destroy(): void {
    if (this.isDone) return;
    this.#cancel();
    this.end(null);
  }

  /** Yields each item once. Throws DnetError when the walk failed. Leaving the loop ends the walk. */
  async *[Symbol.asyncIterator](): AsyncIterator<Item> {
    try {
      for (;;) {
        const item = this.#items.shift();
        if (item !== undefined) yield item;
        else if (this.isDone) return await this.#end.promise;
        else await this.#wake.promise;
      }
    } finally {
      this.destroy();
    }
  }

  reply(reply: Reply): void {
    const item = this.#item(reply);
    if (item === null) return;
    this.#items.push(item);
    this.#rouse();
  }

  fail(failure: QueryFailure | "cancelled"): void {
    this.end(failureError(failure, this.#what));
  }

  end(error: Error | null): void {
    this.isDone = true;
    if (error) this.#end.reject(error);
    else this.#end.resolve();
    this.#rouse();
  }

  #rouse(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** What a failed walk or request is called. Codes are HyperDHT's where it has one (§20). */
export function failureError(failure: QueryFailure | "cancelled", of: string): DnetError {
  switch (failure) {
    case "too-few-nodes":
      return new DnetError("TOO_FEW_NODES", `no node answered ${of}`, {
        failure: "unreachable",
        hint: "check that a bootstrap node is up and that UDP gets through",
      });
    case "timeout":
      return new DnetError("REQUEST_TIMEOUT", `${of} was not answered in time`, { failure: "unreachable" });
    case "suspended":
      return new DnetError("IO_SUSPENDED", `${of} ended: this node is suspended`);
    case "cancelled":
      return new DnetError("REQUEST_DESTROYED", `${of} was given up`);
    case "overloaded":
      return new DnetError("TOO_MANY_REQUESTS", `${of} was not begun: too many are under way`, {
        hint: "again when some have ended",
      });
    case "refused":
      return new DnetError("REFUSED", `every node refused ${of}`, { hint: "again: a token may have expired" });
  }
}
