/**
 * `npm run bench dnetdb`: how fast a replica stores, what it costs two to come together, and how soon a large store answers.
 * What SQLite itself takes for the same rows stands beside it, from the same run.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../support/random.ts";
import { benchmark, say, some, whole } from "./benchmark.ts";
import { ask, open, QUESTIONS } from "./dnetdb-answers.ts";
import { type Filled, fill, sum } from "./dnetdb-bulk.ts";
import { fetchNews, spreadOne, syncAll } from "./dnetdb-shared.ts";
import { MEMBERS } from "./dnetdb-written.ts";
import { median, percentile } from "./metrics.ts";
import { type Claim, claimTable, figure, grid } from "./tables.ts";

/** Targets of the issue that this benchmark was made for. */
const LEAST_PER_SECOND = 10_000;
const MOST_LOOKUP_MICROS = 50;
const MOST_START_MS = 300;

const NEWS = [1, 10, 100, 1_000];
const HELD = [100, 10_000];
const SEEDS = [1, 2, 3, 4, 5];
const PERCENTILES = [50, 99];

const MEASURES = { sync: measureSync, spread: measureSpread, news: measureNews, store: measureStore };
const PARTS = Object.keys(MEASURES) as (keyof typeof MEASURES)[];

export const dnetdb = benchmark({
  name: "dnetdb",
  summary: "DNetDB's store beside SQLite itself, and what replicas cost that share one",
  usage: `[--only PART,...] [--transactions 1000000]
  parts: ${PARTS.join(", ")}
  --transactions   in the large store; a million take some minutes, and 2 GB in ${tmpdir()} meanwhile`,
  options: { only: some(PARTS), transactions: whole(1_000_000) },
  needs: {},
  async measure({ only, transactions }) {
    for (const part of only) await MEASURES[part](transactions);
  },
});

function report(figures: string, claims: readonly Claim[] = []): void {
  console.log(claims.length > 0 ? `${figures}\n${claimTable("targets", claims)}` : figures);
}

/** In memory, where the disk does not matter. */
function measureSync(): void {
  say(`a dnet of ${MEMBERS} members, from one replica to another`);
  const { seconds, sentBytes, heldBytes, peakBytes } = syncAll(MEMBERS);
  const head = ["", "seconds", "a second", "MB sent", "their own MB", "MB of memory more at most"];
  const figures = [seconds, MEMBERS / seconds, sentBytes / 1e6, heldBytes / 1e6, peakBytes / 1e6].map(figure);
  report(grid("full sync, from one replica to another", [head, [`a dnet of ${MEMBERS} members`, ...figures]]));
}

function measureSpread(): void {
  const rows = SEEDS.map((seed) => {
    say(`one transaction among a hundred replicas, seed ${seed}`);
    const { ms, hops, leastHops, bytesEach, size } = spreadOne(seed);
    return [`seed ${seed}`, ...[ms, hops, leastHops, size, bytesEach].map((value) => value.toFixed(0))];
  });
  const head = ["", "ms to the last", "hops", "hops at least", "its bytes", "bytes for each replica"];
  report(grid("one transaction among 100 replicas of about 6 links, 20 ms each", [head, ...rows]));
}

function measureNews(): void {
  const costs = HELD.map((held) =>
    NEWS.map((news) => {
      say(`${news} new of ${held}`);
      return fetchNews(held, news);
    }),
  );
  const rows = NEWS.map((news, i) => {
    const [few, many] = costs.map((each) => each[i]!) as [Cost, Cost];
    return [`${news}`, ...[few.own, few.all, many.all].map(String), figure(few.all / news), figure(few.all / few.own)];
  });
  const head = ["new", "their own bytes", ...HELD.map((held) => `sent, of ${held}`), "each", "× their own"];
  const all = (held: number, i: number) => costs[held]![i]!.all;
  report(grid("what new transactions cost", [head, ...rows]), [
    { claim: "bytes of 1,000 new ones, beside ten times those of 100", value: all(0, 3) / all(0, 2) / 10, atMost: 1 },
    { claim: "bytes of 100 new ones after 10,000, beside after 100", value: all(1, 2) / all(0, 2), atMost: 1.01 },
  ]);
}

type Cost = ReturnType<typeof fetchNews>;

async function measureStore(transactions: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "dnetdb-bench-"));
  try {
    const [small, large] = [join(directory, "small.db"), join(directory, "large.db")];
    await fill(small, Math.min(transactions, MEMBERS));
    const filled = await fill(large, transactions);
    const all = filled.reduce(sumOf);
    const bytes = statSync(large).size / all.count;
    const rows = [
      ["first tenth", filled[0]!] as const,
      ["last tenth", filled.at(-1)!] as const,
      [`all ${all.count}`, all] as const,
    ].map(([name, each]) => bulkRow(name, each));
    const head = [
      "",
      "a second",
      "µs each",
      "waited",
      "CPU µs",
      "of both threads",
      "SQLite alone: µs",
      "CPU µs",
      "× its CPU",
    ];
    const title = `transactions validated and stored in bulk, ${bytes.toFixed(0)} bytes each on disk`;
    report(grid(title, [head, ...rows]), [
      { claim: "stored a second in bulk", value: all.count / all.ours.clock, atLeast: LEAST_PER_SECOND, unit: "" },
    ]);
    measureAnswers(small, large, all.count);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function bulkRow(name: string, { count, ours, bare }: Filled): string[] {
  const micros = [ours.clock, ours.waited, ours.cpu, ours.allCpu, bare.clock, bare.cpu].map((seconds) =>
    figure((1e6 * seconds) / count),
  );
  return [name, (count / ours.clock).toFixed(0), ...micros, figure(ours.cpu / bare.cpu)];
}

function sumOf(a: Filled, b: Filled): Filled {
  return { count: a.count + b.count, ours: sum(a.ours, b.ours), bare: sum(a.bare, b.bare) };
}

function measureAnswers(small: string, large: string, count: number): void {
  say("lookups, and starts");
  const [few, many] = [small, large].map((path) => ask(path, new SeededRandom(1)));
  const claims: Claim[] = [];
  const rows = QUESTIONS.flatMap((question) =>
    PERCENTILES.map((percent) => {
      const [a, b] = [few!, many!].map((answers) => percentile(answers[question], percent)) as [number, number];
      claims.push({ claim: `a member by ${question}, p${percent}`, value: b, atMost: MOST_LOOKUP_MICROS, unit: " µs" });
      return [`by ${question}, p${percent}`, figure(a), figure(b), `${figure(b / a)} ×`];
    }),
  );
  const [smallMs, largeMs] = [small, large].map((path) => median(open(path))!) as [number, number];
  claims.push({ claim: "start to the first answer", value: largeMs, atMost: MOST_START_MS, unit: " ms" });
  rows.push(["start, ms", figure(smallMs), figure(largeMs), `${figure(largeMs / smallMs)} ×`]);
  const head = ["µs", "10,000", `${count}`, ""];
  report(grid("lookups of a member, and starts, with so many transactions stored", [head, ...rows]), claims);
}
