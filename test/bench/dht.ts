/**
 * `npm run bench dht`: the DHT beside the real hyperdht, each figure next to the other's of the same run. Both kinds of nodes are
 * children told the same words, on the same machine, in turn; only ratios mean anything elsewhere.
 */
import { join } from "node:path";
import { populate } from "../sim/population.ts";
import { layDelayedCable } from "../support/delayed-cable.ts";
import { type HyperdhtNode, HyperdhtProcess, type QueryKind } from "../support/hyperdht-process.ts";
import { isRoot, Lab } from "../support/namespaces.ts";
import { SeededRandom } from "../support/random.ts";
import { benchmark, NO_WORSE, say, some, whole, wholes } from "./benchmark.ts";
import { LOAD_KINDS, type LoadKind, type LoadReport, offerDhtLoad } from "./dht-load.ts";
import { Lines } from "./lines.ts";
import { median, percentile } from "./metrics.ts";
import { type Claim, claimTable, figure, grid, spreadText } from "./tables.ts";

/** Targets of the issue that this benchmark was made for, as multiples of hyperdht's. */
const LEAST_REQUESTS = 1.5;
/** "No worse"; memory differs less from run to run than latency does. */
const MOST_MEMORY = 1.05;
const LEAST_FOUND_PERCENT = 99.9;

const NETWORK_NODES = 50;
const MORE_NODES = 99;

/**
 * Walks of each kind of query. `warmUps` do not count: code is compiled meanwhile, here and in the nodes that answer. Both kinds go
 * on getting faster for the first thousand or so walks.
 */
interface Walks {
  readonly rttMs: number;
  readonly warmUps: number;
  /** In each round. */
  readonly counted: number;
  /** Whether all ask at once rather than in turn. */
  readonly together: boolean;
}
const NEAR: Walks = { rttMs: 0, warmUps: 2_000, counted: 1_000, together: false };
/** Nearly all of a walk is waiting for packets, so those who ask do not disturb each other. */
const FAR: Walks = { rttMs: 40, warmUps: 100, counted: 200, together: true };

type Kind = "dnet" | "hyperdht";
const PROGRAMS: { readonly [kind in Kind]: readonly string[] } = {
  dnet: [process.execPath, join(import.meta.dir, "dht-nodes.ts")],
  hyperdht: ["node", join(import.meta.dir, "../support/hyperdht-node.mjs")],
};
const SERVED: { readonly [kind in Kind]: readonly string[] } = {
  dnet: [process.execPath, join(import.meta.dir, "dht-served.ts")],
  hyperdht: ["node", join(import.meta.dir, "hyperdht-served.mjs")],
};
const KINDS: readonly Kind[] = ["dnet", "hyperdht"];

const MEASURES = {
  served: measureServed,
  latency: measureLatency,
  memory: measureMemory,
  simulator: measureSimulator,
};
const PARTS = Object.keys(MEASURES) as (keyof typeof MEASURES)[];

interface Options {
  readonly rounds: number;
  readonly sizes: readonly number[];
}

export const dht = benchmark({
  name: "dht",
  summary: "the DHT's nodes beside the real hyperdht's, and a large network in the simulator",
  usage: `[--only PART,...] [--repeat 3] [--sizes 1000,3000,10000]
  parts: ${PARTS.join(", ")}
  --repeat   rounds of each comparison; the medians count
  --sizes    of the simulated networks; 10,000 nodes take some minutes and 4 GB`,
  options: { only: some(PARTS), repeat: whole(3), sizes: wholes([1_000, 3_000, 10_000]) },
  needs: { node: "the real hyperdht runs under Node" },
  async measure({ only, repeat: rounds, sizes }) {
    for (const part of only) await MEASURES[part]({ rounds, sizes });
  },
});

/** A part's figures and what they mean, before the next part begins: whoever cuts the benchmark off has these. */
function report(figures: string, claims: readonly Claim[]): void {
  console.log(`${figures}\n${claimTable("targets", claims)}`);
}

/** How many requests one node answers, and what each costs it; the load is a third process. */
async function measureServed({ rounds }: Options): Promise<void> {
  const reports = new Map<string, LoadReport[]>();
  for (let round = 1; round <= rounds; round++) {
    for (const kind of KINDS) {
      const child = Bun.spawn([...SERVED[kind]], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      const port = Number(await new Lines(child.stdout).next());
      for (const load of LOAD_KINDS) {
        const served = await offerDhtLoad({ port, kind: load, pid: child.pid, seconds: 2 });
        push(reports, `${kind} ${load}`, served);
        say(`serving, round ${round}: ${kind}, ${load}: ${figure(served.cpuMicros!.total)} ms for 1,000`);
      }
      child.stdin.end();
      await child.exited;
    }
  }
  const of = (kind: Kind, load: LoadKind, value: (report: LoadReport) => number) =>
    reports.get(`${kind} ${load}`)!.map(value);
  const cpu = (kind: Kind, load: LoadKind) => of(kind, load, ({ cpuMicros }) => cpuMicros!.total);
  const times = (load: LoadKind) => medianRatio(cpu("hyperdht", load), cpu("dnet", load));
  const rows = LOAD_KINDS.map((load) => {
    const costs = KINDS.map((kind) => figure(median(cpu(kind, load))));
    const rates = KINDS.map((kind) => (median(of(kind, load, ({ perSecond }) => perSecond))! / 1000).toFixed(0));
    return [load, ...costs, `${figure(times(load))} ×`, ...rates];
  });
  const head = ["", "dnet", "hyperdht", "requests/s and core", "dnet k/s", "hyperdht k/s"];
  report(grid("one node serving: CPU in ms for 1,000 requests", [head, ...rows]), [
    { claim: "requests a second and core, a mix", value: times("mix"), atLeast: LEAST_REQUESTS },
  ]);
}

/** How soon a walk ends, in networks of 50 nodes, of one kind or half and half, for one more node of either kind that asks. */
async function measureLatency({ rounds }: Options): Promise<void> {
  await measureWalks(NEAR, rounds, [{ host: "127.0.0.1" }, { host: "127.0.0.1" }]);
  if (!isRoot) return say(`the ${FAR.rttMs} ms need root, for a cable between namespaces that takes its time`);
  const lab = new Lab();
  const ends = [1, 2].map((end) => ({ namespace: lab.namespace(), host: `192.0.2.${end}` }));
  const plugs = ends.map(({ namespace, host }) => ({ namespace, addresses: [`${host}/24`] }));
  const cable = await layDelayedCable(plugs, FAR.rttMs / 2);
  try {
    const [asking, network] = ends.map(({ namespace, host }) => ({ netns: namespace.name, host }));
    await measureWalks(FAR, rounds, [asking!, network!]);
  } finally {
    await cable.close();
    lab.close();
  }
}

interface Place {
  readonly netns?: string;
  readonly host: string;
}

interface Asker {
  readonly network: string;
  readonly kind: Kind;
  readonly node: HyperdhtNode;
}

const NETWORKS: { readonly [name: string]: readonly Kind[] } = {
  dnet: ["dnet"],
  hyperdht: ["hyperdht"],
  mixed: KINDS,
};
/** Whose walks are compared with whose. */
const COMPARED = [
  { ours: "dnet: dnet", theirs: "hyperdht: hyperdht", where: "" },
  { ours: "mixed: dnet", theirs: "mixed: hyperdht", where: ", mixed" },
];
const WALKED = ["findNode", "lookup"] as const;
const PERCENTILES = [50, 99] as const;

/** All networks stand at once, and each round asks in all of them, so whatever else the machine does falls on both kinds. */
async function measureWalks(walks: Walks, rounds: number, places: readonly [Place, Place]): Promise<void> {
  const { rttMs } = walks;
  const processes: HyperdhtProcess[] = [];
  /** The percentiles of each round's walks. */
  const found = new Map<string, number[]>();
  try {
    say(`walks at ${rttMs} ms: networks of ${NETWORK_NODES} nodes, and ${walks.warmUps} walks to warm up`);
    const askers = await startAskers(processes, places);
    for (let round = 0; round <= rounds; round++) {
      for (const query of WALKED) {
        const latencies = await walkInAll(askers, query, round, walks);
        if (round === 0) continue;
        for (const [i, { network, kind }] of askers.entries()) {
          const figures = PERCENTILES.map((percent) => percentile(latencies[i]!, percent));
          for (const [j, percent] of PERCENTILES.entries()) {
            push(found, `${network}: ${kind} ${query} ${percent}`, figures[j]!);
          }
          say(`round ${round}, ${network}: ${kind} asks ${query}: p50 and p99 ${figures.map(figure).join(" and ")} ms`);
        }
      }
    }
    const rows = WALKED.flatMap((query) =>
      askers.map(({ network, kind }) => [
        `${network}: ${kind} asks ${query}`,
        ...PERCENTILES.map((percent) => spreadText(found.get(`${network}: ${kind} ${query} ${percent}`)!)),
      ]),
    );
    const claims = COMPARED.flatMap(({ ours, theirs, where }) =>
      WALKED.flatMap((query) =>
        PERCENTILES.map((percent) => ({
          claim: `${query} p${percent} at ${rttMs} ms${where}, no worse (a tenth is noise)`,
          value: medianRatio(found.get(`${ours} ${query} ${percent}`)!, found.get(`${theirs} ${query} ${percent}`)!),
          atMost: NO_WORSE,
        })),
      ),
    );
    const title = `milliseconds to the end of a walk, ${rttMs} ms round trip: medians of the rounds (lowest–highest)`;
    report(grid(title, [["", "p50", "p99"], ...rows]), claims);
  } finally {
    await Promise.all(processes.map((process) => process.stop()));
  }
}

/** A network's nodes are in a process of each kind, and who asks in one of its own. */
async function startAskers(processes: HyperdhtProcess[], [asking, network]: readonly [Place, Place]): Promise<Asker[]> {
  const start = async (kind: Kind, { netns = null }: { readonly netns?: string | null }) => {
    const process = await HyperdhtProcess.start({ netns, program: PROGRAMS[kind] });
    processes.push(process);
    return process;
  };
  const askers: Asker[] = [];
  for (const [name, kinds] of Object.entries(NETWORKS)) {
    const bootstrap = await formNetwork(await Promise.all(kinds.map((kind) => start(kind, network))), network.host);
    for (const kind of kinds) {
      const process = await start(kind, asking);
      const node = await process.node("asker", { bootstrap, host: asking.host, ephemeral: true });
      await node.ready();
      askers.push({ network: name, kind, node });
    }
  }
  return askers;
}

/** The same targets for all; round 0 warms up. Each round begins with another, so that none always follows the same one. */
async function walkInAll(
  askers: readonly Asker[],
  query: QueryKind,
  round: number,
  { warmUps, counted, together }: Walks,
): Promise<number[][]> {
  const random = new SeededRandom(round + 1);
  const targets = Array.from({ length: round === 0 ? warmUps : counted }, () => random.bytes(32).toHex());
  const latencies: number[][] = [];
  const walk = async (turn: number) => {
    const i = (turn + round) % askers.length;
    latencies[i] = (await askers[i]!.node.benchQueries(query, targets)).filter((latency) => latency !== null);
  };
  if (together) await Promise.all(askers.map((_, turn) => walk(turn)));
  else for (const turn of askers.keys()) await walk(turn);
  return latencies;
}

/** Persistent nodes, as many of each process; returns what others join by. */
async function formNetwork(
  processes: readonly HyperdhtProcess[],
  host: string,
): Promise<{ host: string; port: number }[]> {
  const first = await processes[0]!.bootstrapper("first", { host, port: 0 }, { host });
  const bootstrap = [{ host, port: (await first.info()).serverPort! }];
  const options = { bootstrap, host, ephemeral: false, firewalled: false };
  const others = Array.from({ length: NETWORK_NODES - 1 }, async (_, i) => {
    const node = await processes[i % processes.length]!.node(`${i}`, options);
    await node.ready();
  });
  await Promise.all(others);
  return bootstrap;
}

/** A process with one idle node, and what each further one adds. */
async function measureMemory(): Promise<void> {
  const rows: string[][] = [];
  const measured = new Map<Kind, { one: number; more: number }>();
  for (const kind of KINDS) {
    say(`memory: ${kind}`);
    await using process = await HyperdhtProcess.start({ program: PROGRAMS[kind] });
    const first = await process.bootstrapper("first", { host: "127.0.0.1", port: 0 });
    const bootstrap = [{ host: "127.0.0.1", port: (await first.info()).serverPort! }];
    await settled();
    const one = (await process.memory()).rss;
    for (let i = 0; i < MORE_NODES; i++) {
      const node = await process.node(`${i}`, { bootstrap, ephemeral: false, firewalled: false });
      await node.ready();
    }
    await settled();
    const more = ((await process.memory()).rss - one) / MORE_NODES;
    measured.set(kind, { one: one / 1e6, more: more / 1e6 });
    rows.push([kind, figure(one / 1e6), figure(more / 1e6)]);
  }
  const times = (what: "one" | "more") => measured.get("dnet")![what] / measured.get("hyperdht")![what];
  report(grid("resident memory in MB", [["", "process with one idle node", "each of 99 more"], ...rows]), [
    { claim: "memory of a process with a node", value: times("one"), atMost: MOST_MEMORY },
    { claim: "memory of each further node", value: times("more"), atMost: MOST_MEMORY },
  ]);
}

/** Large networks, in simulated time. */
async function measureSimulator({ sizes }: Options): Promise<void> {
  const claims: Claim[] = [];
  const rows = sizes.map((size) => {
    say(`simulating ${size} nodes for 20 minutes`);
    const many = { seed: 1, size, loss: 0.05, leavingPerHour: 0.1, keys: 50, lookups: 1000, lastsMs: 20 * 60_000 };
    const { found, lookups, meanHops, p50Ms, p99Ms, meanTableSize, left, wallSeconds } = populate(many);
    const claim = `lookups that found their key among ${size} nodes`;
    claims.push({ claim, value: (100 * found) / lookups, unit: " %", atLeast: LEAST_FOUND_PERCENT });
    const log2 = Math.log2(size);
    return [
      `${size} nodes, ${left} left`,
      `${found} of ${lookups}`,
      figure(meanHops),
      figure(meanHops / log2),
      figure(p50Ms),
      figure(p99Ms),
      figure(meanTableSize),
      figure(wallSeconds),
    ];
  });
  const head = [
    "5 % loss, 10 % leave an hour",
    "found",
    "hops",
    "hops / log2 n",
    "p50 ms",
    "p99 ms",
    "table",
    "took s",
  ];
  report(grid("lookups in a simulated network", [head, ...rows]), claims);
}

/** Long enough for what starting left behind to be collected. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2_000));
}

function push<Item>(lists: Map<string, Item[]>, key: string, item: Item): void {
  lists.set(key, [...(lists.get(key) ?? []), item]);
}

/** Of the ratios within each round. */
function medianRatio(values: readonly number[], units: readonly number[]): number {
  return median(values.map((value, round) => value / units[round]!)) ?? Number.NaN;
}
