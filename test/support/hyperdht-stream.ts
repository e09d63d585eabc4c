/** One stream of a process that is told what to do (`told-streams.mjs`), of either kind. */
import type { Address } from "../../src/base/address.ts";
import type { TraceEntry } from "../../src/dht/trace.ts";
import type { Hex, HyperdhtProcess } from "./hyperdht-process.ts";
import { until } from "./until.ts";

/** What was written, or has come: the SHA-256 of all of it. */
export interface Passed {
  readonly bytes: number;
  readonly hash: Hex;
}

/** Where its packets go now. What is more than the address, only ours knows. */
export interface Remote extends Address {
  readonly path?: "direct" | "relayed";
  readonly trace?: readonly TraceEntry[];
}

export class HyperdhtStream {
  constructor(
    readonly process: HyperdhtProcess,
    readonly name: string,
  ) {}

  /** What that server accepted, in the order of their coming: the `number`th. */
  static async accepted(process: HyperdhtProcess, server: string, number = 1): Promise<HyperdhtStream> {
    const name = `${server}/${number}`;
    const isHere = () => process.events.some(({ event, stream }) => event === "connection" && stream === name);
    await until(`${name} is here`, isHere);
    return new HyperdhtStream(process, name);
  }

  /** Writes as fast as the stream takes it, or one piece each `everyMs`. Resolves when all is written, not when it has arrived. */
  pour(what: { readonly bytes: number; readonly pieceBytes?: number; readonly everyMs?: number; readonly seed?: Hex }) {
    return this.#call<Passed>("pour", what);
  }

  /** Resolves when so many bytes have come since it began, with the longest silence between two messages. One call at a time. */
  take(bytes: number): Promise<Passed & { readonly longestMs: number }> {
    return this.#call("take", { bytes });
  }

  remote(): Promise<Remote> {
    return this.#call("remote");
  }

  end(): Promise<null> {
    return this.#call("endStream");
  }

  destroy(): Promise<null> {
    return this.#call("destroyStream");
  }

  get isClosed(): boolean {
    return this.process.events.some(({ event, stream }) => event === "stream-close" && stream === this.name);
  }

  /** The code that it failed with; null where it did not. */
  get failure(): string | null {
    const failed = this.process.events.find(({ event, stream }) => event === "stream-error" && stream === this.name);
    return (failed?.["code"] as string | undefined) ?? null;
  }

  #call<Result = null>(command: string, args: object = {}): Promise<Result> {
    return this.process.call(command, { stream: this.name, ...args });
  }
}
