/**
 * `npm run bench nat`: who reaches whom behind which NAT, how often and how soon, ours beside the real hyperdht's in the same run. Both
 * kinds run in the same laboratory (`src/io/lab/`), over the same DHT nodes, one after the other in each cell.
 */
import { join } from "node:path";
import type { LabDescription } from "../../src/io/lab/description.ts";
import type { NatKindName } from "../../src/io/lab/nat-kinds.ts";
import { type HyperdhtNode, HyperdhtProcess } from "../support/hyperdht-process.ts";
import { type RunningLab, startLab } from "../support/lab.ts";
import { SeededRandom } from "../support/random.ts";
import { benchmark, NO_WORSE, type Option, say, some, whole } from "./benchmark.ts";
import { median } from "./metrics.ts";
import { figure, grid } from "./tables.ts";

const PLACES = ["open", "full-cone", "port-restricted", "linux", "sequential", "random"] as const;
type Place = (typeof PLACES)[number];

const PAIRS: Option<readonly (readonly [client: Place, server: Place])[]> = {
  type: "string",
  unset: "",
  read(text) {
    const pairs = text === "" ? [] : text.split(",").map((pair) => pair.split("/"));
    const arePlaces = pairs.every((pair) => pair.length === 2 && pair.every((word) => PLACES.includes(word as Place)));
    return arePlaces ? (pairs as [Place, Place][]) : null;
  },
  expected: `pairs such as open/linux, with commas between, of ${PLACES.join(", ")}`,
};

type Kind = "dnet" | "hyperdht";
const PROGRAMS: { readonly [kind in Kind]: readonly string[] } = {
  dnet: [process.execPath, join(import.meta.dir, "../support/hyperdht-gateway.ts")],
  hyperdht: ["node", join(import.meta.dir, "../support/hyperdht-node.mjs")],
};
const KINDS: readonly Kind[] = ["dnet", "hyperdht"];

/** Hosts that the DHT runs on, each with a node: enough addresses for a NAT to be told by. */
const DHT_HOSTS = Array.from({ length: 12 }, (_, i) => `dht${i + 1}`);
/** Longer than any attempt of either kind. */
const GIVE_UP_MS = 60_000;

export const nat = benchmark({
  name: "nat",
  summary: "who reaches whom behind which NAT, and how soon, beside the real hyperdht",
  usage: `[--tries 5] [--places ${PLACES.join(",")}] [--pairs A/B,...]
  --tries    connections in each cell, of either kind
  --places   where servers and clients stand; every pair of them is a cell
  --pairs    these cells alone: client/server`,
  options: { tries: whole(5), places: some(PLACES), pairs: PAIRS },
  needs: { root: "the laboratory makes network namespaces", node: "the real hyperdht runs under Node" },
  async measure({ tries, places, pairs: given }) {
    const pairs =
      given.length > 0 ? given : places.flatMap((client) => places.map((server) => [client, server] as const));
    await using lab = await startLab(describe([...new Set(pairs.flat())]));
    const bootstrap = await startDht(lab);
    const random = new SeededRandom(1);
    const cells: Cell[] = [];
    for (const [client, server] of pairs) {
      const results = new Map<Kind, Result>();
      for (const kind of KINDS) {
        results.set(kind, await tryCell(lab, kind, { client, server, bootstrap, tries, random }));
        say(`${client} to ${server}, ${kind}: ${text(results.get(kind)!)}`);
      }
      cells.push({ client, server, results });
    }
    report(cells);
  },
});

interface Result {
  /** Milliseconds until a word was said and answered, of those that were. */
  readonly opened: readonly number[];
  readonly tries: number;
  readonly failures: readonly string[];
}

interface Cell {
  readonly client: Place;
  readonly server: Place;
  readonly results: ReadonlyMap<Kind, Result>;
}

/** A client and a server host at each place, every one behind a NAT of its own. */
function describe(places: readonly Place[]): LabDescription {
  const nats: { [name: string]: { kind: NatKindName } } = {};
  const hosts: { [name: string]: { behind?: string } } = Object.fromEntries(DHT_HOSTS.map((name) => [name, {}]));
  for (const place of places) {
    for (const part of ["client", "server"] as const) {
      const name = hostOf(part, place);
      hosts[name] = place === "open" ? {} : { behind: natOf(part, place) };
      if (place !== "open") nats[natOf(part, place)] = { kind: place };
    }
  }
  return { nats, hosts };
}

const hostOf = (part: "client" | "server", place: Place) => `${part}-${place}`;
/** A name has at most 24 characters. */
const natOf = (part: "client" | "server", place: Place) => `${place}-${part[0]}`;

/** Persistent nodes of the real hyperdht on hosts with public addresses. */
async function startDht(lab: RunningLab): Promise<{ host: string; port: number }[]> {
  say(`starting ${DHT_HOSTS.length} nodes of the DHT`);
  const bootstrap: { host: string; port: number }[] = [];
  for (const name of DHT_HOSTS) {
    const { address: host, namespace } = lab.host(name);
    const process = await HyperdhtProcess.start({ netns: namespace.name });
    if (bootstrap.length === 0) {
      const first = await process.bootstrapper("first", { host, port: 49737 }, { host });
      bootstrap.push({ host, port: (await first.info()).serverPort! });
    }
    const node = await process.node("node", { bootstrap, host, ephemeral: false, firewalled: false });
    await node.ready();
  }
  return bootstrap;
}

async function tryCell(
  lab: RunningLab,
  kind: Kind,
  {
    client,
    server,
    bootstrap,
    tries,
    random,
  }: {
    readonly client: Place;
    readonly server: Place;
    readonly bootstrap: readonly { host: string; port: number }[];
    readonly tries: number;
    readonly random: SeededRandom;
  },
): Promise<Result> {
  const start = async (host: string) => {
    const process = await HyperdhtProcess.start({ netns: lab.host(host).namespace.name, program: PROGRAMS[kind] });
    const node = await process.node("node", { bootstrap, host: "0.0.0.0" });
    await node.ready();
    return { process, node };
  };
  const [there, here] = await Promise.all([start(hostOf("server", server)), start(hostOf("client", client))]);
  const opened: number[] = [];
  const failures: string[] = [];
  const { publicKey } = await there.node.listen("server", random.bytes(32).toHex(), { echo: true });
  for (let i = 0; i < tries; i++) {
    try {
      opened.push(await within(GIVE_UP_MS, attempt(here.node, `stream${i}`, publicKey, random)));
    } catch (error) {
      failures.push((error as { code?: string }).code ?? "TOO_LATE");
    }
  }
  await Promise.all([there.process.stop(), here.process.stop()]);
  return { opened, tries, failures };
}

/** One connection with a key of its own: until a word has come back. */
async function attempt(client: HyperdhtNode, stream: string, publicKey: string, random: SeededRandom): Promise<number> {
  const startedAt = performance.now();
  await client.connect(stream, publicKey, { seed: random.bytes(32).toHex() });
  await client.call("echo", { stream, data: "aa" });
  const took = performance.now() - startedAt;
  await client.call("destroyStream", { stream });
  return took;
}

function within<Value>(ms: number, promise: Promise<Value>): Promise<Value> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject({ code: "TOO_LATE" }), ms).unref());
  return Promise.race([promise, late]);
}

function report(cells: readonly Cell[]): void {
  const head = ["client to server", "dnet", "p50 ms", "worst", "hyperdht", "p50 ms", "worst", ""];
  const rows = cells.map(({ client, server, results }) => {
    const [ours, theirs] = [results.get("dnet")!, results.get("hyperdht")!];
    const columns = [ours, theirs].flatMap(({ opened, tries }) => [
      `${opened.length}/${tries}`,
      figure(median(opened)),
      figure(opened.length > 0 ? Math.max(...opened) : null),
    ]);
    return [`${client} to ${server}`, ...columns, verdict(ours, theirs)];
  });
  console.log(grid("connections that opened, and how soon a word was answered", [head, ...rows]));
}

/** No cell may be worse than the original's in success or, by more than a tenth, in the median. */
function verdict(ours: Result, theirs: Result): string {
  if (ours.opened.length < theirs.opened.length) return `NOT MET: fewer (${[...new Set(ours.failures)].join(", ")})`;
  const [a, b] = [median(ours.opened), median(theirs.opened)];
  if (a !== null && b !== null && a > NO_WORSE * b) return "NOT MET: later";
  return a === null ? `neither (${[...new Set(ours.failures)].join(", ")})` : "met";
}

function text({ opened, tries, failures }: Result): string {
  const times = opened.map((ms) => ms.toFixed(0)).join(" ");
  return `${opened.length}/${tries} opened${times ? `, in ms: ${times}` : ""}${failures.length > 0 ? `; ${failures.join(" ")}` : ""}`;
}
