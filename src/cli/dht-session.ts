/**
 * What a command asks the DHT, it asks through a node of its own, which stores nothing for others and ends with the command.
 * It takes any port, and does not look whether that is open: nobody needs to reach it.
 */
import { counted } from "../base/counted.ts";
import { DnetError } from "../base/error.ts";
import type { Gateway } from "../io/gateway/gateway.ts";
import type { QueryStream } from "../io/gateway/query-stream.ts";
import { chooseNetwork } from "./chosen-network.ts";
import type { Context } from "./command.ts";
import type { NetworkValues } from "./dht-options.ts";
import { LiveLine } from "./live-line.ts";
import { parseSpanOption } from "./option-values.ts";

/** What takes no longer needs no words on the way. */
const QUIET_MS = 1_000;
const REWRITE_EVERY_MS = 250;
/** Where words cannot be rewritten. */
const REPEAT_EVERY_MS = 10_000;

/**
 * Opens a node, finds the network, calls `use` and closes all, however it ends. Throws DnetError. `words` go before: they
 * tell the person what was understood.
 */
export async function inDht<Result>(
  { bootstrap: lists, timeout, via }: NetworkValues,
  context: Context,
  words: string,
  use: (session: DhtSession) => Promise<Result>,
): Promise<Result> {
  const timeoutMs = parseSpanOption("timeout", timeout);
  const { bootstrap, words: joining } = chooseNetwork(lists);
  context.terminal.stderr.write(words);
  if (lists.length === 0) context.terminal.stderr.write(`${joining}\n`);
  return withNode({ bootstrap, via }, timeoutMs, context, async (session) => {
    await session.join(bootstrap);
    return use(session);
  });
}

/** The same without a network: for what is asked of one node, whose address is known. */
export async function withNode<Result>(
  { bootstrap, via }: { readonly bootstrap: readonly string[]; readonly via: string | undefined },
  timeoutMs: number,
  { gateways, terminal }: Context,
  use: (session: DhtSession) => Promise<Result>,
): Promise<Result> {
  const options = {
    ...(via !== undefined && { via }),
    bootstrap,
    port: 0,
    ephemeral: true,
    quickFirewall: false,
    portMapping: false,
  };
  const gateway = await gateways.create(options);
  const session = new DhtSession(gateway, timeoutMs, new LiveLine(terminal));
  try {
    return await use(session);
  } finally {
    session.end();
    await gateway.destroy();
  }
}

export class DhtSession {
  /** What was found so far, for the words on the way: "3 with peers"; null where there is nothing to count. */
  found: () => string | null = () => null;
  readonly gateway: Gateway;
  readonly #timeoutMs: number;
  readonly #live: LiveLine;
  readonly #late = Promise.withResolvers<never>();
  readonly #deadline: ReturnType<typeof setTimeout>;
  #nextWords: ReturnType<typeof setTimeout>;
  readonly #streams = new Set<QueryStream<unknown>>();
  #answersBefore = 0;
  #isLate = false;

  constructor(gateway: Gateway, timeoutMs: number, live: LiveLine) {
    this.gateway = gateway;
    this.#timeoutMs = timeoutMs;
    this.#live = live;
    this.#late.promise.catch(() => {}); // whoever waits is told
    this.#deadline = setTimeout(() => this.#giveUp(), timeoutMs);
    this.#nextWords = setTimeout(() => this.#speak(), QUIET_MS);
  }

  /** Whether time was up before all was done. */
  get isLate(): boolean {
    return this.#isLate;
  }

  /** Nodes that have answered since the network was found. */
  get answers(): number {
    return this.#answersSoFar() - this.#answersBefore;
  }

  async join(bootstrap: readonly string[]): Promise<void> {
    await this.within(this.gateway.ready());
    this.#answersBefore = this.#answersSoFar();
    if (this.#answersBefore > 0) return;
    throw new DnetError("NO_ANSWER", `none of the bootstrap nodes answers: ${bootstrap.join(", ")}`, {
      failure: "unreachable",
      hint: "check that one of them runs, and that UDP gets through",
    });
  }

  /** Throws DnetError when it takes too long. */
  within<Value>(promise: Promise<Value>): Promise<Value> {
    promise.catch(() => {}); // once it is late, nobody waits for it any more
    return Promise.race([promise, this.#late.promise]);
  }

  /** Takes all that a walk gives until it ends, or time is up: then `isLate`, and what was taken is a part. */
  async takeAll<Item>(stream: QueryStream<Item>, take: (item: Item) => void): Promise<void> {
    this.#streams.add(stream);
    if (this.#isLate) stream.destroy();
    for await (const item of stream) take(item);
  }

  /** For whoever found nothing. */
  tooLate(): DnetError {
    return new DnetError("TIMED_OUT", `not done within ${this.#timeoutMs / 1_000} s: ${this.#wordsNow()}`, {
      failure: "unreachable",
      hint: "again, or a longer --timeout",
    });
  }

  /** Says on stderr that there may be more than was found, if that is so. */
  warnIfLate(): void {
    const words = `warning: time was up after ${this.#timeoutMs / 1_000} s; there may be more\n`;
    if (this.#isLate) this.#live.printWords(words);
  }

  printWords(text: string): void {
    this.#live.printWords(text);
  }

  end(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#nextWords);
    this.#live.clear();
  }

  #answersSoFar(): number {
    return this.gateway.stats?.answers ?? 0;
  }

  #giveUp(): void {
    this.#isLate = true;
    this.#late.reject(this.tooLate());
    for (const stream of this.#streams) stream.destroy();
  }

  #speak(): void {
    const words = this.#wordsNow();
    if (this.#live.isPossible) this.#live.show(words);
    else this.#live.printWords(`${words}\n`);
    this.#nextWords = setTimeout(() => this.#speak(), this.#live.isPossible ? REWRITE_EVERY_MS : REPEAT_EVERY_MS);
  }

  #wordsNow(): string {
    const pending = `waiting for ${counted(this.gateway.stats?.pending ?? 0, "node")}`;
    if (!this.gateway.bootstrapped) return `looking for the network; ${this.#answersSoFar()} answered, ${pending}`;
    const found = this.found();
    return `${counted(this.answers, "node")} answered${found ? ` (${found})` : ""}, ${pending}`;
  }
}
