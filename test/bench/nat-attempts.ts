/** One client's attempts at one server in the laboratory, of either kind: how often a word was answered, and how soon. */
import type { Address } from "../../src/base/address.ts";
import type { Kind } from "../support/hyperdht-both.ts";
import type { Hex, HyperdhtNode } from "../support/hyperdht-process.ts";
import { HyperdhtStream } from "../support/hyperdht-stream.ts";
import type { RunningLab } from "../support/lab.ts";
import { joinDht } from "../support/lab-dht.ts";
import type { SeededRandom } from "../support/random.ts";
import { median } from "./metrics.ts";
import { figure } from "./tables.ts";

export const TITLES: { readonly [kind in Kind]: string } = { ours: "dnet", theirs: "hyperdht" };

/** Longer than any attempt of either kind. */
const GIVE_UP_MS = 60_000;

/** The laboratory that all parts share, and the DHT in it. */
export interface Ground {
  readonly lab: RunningLab;
  readonly bootstrap: readonly Address[];
  readonly random: SeededRandom;
}

/** The names of the hosts. */
export interface Pair {
  readonly client: string;
  readonly server: string;
  readonly relay?: string;
}

export interface Result {
  /** Milliseconds until a word was said and answered, of those that were. */
  readonly opened: readonly number[];
  /** How many of those went by the relay. */
  readonly relayed: number;
  readonly tries: number;
  readonly failures: readonly string[];
  /** How many second connections opened, each right after a first one; null where every try comes right after another. */
  readonly again: number | null;
}

/** Several attempts, one after the other, by the same client and server. */
export async function tryPair(ground: Ground, kind: Kind, hosts: Pair, tries: number): Promise<Result> {
  await using meeting = await meet(ground, kind, hosts);
  const attempts: Attempt[] = [];
  while (attempts.length < tries) attempts.push(await meeting.attempt());
  return resultOf(attempts, null);
}

/** Each by a new client and server: where hyperdht rests for 20 s after an attempt. Beside it, how a second one fares. */
export async function tryPairAfresh(ground: Ground, kind: Kind, hosts: Pair, tries: number): Promise<Result> {
  const attempts: Attempt[] = [];
  let again = 0;
  while (attempts.length < tries) {
    await using meeting = await meet(ground, kind, hosts);
    attempts.push(await meeting.attempt());
    if ((await meeting.attempt()).tookMs !== null) again++;
  }
  return resultOf(attempts, again);
}

interface Attempt {
  /** Null when it failed, by that code. */
  readonly tookMs: number | null;
  readonly isRelayed: boolean;
  readonly failure: string;
}

function resultOf(attempts: readonly Attempt[], again: number | null): Result {
  return {
    opened: attempts.flatMap(({ tookMs }) => tookMs ?? []),
    relayed: attempts.filter(({ isRelayed }) => isRelayed).length,
    tries: attempts.length,
    failures: attempts.filter(({ tookMs }) => tookMs === null).map(({ failure }) => failure),
    again,
  };
}

/** A server that listens, a client, and a relay, where there is one, that the client names. */
async function meet({ lab, bootstrap, random }: Ground, kind: Kind, hosts: Pair) {
  await using stack = new AsyncDisposableStack();
  const join = async (host: string, options = {}) =>
    stack.use(await joinDht(lab, host, kind, { bootstrap, ...options }));
  const { relay } = hosts;
  const [client, server, relaying] = await Promise.all([
    join(hosts.client),
    join(hosts.server),
    relay === undefined ? null : join(relay, { firewalled: false }),
  ]);
  const through = await relaying?.node.relay("relay", seed(random));
  const { publicKey } = await server.node.listen("server", seed(random), { echo: true });
  const options = through ? { relayThrough: through.publicKey } : {};
  let count = 0;
  const whole = stack.move();
  return {
    /** One connection, with a key of its own. */
    async attempt(): Promise<Attempt> {
      const stream = new HyperdhtStream(client.process, `stream${++count}`);
      const startedAt = performance.now();
      try {
        await within(GIVE_UP_MS, sayWord(client.node, stream.name, publicKey, { seed: seed(random), options }));
        const tookMs = performance.now() - startedAt;
        const { host } = await stream.remote();
        await stream.destroy();
        return { tookMs, isRelayed: relay !== undefined && host === lab.address(relay), failure: "" };
      } catch (error) {
        return { tookMs: null, isRelayed: false, failure: (error as { code?: string }).code ?? "TOO_LATE" };
      }
    },
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

/** Connects, says one byte, and has it back. Throws HyperdhtError. */
export async function sayWord(
  client: HyperdhtNode,
  stream: string,
  publicKey: Hex,
  more: { seed: Hex; options?: object },
) {
  await client.connect(stream, publicKey, { seed: more.seed, options: { ...more.options } });
  await client.call("echo", { stream, data: "aa" });
}

export function seed(random: SeededRandom): Hex {
  return random.bytes(32).toHex();
}

/** How many opened, the median and the worst, for a table. */
export function columns({ opened, tries }: Result): string[] {
  const worst = opened.length > 0 ? Math.max(...opened) : null;
  return [`${opened.length}/${tries}`, figure(median(opened)), figure(worst)];
}

/** One line, for whoever waits. */
export function progress({ opened, relayed, tries, failures, again }: Result): string {
  const times = opened.map((ms) => ms.toFixed(0)).join(" ");
  const words = [`${opened.length}/${tries} opened${times ? `, in ms: ${times}` : ""}`];
  if (relayed > 0) words.push(`${relayed} by the relay`);
  if (again !== null) words.push(`again ${again}/${tries}`);
  return [...words, ...failures].join("; ");
}

function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject({ code: "TOO_LATE" }), ms).unref());
  return Promise.race([promise, late]);
}
