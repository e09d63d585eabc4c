/** What users have asked the network: each walk and each single request, from its asking to its one end. */
import type { Operation } from "../../dht/operations.ts";
import type { Query, QueryOptions } from "../../dht/query.ts";
import type { Outgoing, Reply } from "../../dht/requests.ts";
import type { DhtEvent, DhtHost } from "../dht-host.ts";
import { checkNode, checkQuerySettings } from "./arguments.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { failureError, QueryStream } from "./query-stream.ts";
import type { QuerySettings } from "./settings.ts";

/** What the node tells of them. */
export type PendingEvent = Extract<DhtEvent, { type: "reply" | "finished" | "answered" | "failed" }>;

interface Asked extends PromiseWithResolvers<Reply> {
  readonly what: string;
}

export class Pending {
  readonly #streams = new Map<Query, QueryStream<unknown>>();
  readonly #requests = new Map<number, Asked>();
  readonly #life: Lifecycle;

  constructor(life: Lifecycle) {
    this.#life = life;
    life.ending.add(() => this.#endAll());
  }

  /** Asks one node one thing. `what`: how errors call it. Throws DnetError. */
  async ask(outgoing: Outgoing, what: string): Promise<Reply> {
    checkNode(outgoing.to, what);
    const asked = { what, ...Promise.withResolvers<Reply>() };
    return this.#life.use((host) => {
      host.input((now) => this.#requests.set(host.node.request(now, outgoing), asked));
      return asked.promise;
    });
  }

  /** Throws DnetError for settings that a walk does not have; of the rest the stream tells. */
  walk<Item>({ query, item }: Operation<Item>, settings: QuerySettings, what: string): QueryStream<Item> {
    const options = { ...query, ...checkQuerySettings(settings, what) };
    const stream: QueryStream<Item> = new QueryStream(item, what, () => this.#cancel(stream));
    this.#life.useNetwork((host) => this.#begin(host, options, stream)).catch((error) => stream.end(error));
    return stream;
  }

  receive(event: PendingEvent): void {
    switch (event.type) {
      case "reply":
        return this.#streams.get(event.query)?.reply(event.reply);
      case "finished": {
        const stream = this.#streams.get(event.query);
        this.#streams.delete(event.query);
        return event.failure ? stream?.fail(event.failure) : stream?.end(null);
      }
      default: {
        const asked = this.#requests.get(event.request);
        this.#requests.delete(event.request);
        if (event.type === "answered") asked?.resolve(event.reply);
        else asked?.reject(failureError(event.why, asked.what));
      }
    }
  }

  #begin(host: DhtHost, options: QueryOptions, stream: QueryStream<unknown>): void {
    if (stream.isDone) return;
    host.input((now) => {
      const query = host.node.query(now, options);
      if (!query) return stream.fail("overloaded");
      stream.query = query;
      this.#streams.set(query, stream);
    });
  }

  #cancel({ query }: QueryStream<unknown>): void {
    if (!query) return;
    this.#streams.delete(query);
    this.#life.input((now, node) => node.cancel(now, query));
  }

  #endAll(): void {
    for (const stream of this.#streams.values()) stream.fail("cancelled");
    for (const { reject, what } of this.#requests.values()) reject(failureError("cancelled", what));
  }
}
