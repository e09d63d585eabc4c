/** What is measured, and in which groups. */
export const METRICS = [
  { name: "start", group: "start", title: "first ping", unit: "ms", better: "less" },
  { name: "rtt50", group: "rtt", title: "RTT p50", unit: "µs", better: "less" },
  { name: "rtt99", group: "rtt", title: "RTT p99", unit: "µs", better: "less" },
  { name: "tcpAB", group: "tcp", title: "TCP A→B", unit: "Gbit/s", better: "more" },
  { name: "tcpBA", group: "tcp", title: "TCP B→A", unit: "Gbit/s", better: "more" },
  { name: "tcp4", group: "tcp", title: "TCP ×4", unit: "Gbit/s", better: "more" },
  { name: "cpu", group: "tcp", title: "CPU", unit: "s/GB", better: "less" },
  { name: "loaded50", group: "load", title: "loaded p50", unit: "µs", better: "less" },
  { name: "loaded99", group: "load", title: "loaded p99", unit: "µs", better: "less" },
  { name: "udp64", group: "udp", title: "UDP 64 B", unit: "k/s", better: "more" },
  { name: "udp1200", group: "udp", title: "UDP 1200 B", unit: "Mbit/s", better: "more" },
  { name: "rss", group: "memory", title: "RSS", unit: "MB", better: "less" },
  { name: "pss", group: "memory", title: "PSS", unit: "MB", better: "less" },
  { name: "lossCubic", group: "loss", title: "1 % loss, cubic", unit: "Mbit/s", better: "more" },
  { name: "lossBbr", group: "loss", title: "1 % loss, bbr", unit: "Mbit/s", better: "more" },
] as const;

export type Metric = (typeof METRICS)[number];
export type MetricName = Metric["name"];
export type Group = Metric["group"];
/** In the order in which they are measured: memory after the load, loss last, as it changes the cable. */
export const GROUPS: readonly Group[] = [...new Set(METRICS.map(({ group }) => group))];

/** One tool's figures of one round; what could not be measured is missing. */
export type Values = { readonly [metric in MetricName]?: number };
/** What every tool reached, one after the other. */
export type Round = { readonly [tool: string]: Values };

/** One tool's figures for a metric, a round each. */
export function valuesOf(rounds: readonly Round[], tool: string, metric: MetricName): number[] {
  return rounds.map((round) => round[tool]?.[metric]).filter((value) => value !== undefined);
}

/**
 * One tool's figures as multiples of another's in the same round: what else the machine did meanwhile moves both, so the
 * ratio says more than either.
 */
export function ratiosOf(rounds: readonly Round[], metric: MetricName, tool: string, reference: string): number[] {
  return rounds.flatMap((round) => {
    const [value, unit] = [round[tool]?.[metric], round[reference]?.[metric]];
    return value !== undefined && unit ? [value / unit] : [];
  });
}

/** The middle one, or the mean of the two in the middle; null of nothing. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** The least value that so many percent of all do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("no values have no percentile");
  return value;
}
