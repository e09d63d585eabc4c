/** Running DHT nodes as scripts see them (`--json`) and as people read them. */
import { formatAddress } from "../base/address.ts";
import { counted } from "../base/counted.ts";
import type { Gateway } from "../io/gateway/gateway.ts";

export interface NodeView {
  /** Counted from 1. */
  readonly node: number;
  /** Where it is bound; null before it is, and after its end. */
  readonly address: string | null;
  /** As others see it; port 0 when each sees another; null while that is not known. */
  readonly seenAs: string | null;
  /** Where strangers reach it; null when they do not, or that is not known. */
  readonly remoteAddress: string | null;
  /** What its router lets strangers in by, as that says; null when there is none. */
  readonly mapping: { readonly address: string; readonly protocol: string } | null;
  /** Hex; null while it is ephemeral. */
  readonly id: string | null;
  readonly isReady: boolean;
  readonly isPersistent: boolean;
  readonly nat: "open" | "consistent" | "random" | "unknown";
  readonly isOnline: boolean;
  readonly isDegraded: boolean;
  /** In its routing table. */
  readonly knownNodes: number;
  /** That it stores for others. */
  readonly records: number;
}

/** Since the last time that they were asked for, and for all nodes together. */
export interface Rates {
  readonly requestsPerSecond: number;
  readonly receivedBytesPerSecond: number;
  readonly sentBytesPerSecond: number;
}

export function viewNode(gateway: Gateway, node: number): NodeView {
  const { host, port, portMapping } = gateway;
  const [address, remote] = [gateway.address(), gateway.remoteAddress()];
  const { routes = 0, announcements = 0, mutables = 0, immutables = 0 } = gateway.stats?.stored ?? {};
  return {
    node,
    address: address && formatAddress(address),
    seenAs: host === null ? null : formatAddress({ host, port }),
    remoteAddress: remote && formatAddress(remote),
    mapping: portMapping && { address: formatAddress(portMapping.external), protocol: portMapping.protocol },
    id: gateway.id?.toHex() ?? null,
    isReady: gateway.bootstrapped,
    isPersistent: !gateway.ephemeral,
    nat: gateway.firewall,
    isOnline: gateway.online,
    isDegraded: gateway.degraded,
    knownNodes: gateway.size,
    records: routes + announcements + mutables + immutables,
  };
}

/** What `Rates` are made of. */
export class Traffic {
  #at: number;
  #before: Totals = { requests: 0, receivedBytes: 0, sentBytes: 0 };

  constructor(nowMs: number) {
    this.#at = nowMs;
  }

  ratesUntil(nowMs: number, gateways: readonly Gateway[]): Rates {
    const totals = totalsOf(gateways);
    const seconds = Math.max(0.001, (nowMs - this.#at) / 1_000);
    const rate = (what: keyof Totals) =>
      Math.round((10 * Math.max(0, totals[what] - this.#before[what])) / seconds) / 10;
    const rates = {
      requestsPerSecond: rate("requests"),
      receivedBytesPerSecond: rate("receivedBytes"),
      sentBytesPerSecond: rate("sentBytes"),
    };
    this.#at = nowMs;
    this.#before = totals;
    return rates;
  }
}

type Totals = { readonly [what in "requests" | "receivedBytes" | "sentBytes"]: number };

function totalsOf(gateways: readonly Gateway[]): Totals {
  const all = gateways.map(({ stats }) => stats);
  const sum = (what: keyof Totals) => all.reduce((total, stats) => total + (stats?.[what] ?? 0), 0);
  return { requests: sum("requests"), receivedBytes: sum("receivedBytes"), sentBytes: sum("sentBytes") };
}

/** `node 2 listens on 0.0.0.0:1777`; a single node has no number. */
export function listeningText({ node, address }: NodeView, count: number): string {
  return `${count === 1 ? "listening" : `node ${node} listens`} on ${address}`;
}

export function readyText(view: NodeView, count: number): string {
  const { node, id, knownNodes } = view;
  const where = whereText(view);
  const parts = [
    id ? `persistent, id ${id.slice(0, ID_CHARACTERS)}...` : "ephemeral",
    ...(where ? [where] : []),
    `knows ${knownNodes > 0 ? counted(knownNodes, "node") : "no other node yet"}`,
  ];
  return `${count === 1 ? "" : `node ${node} is `}ready: ${parts.join(", ")}`;
}
const ID_CHARACTERS = 16;

function whereText({ remoteAddress, seenAs, nat }: NodeView): string | null {
  if (remoteAddress) return `reached at ${remoteAddress}`;
  if (!seenAs) return null;
  return nat === "random" ? `seen as ${seenAs.replace(/:0$/, "")}, by each node at another port` : `seen as ${seenAs}`;
}

/** What is worth a line of its own when it changes: `persistent · NAT open · mapped 192.0.2.5:1776 (PCP)`. */
export function stateText(nodes: readonly NodeView[]): string {
  const troubles = [
    some(nodes, ({ isOnline }) => !isOnline, "offline"),
    some(nodes, ({ isOnline, isDegraded }) => isOnline && isDegraded, "degraded"),
  ];
  const parts = [persistenceText(nodes), natText(nodes), mappingText(nodes), ...troubles];
  return parts.filter((part) => part !== null).join(" · ");
}

/** `persistent · NAT open · 153 nodes · 12 records · 230 req/s · in 14 kB/s out 40 kB/s` */
export function statusText(nodes: readonly NodeView[], rates: Rates): string {
  const records = nodes.reduce((total, { records }) => total + records, 0);
  const received = byteRateText(rates.receivedBytesPerSecond);
  const sent = byteRateText(rates.sentBytesPerSecond);
  const parts = [
    stateText(nodes),
    knownText(nodes),
    counted(records, "record"),
    `${roundedText(rates.requestsPerSecond)} req/s`,
    `in ${received} out ${sent}`,
  ];
  return parts.join(" · ");
}

function persistenceText(nodes: readonly NodeView[]): string {
  const persistent = nodes.filter(({ isPersistent }) => isPersistent).length;
  const starting = nodes.filter(({ isReady }) => !isReady).length;
  if (nodes.length === 1) return starting ? "starting" : persistent ? "persistent" : "ephemeral";
  return `${persistent} of ${nodes.length} persistent${starting ? `, ${starting} starting` : ""}`;
}

/** `NAT open`, or for several that differ `NAT 3 open, 2 unknown`. */
function natText(nodes: readonly NodeView[]): string {
  const counts = new Map<string, number>();
  for (const { nat } of nodes) counts.set(nat, (counts.get(nat) ?? 0) + 1);
  const parts = [...counts].map(([nat, count]) => (count === nodes.length ? nat : `${count} ${nat}`));
  return `NAT ${parts.join(", ")}`;
}

/** `mapped 192.0.2.5:1776 (PCP)`; of several nodes `3 mapped`. */
function mappingText(nodes: readonly NodeView[]): string | null {
  const mappings = nodes.flatMap(({ mapping }) => mapping ?? []);
  const [first] = mappings;
  if (!first) return null;
  return nodes.length === 1 ? `mapped ${first.address} (${first.protocol})` : `${mappings.length} mapped`;
}

function some(nodes: readonly NodeView[], is: (view: NodeView) => boolean, word: string): string | null {
  const count = nodes.filter((view) => is(view)).length;
  if (count === 0) return null;
  return nodes.length === 1 ? word : `${count} ${word}`;
}

/** `153 nodes`; of several tables `9 to 12 nodes`. */
function knownText(nodes: readonly NodeView[]): string {
  const sizes = nodes.map(({ knownNodes }) => knownNodes);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  return least === most ? counted(most, "node") : `${least} to ${most} nodes`;
}

/** `312 B/s`, `14 kB/s`, `1.4 MB/s`; a kB is 1000 bytes. */
export function byteRateText(bytesPerSecond: number): string {
  const units = ["B/s", "kB/s", "MB/s", "GB/s"];
  let [value, unit] = [bytesPerSecond, 0];
  while (Math.round(value) >= 1_000 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${unit === 0 ? Math.round(value) : roundedText(value)} ${units[unit]}`;
}

/** Two digits below ten, none after the point above. */
function roundedText(value: number): string {
  return value < 9.95 ? String(Number(value.toFixed(1))) : String(Math.round(value));
}
