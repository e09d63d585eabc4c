/** The measurements: one tool, up at both ends of a stage, and a load through it. */
import { readFileSync } from "node:fs";
import type { Actor } from "../support/scene.ts";
import { startAndPing } from "./first-ping.ts";
import { Lines } from "./lines.ts";
import { type Group, percentile, type Values } from "./metrics.ts";
import { loseOnePercent, newStage, type Stage } from "./stage.ts";
import type { Running, Tool } from "./tools.ts";
import { highestRate, offerUdp } from "./udp-rate.ts";

/** What the running tool is measured under. */
interface Subject extends Running {
  readonly stage: Stage;
  /** How long one transfer goes on. */
  readonly seconds: number;
}

const PORT = 5_201;
const PINGS = 300;
/** Before anything else is timed: what a program compiles or fetches at first is the start's. */
const WARM_UP_PINGS = 50;
/** Code is compiled while it runs; a tunnel runs for longer than a benchmark. */
const WARM_UP_SECONDS = 1;
const PING_EVERY_SECONDS = 0.01;
/** Until the stream under which pings are timed has found its rate. */
const RAMP_MS = 500;
const CONGESTION_CONTROLS = { cubic: "lossCubic", bbr: "lossBbr" } as const;
const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc/PID/stat on every architecture we run on

/** Without the start, which is measured on the way to all of them. The bare cable has no processes, and loses nothing. */
const GROUP_MEASUREMENTS: { readonly [group in Exclude<Group, "start">]: (subject: Subject) => Promise<Values> } = {
  rtt: async (subject) => {
    const times = await ping(subject, PINGS);
    return { rtt50: percentile(times, 50), rtt99: percentile(times, 99) };
  },
  tcp: async (subject) => {
    await tcp({ ...subject, seconds: WARM_UP_SECONDS });
    const before = cpuSeconds(subject.actors);
    const forth = await tcp(subject);
    const cpu = (cpuSeconds(subject.actors) - before) / (forth.bytes / 1e9);
    const back = await tcp(subject, ["--reverse"]);
    const four = await tcp(subject, ["--parallel", "4"]);
    const rates = { tcpAB: forth.rate / 1e9, tcpBA: back.rate / 1e9, tcp4: four.rate / 1e9 };
    return subject.actors.length > 0 ? { ...rates, cpu } : rates;
  },
  load: async (subject) => {
    const stream = tcp({ ...subject, seconds: subject.seconds + 1 });
    await Bun.sleep(RAMP_MS);
    const [times] = await Promise.all([ping(subject, subject.seconds / PING_EVERY_SECONDS), stream]);
    return { loaded50: percentile(times, 50), loaded99: percentile(times, 99) };
  },
  udp: async (subject) => {
    const seconds = Math.max(0.5, subject.seconds / 4);
    const rate = (bytes: number) =>
      highestRate((rate) => offerUdp(subject.stage, subject.to, { bytes, rate, seconds }));
    return { udp64: (await rate(64)) / 1e3, udp1200: ((await rate(1200)) * 1200 * 8) / 1e6 };
  },
  memory: async ({ actors }) => {
    if (actors.length === 0) return {};
    return { rss: megabytes(actors, "status", "VmRSS"), pss: megabytes(actors, "smaps_rollup", "Pss") };
  },
  loss: async (subject) => {
    if (subject.actors.length === 0) return {};
    loseOnePercent(subject.stage);
    const rates: [string, number][] = [];
    const available = readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8").split(/\s+/);
    for (const [name, metric] of Object.entries(CONGESTION_CONTROLS)) {
      if (!available.includes(name)) continue;
      const long = { ...subject, seconds: 2 * subject.seconds }; // single losses make short runs differ much
      rates.push([metric, (await tcp(long, ["--congestion", name])).rate / 1e6]);
    }
    return Object.fromEntries(rates);
  },
};

export interface MeasureOptions {
  readonly seconds: number;
  readonly groups: readonly Group[];
  /** Hears which group is next, and why one could not be measured. */
  readonly note: (text: string) => void;
}

/** Brings a tool up on a stage of its own, measures the groups and takes everything down. */
export async function measure(tool: Tool, { seconds, groups, note }: MeasureOptions): Promise<Values> {
  const stage = newStage();
  try {
    note("start");
    const { running, ms } = await startAndPing(stage, tool.prepare(stage));
    const subject = { ...running, stage, seconds };
    await ping(subject, WARM_UP_PINGS);
    let values: Values = groups.includes("start") && running.actors.length > 0 ? { start: ms } : {};
    for (const group of groups) {
      if (group === "start") continue;
      note(group);
      try {
        values = { ...values, ...(await GROUP_MEASUREMENTS[group](subject)) };
      } catch (error) {
        note(`failed: ${(error as Error).message}`);
      }
    }
    return values;
  } finally {
    await stage.scene.close();
  }
}

/** One iperf3 transfer from A to B: the payload that came, in bytes and in bits a second. */
async function tcp(
  { stage: { scene, a, b }, to, seconds }: Subject,
  options: readonly string[] = [],
): Promise<{ bytes: number; rate: number }> {
  const port = `${PORT}`;
  const server = scene.start(b, ["iperf3", "--server", "--one-off", "--forceflush", "--bind", to, "--port", port]);
  const lines = new Lines(server.stdout);
  for (let line = await lines.next(); !line?.includes("listening"); line = await lines.next()) {
    if (line === null) throw new Error(`iperf3 did not listen: ${server.stderr()}`);
  }
  try {
    const words = ["--client", to, "--port", port, "--time", `${seconds}`, "--json", ...options];
    const { stdout, stderr } = await scene.run(a, ["iperf3", ...words]);
    const report = JSON.parse(stdout || "{}") as {
      error?: string;
      end?: { sum_received: { bytes: number; bits_per_second: number } };
    };
    if (report.error || !report.end) throw new Error(`iperf3: ${report.error ?? stderr}`);
    const { bytes, bits_per_second: rate } = report.end.sum_received;
    return { bytes, rate };
  } finally {
    await server.end("SIGTERM");
  }
}

/** Round trips from A to B in microseconds. */
async function ping({ stage: { scene, a }, to }: Subject, count: number): Promise<number[]> {
  const { stdout, stderr } = await scene.run(a, [
    ...["ping", "-n", "-c", `${Math.ceil(count)}`, "-i", `${PING_EVERY_SECONDS}`],
    ...["-W", "1", "-w", `${Math.ceil(count * PING_EVERY_SECONDS) + 3}`, to],
  ]);
  const times = [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1000);
  if (times.length === 0) throw new Error(`ping: no reply ${stderr}`);
  return times;
}

/** User and system time of the processes since they began. */
function cpuSeconds(actors: readonly Actor[]): number {
  return total(actors, ({ pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third on (proc_pid_stat(5))
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  });
}

/** A field, given in kB, of a file of /proc/PID, over all the processes. */
function megabytes(actors: readonly Actor[], file: string, field: string): number {
  return total(actors, ({ pid }) => {
    const [, kilobytes] =
      new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8")) ?? [];
    return (Number(kilobytes) * 1024) / 1e6;
  });
}

function total(actors: readonly Actor[], amount: (actor: Actor) => number): number {
  return actors.reduce((sum, actor) => sum + amount(actor), 0);
}
