/** The speeds that dnet promises, and whether a run shows them. */
import { type MetricName, median, type Round, ratiosOf, valuesOf } from "./metrics.ts";

/** What a figure has to keep to. */
export interface Bounds {
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Target extends Bounds {
  readonly claim: string;
  readonly tool: string;
  readonly metric: MetricName;
  /** The figure is a multiple of this tool's; without it, in the metric's own unit. */
  readonly against?: string;
}

export interface Verdict {
  readonly target: Target;
  /** The median of the rounds; null when it was not measured. */
  readonly value: number | null;
  readonly spread: readonly number[];
  readonly isMet: boolean | null;
}

/** "Never worse", with room for the noise that two equal tools show on a shared machine. */
const NO_WORSE = 0.9;

/** `reference` is the wireguard-go to compare with. */
export function targetsAgainst(reference: string): Target[] {
  const against = { against: reference };
  return [
    { claim: "TCP A→B, one message a datagram", tool: "dnet-packets", metric: "tcpAB", ...against, atLeast: 1.7 },
    { claim: "TCP B→A, one message a datagram", tool: "dnet-packets", metric: "tcpBA", ...against, atLeast: 1.7 },
    { claim: "TCP A→B, super-packets", tool: "dnet", metric: "tcpAB", ...against, atLeast: 2.3 },
    { claim: "TCP B→A, super-packets", tool: "dnet", metric: "tcpBA", ...against, atLeast: 2.3 },
    { claim: "CPU s/GB, one message a datagram", tool: "dnet-packets", metric: "cpu", atMost: 2.4 },
    { claim: "CPU s/GB, super-packets", tool: "dnet", metric: "cpu", atMost: 1.5 },
    { claim: "64-byte UDP, thousands a second", tool: "dnet", metric: "udp64", atLeast: 200 },
    { claim: "loaded round trip p50", tool: "dnet", metric: "loaded50", ...against, atMost: 0.5 },
    { claim: "memory of both ends, MB", tool: "dnet", metric: "rss", atMost: 150 },
    { claim: "first ping, ms", tool: "dnet", metric: "start", atMost: 100 },
    { claim: "suite W, TCP A→B", tool: "dnet-w", metric: "tcpAB", ...against, atLeast: 1 },
    { claim: "suite W, TCP B→A", tool: "dnet-w", metric: "tcpBA", ...against, atLeast: 1 },
    { claim: "1 % loss, cubic", tool: "dnet", metric: "lossCubic", against: "dnet-packets", atLeast: NO_WORSE },
    { claim: "1 % loss, bbr", tool: "dnet", metric: "lossBbr", against: "dnet-packets", atLeast: NO_WORSE },
  ];
}

export function judge(rounds: readonly Round[], target: Target): Verdict {
  const { tool, metric, against } = target;
  const spread = against ? ratiosOf(rounds, metric, tool, against) : valuesOf(rounds, tool, metric);
  const value = median(spread);
  return { target, value, spread, isMet: value === null ? null : isWithin(value, target) };
}

export function isWithin(value: number, { atLeast = -Infinity, atMost = Infinity }: Bounds): boolean {
  return value >= atLeast && value <= atMost;
}
