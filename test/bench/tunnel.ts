/**
 * `npm run bench tunnel`: the tunnel beside others on this machine. Each round measures every tool once, in namespaces of its own,
 * and a figure is compared with another tool's of the same round: both ends, the load and whatever else the machine does share
 * its cores, so only such ratios mean anything elsewhere. Everything it makes is gone at its end, at Ctrl-C too.
 */
import { cpus, loadavg, release } from "node:os";
import { ensurePrograms } from "../support/packages.ts";
import { ensureBuilt } from "../support/tunnel-process.ts";
import { benchmark, flag, positive, say, some, whole } from "./benchmark.ts";
import { measure } from "./measure.ts";
import { GROUPS, type Group, METRICS, type Round } from "./metrics.ts";
import { bars, ratioTables, targetTable, valueTables } from "./tables.ts";
import { judge, targetsAgainst } from "./targets.ts";
import { CHOICES, type Choice, INSTALLED, NEWEST, RAW, type Tool } from "./tools.ts";

interface Options {
  readonly groups: readonly Group[];
  readonly seconds: number;
  readonly rounds: number;
  readonly json: boolean;
}

export const tunnel = benchmark({
  name: "tunnel",
  summary: "dnet's tunnel beside wireguard-go's and the bare link, with the targets",
  usage: `[--only TOOL,...] [--metrics GROUP,...] [--seconds 4] [--repeat 3] [--json]
  tools: ${CHOICES.map(({ name, summary }) => `${name} (${summary})`).join(", ")}
  groups: ${GROUPS.join(", ")}
  --seconds   how long one transfer goes on; a step of the search for a packet rate takes a quarter of it
  --repeat    rounds; the medians count`,
  options: {
    only: some(CHOICES.map(({ name }) => name)),
    metrics: some(GROUPS),
    seconds: positive(4, 3600),
    repeat: whole(3),
    json: flag,
  },
  needs: { root: "the benchmark makes network namespaces" },
  async measure({ only, metrics: groups, seconds, repeat: rounds, json }) {
    const missing = ensurePrograms();
    if (missing.length > 0) say(`not here, so what needs it is left out: ${missing.join(", ")}`);
    ensureBuilt();
    const tools = openTools(CHOICES.filter(({ name }) => only.includes(name)));
    const options = { groups, seconds, rounds, json };
    report(options, tools, await measureRounds(options, tools));
  },
});

function openTools(choices: readonly Choice[]): Tool[] {
  return choices.flatMap((choice) => {
    try {
      return [choice.open()];
    } catch (error) {
      const instead = choice.name === NEWEST ? ` (the installed ${INSTALLED} stands in for it)` : "";
      say(`${choice.name} is left out: ${(error as Error).message}${instead}`);
      return [];
    }
  });
}

/** Each round begins with another tool, so that none always follows the same one. */
async function measureRounds({ rounds, seconds, groups }: Options, tools: readonly Tool[]): Promise<Round[]> {
  const results: Round[] = [];
  const startedAt = performance.now();
  for (let number = 0; number < rounds; number++) {
    const round: { [tool: string]: Round[string] } = {};
    const order = tools.map((_, i) => tools[(i + number) % tools.length]!);
    for (const [done, tool] of order.entries()) {
      process.stderr.write(`round ${number + 1} of ${rounds}, ${tool.name}:`);
      const note = (text: string) => void process.stderr.write(` ${text}`);
      try {
        round[tool.name] = await measure(tool, { seconds, groups, note });
      } catch (error) {
        note(`failed: ${(error as Error).message}`);
      }
      const measured = number * tools.length + done + 1;
      const elapsed = (performance.now() - startedAt) / 1000;
      const left = (elapsed / measured) * (rounds * tools.length - measured);
      process.stderr.write(`; ${Math.ceil(left / 6) / 10} minutes left\n`);
    }
    results.push(round);
  }
  return results;
}

function report({ json, seconds, groups }: Options, tools: readonly Tool[], rounds: readonly Round[]): void {
  const names = tools.map(({ name }) => name);
  const reference = names.includes(NEWEST) ? NEWEST : INSTALLED;
  const verdicts = targetsAgainst(reference).map((target) => judge(rounds, target));
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, kernel: release(), bun: Bun.version };
  const load = loadavg()[0]!;
  if (json) {
    const versions = Object.fromEntries(tools.map(({ name, version }) => [name, version]));
    const targets = verdicts.map(({ target, ...verdict }) => ({ ...target, ...verdict }));
    console.log(JSON.stringify({ schema: "dnet.bench.tunnel/1", machine, seconds, versions, rounds, targets }));
    return;
  }
  const tcp = METRICS.filter(({ name }) => name === "tcpAB" && groups.includes("tcp"));
  const head = [
    `${machine.cores} × ${machine.cpu}, Linux ${machine.kernel}, Bun ${machine.bun}; load ${load.toFixed(1)} at the end`,
    "Both ends, the load and everything else share these cores: only ratios within a round mean anything elsewhere.",
    ...tools.map(({ name, summary, version }) => `  ${name.padEnd(20)} ${summary}${version ? `: ${version}` : ""}`),
    "",
  ];
  const parts = [
    head.join("\n"),
    ...valueTables(rounds, names),
    ...[reference, RAW].filter((name) => names.includes(name)).flatMap((name) => ratioTables(rounds, names, name)),
    ...tcp.map((metric) => bars(rounds, names, metric, reference)),
    targetTable(verdicts),
    FOOTNOTES,
  ];
  console.log(parts.filter((part) => part !== "").join("\n"));
}

const FOOTNOTES = [
  `UDP: the highest rate that loses less than 1 %; what ${RAW} reaches is the generator's own limit.`,
  "TCP: after one second of it that does not count, for every tool.",
  "CPU: user and system time of the tool's processes at both ends per 10⁹ bytes of payload, TCP A→B.",
  "RSS counts the text that both ends share twice, PSS once. Loss: 1 % of single datagrams each way, without delay.",
].join("\n");
