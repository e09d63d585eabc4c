/**
 * `npm run bench udx`: our UDX beside the real udx-native by the procedure of udx-wire.md §23, and encrypted streams between gateways
 * beside the real hyperdht's, in turn and in the same run. Each end is a process, and so is the path between them where there is one;
 * only ratios mean anything elsewhere.
 */
import { join } from "node:path";
import { benchmark, flag, positive, say, some, whole } from "./benchmark.ts";
import { Lines } from "./lines.ts";
import { median, percentile } from "./metrics.ts";
import { type Claim, claimTable, figure, grid, spreadText } from "./tables.ts";
import type { EndReport } from "./udx-report.ts";

/** What is compared: ours, and the one that sets the measure. */
interface Ends {
  readonly reference: string;
  readonly programs: { readonly [kind: string]: readonly string[] };
}
const ours = (program: string) => [process.execPath, join(import.meta.dir, program)];
const theirs = (program: string) => ["node", join(import.meta.dir, program)];
const BARE: Ends = {
  reference: "native",
  programs: { dnet: ours("udx-end.ts"), native: theirs("udx-native-end.mjs") },
};
const SEALED: Ends = {
  reference: "hyperdht",
  programs: { dnet: ours("sealed-end.mjs"), hyperdht: theirs("sealed-end.mjs") },
};
const PROXY = ours("udx-proxy.ts");

interface Case {
  readonly title: string;
  readonly ends: Ends;
  readonly path: { readonly loss: number; readonly rttMs: number } | null;
  readonly isTarget: boolean;
}
const CASES: { readonly [name: string]: Case } = {
  direct: { title: "direct", ends: BARE, path: null, isTarget: true },
  proxied: { title: "proxied, 0 % loss, 0 ms", ends: BARE, path: { loss: 0, rttMs: 0 }, isTarget: false },
  lossy: { title: "proxied, 1 % loss, 0 ms", ends: BARE, path: { loss: 0.01, rttMs: 0 }, isTarget: false },
  far: { title: "proxied, 0 % loss, 50 ms", ends: BARE, path: { loss: 0, rttMs: 50 }, isTarget: false },
  "far-lossy": { title: "proxied, 1 % loss, 50 ms", ends: BARE, path: { loss: 0.01, rttMs: 50 }, isTarget: true },
  sealed: { title: "encrypted, direct", ends: SEALED, path: null, isTarget: true },
  "sealed-far-lossy": {
    title: "encrypted, proxied, 1 % loss, 50 ms",
    ends: SEALED,
    path: { loss: 0.01, rttMs: 50 },
    isTarget: true,
  },
};
const PING = "ping";

/** Targets of the issue that this benchmark was made for, as multiples of the reference's. */
const LEAST_GOODPUT = 1;
const MOST_CPU = 1.3;

interface Options {
  readonly rounds: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly isMixed: boolean;
}

/** One transfer or ping-pong, seen from both ends. */
interface Run {
  readonly sender: EndReport;
  readonly receiver: EndReport;
}

export const udx = benchmark({
  name: "udx",
  summary: "streams beside the real udx-native's and hyperdht's: goodput and CPU, direct and over a bad path",
  usage: `[--only CASE,...] [--repeat 3] [--megabytes 1000] [--seconds 10] [--mixed]
  cases: ${[...Object.keys(CASES), PING].join(", ")}
  --mixed   also ours to theirs, and theirs to ours`,
  options: {
    only: some([...Object.keys(CASES), PING]),
    repeat: whole(3),
    megabytes: positive(1000),
    seconds: positive(10, 3600),
    mixed: flag,
  },
  needs: { node: "the real udx-native and hyperdht run under Node" },
  async measure({ only, repeat, megabytes, seconds, mixed }) {
    const options: Options = { rounds: repeat, bytes: megabytes * 1e6, seconds, isMixed: mixed };
    const claims: Claim[] = [];
    for (const name of only) {
      if (name === PING) await measurePing(options);
      else claims.push(...(await measureCase(name, options)));
    }
    if (claims.length > 0)
      console.log(claimTable("targets, as multiples of the reference's between two of its own", claims));
  },
});

async function measureCase(name: string, options: Options): Promise<Claim[]> {
  const { title, ends, path, isTarget } = CASES[name]!;
  const [dnet, reference] = ["dnet → dnet", `${ends.reference} → ${ends.reference}`];
  const runs = new Map<string, Run[]>();
  for (let round = 1; round <= options.rounds; round++) {
    for (const pair of pairsOf(ends, options.isMixed)) {
      const label = pair.join(" → ");
      say(`${title}, round ${round}: ${label}`);
      const words = ["send", `${options.bytes}`, `${options.seconds}`];
      const run = await transfer(ends, pair, [words, ["receive"]], path, round);
      runs.set(label, [...(runs.get(label) ?? []), run]);
    }
  }
  const of = (pair: string, value: (run: Run) => number) => runs.get(pair)!.map(value);
  const rows = [...runs.entries()].map(([pair, all]) => [
    pair,
    spreadText(of(pair, goodput)),
    figure(median(of(pair, (run) => cpuPerGb(run.sender, run)))),
    figure(median(of(pair, (run) => cpuPerGb(run.receiver, run)))),
    figure(median(all.flatMap(({ sender }) => sender.resent ?? []))),
  ]);
  const head = ["", "goodput MB/s", "CPU s/GB, sender", "receiver", "packets resent"];
  console.log(grid(title, [head, ...rows]));
  const ratio = (value: (run: Run) => number) => median(of(dnet, value))! / median(of(reference, value))!;
  const cpuClaim = (end: "sender" | "receiver"): Claim => {
    const value = ratio((run) => cpuPerGb(run[end], run));
    return { claim: `${title}: CPU/GB, ${end}`, value, atMost: MOST_CPU, isTarget };
  };
  const goodputClaim = { claim: `${title}: goodput`, value: ratio(goodput), atLeast: LEAST_GOODPUT, isTarget };
  return [goodputClaim, cpuClaim("sender"), cpuClaim("receiver")];
}

async function measurePing(options: Options): Promise<void> {
  const rows: string[][] = [];
  for (const pair of pairsOf(BARE, false)) {
    const times: number[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      say(`ping-pong, round ${round}: ${pair[0]}`);
      const { sender } = await transfer(BARE, pair, [["ping", `${options.seconds / 2}`], ["echo"]], null, round);
      times.push(...sender.roundTrips);
    }
    rows.push([pair[0], figure(percentile(times, 50)), figure(percentile(times, 99))]);
  }
  console.log(grid("64 bytes and back, direct", [["", "p50 ms", "p99 ms"], ...rows]));
}

const goodput = ({ receiver }: Run) => receiver.bytes / receiver.seconds / 1e6;
const cpuPerGb = (end: EndReport, { receiver }: Run) => end.cpuSeconds / (receiver.bytes / 1e9);

/** Who sends to whom: like to like, and each to the other. */
function pairsOf({ reference }: Ends, isMixed: boolean): (readonly [from: string, to: string])[] {
  const like = [
    ["dnet", "dnet"],
    [reference, reference],
  ] as const;
  return isMixed ? [...like, ["dnet", reference], [reference, "dnet"]] : [...like];
}

/** Starts both ends, and the path if there is one, and lets them run to the end. */
async function transfer(
  { programs }: Ends,
  [from, to]: readonly [string, string],
  [sendWords, receiveWords]: readonly [readonly string[], readonly string[]],
  path: Case["path"],
  seed: number,
): Promise<Run> {
  const receiver = spawn([...programs[to]!, ...receiveWords]);
  const sender = spawn([...programs[from]!, ...sendWords]);
  const proxy = path ? spawn([...PROXY, `${path.loss}`, `${path.rttMs / 2}`, `${seed}`]) : null;
  try {
    const [sendPort, receivePort] = [await sender.lines.next(), await receiver.lines.next()];
    const [nearSender, nearReceiver] = proxy ? (await proxy.lines.next())!.split(" ") : [receivePort, sendPort];
    proxy?.tell(`${sendPort} ${receivePort}`);
    receiver.tell(`${nearReceiver}`);
    sender.tell(`${nearSender}`);
    const reports = [await sender.lines.next(), await receiver.lines.next()];
    if (reports.includes(null)) throw new Error("an end went without a report");
    const [ofSender, ofReceiver] = reports.map((line) => JSON.parse(line!) as EndReport);
    return { sender: ofSender!, receiver: ofReceiver! };
  } finally {
    for (const process of [sender, receiver, proxy]) await process?.close();
  }
}

function spawn(command: readonly string[]) {
  const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  return {
    lines: new Lines(child.stdout),
    tell(line: string) {
      child.stdin.write(`${line}\n`);
      child.stdin.flush();
    },
    async close() {
      child.kill();
      await child.exited;
    },
  };
}
