/** A running tunnel for people, in the words and the order of `wg show` (wg(8)), and after them what only dnet has. */
import type { TunnelPeerView, TunnelView } from "../io/tunnel-view.ts";

type Style = "bold" | "green" | "yellow" | "cyan";
const ESCAPES: { readonly [style in Style]: string } = { bold: "1", green: "1;32", yellow: "1;33", cyan: "36" };
type Paint = (style: Style, text: string) => string;
/** A label and its text; a null text leaves the line out. */
type Row = readonly [label: string, text: string | null];

/** One block for the interface and one for each peer, the last to have spoken first. Ends with a line end. */
export function tunnelText(view: TunnelView, color: boolean): string {
  const paint: Paint = (style, text) => (color ? `\x1b[${ESCAPES[style]}m${text}\x1b[0m` : text);
  const age = (peer: TunnelPeerView) => peer.latestHandshakeSecondsAgo ?? Infinity;
  const peers = view.peers.toSorted((a, b) => (age(a) === age(b) ? 0 : age(a) - age(b)));
  const blocks = [
    block(paint, "green", "interface", view.name, interfaceRows(view)),
    ...peers.map((peer) => block(paint, "yellow", "peer", peer.publicKey, peerRows(peer, paint))),
  ];
  return blocks.join("\n");
}

function interfaceRows(view: TunnelView): Row[] {
  return [
    ["public key", view.publicKey],
    ["private key", "(hidden)"],
    ["listening port", String(view.listenPort)],
    ["addresses", view.addresses.join(", ") || "(none)"],
    ["mtu", String(view.mtu)],
    ["running", `process ${view.pid}, since ${view.startedAt}`],
    ["features", featuresText(view.features)],
    ["drops", countsText(view.counters)],
  ];
}

function peerRows(peer: TunnelPeerView, paint: Paint): Row[] {
  const { receivedBytes, sentBytes, receivedPackets, sentPackets, latestHandshakeSecondsAgo: ago } = peer;
  const transfer =
    `${bytesText(receivedBytes, paint)} received, ${bytesText(sentBytes, paint)} sent` +
    ` (${receivedPackets} and ${sentPackets} packets)`;
  return [
    ["preshared key", peer.presharedKey ? "(hidden)" : null],
    ["suite", peer.suite],
    ["endpoint", peer.endpoint],
    ["allowed ips", peer.allowedAddresses.join(", ") || "(none)"],
    ["latest handshake", ago === null ? null : agoText(ago, paint)],
    ["transfer", receivedBytes + sentBytes > 0 ? transfer : null],
    ["persistent keepalive", keepaliveText(peer.persistentKeepaliveSeconds, paint)],
    ["super-packets", peer.suite === "dnet" ? (peer.superPackets ? "on" : "off") : null],
    ["path mtu", peer.pathMtu === null ? null : String(peer.pathMtu)],
    ["drops", countsText(peer.drops)],
  ];
}

function block(paint: Paint, style: Style, kind: string, name: string, rows: readonly Row[]): string {
  const shown = rows.filter((row) => row[1] !== null);
  const lines = shown.map(([label, text]) => `  ${paint("bold", label)}: ${text}`);
  return `${paint(style, kind)}: ${paint(style, name)}\n${lines.join("\n")}\n`;
}

/** `1 minute, 3 seconds ago`; `now` below a second. */
export function agoText(seconds: number, paint: Paint = (_, text) => text): string {
  return seconds < 1 ? "now" : `${spanText(seconds, paint)} ago`;
}

function spanText(seconds: number, paint: Paint): string {
  const units = [
    ["year", 365 * 86_400],
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
    ["second", 1],
  ] as const;
  const parts: string[] = [];
  let left = Math.floor(seconds);
  for (const [unit, length] of units) {
    const count = Math.floor(left / length);
    left -= count * length;
    if (count > 0) parts.push(`${count} ${paint("cyan", count === 1 ? unit : `${unit}s`)}`);
  }
  return parts.join(", ");
}

/** `1.21 MiB`; whole bytes below a KiB. */
export function bytesText(bytes: number, paint: Paint = (_, text) => text): string {
  if (bytes < 1024) return `${bytes} ${paint("cyan", "B")}`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(2)} ${paint("cyan", units[power - 1]!)}`;
}

function keepaliveText(seconds: number | null, paint: Paint): string | null {
  return seconds ? `every ${spanText(seconds, paint)}` : null;
}

/** `tun-offload on, aead-wireguard libcrypto`. */
function featuresText(features: TunnelView["features"]): string {
  const shown = Object.entries(features).map(([name, state]) => {
    return `${name} ${typeof state === "string" ? state : state ? "on" : "off"}`;
  });
  return shown.join(", ") || "(none)";
}

function countsText(counts: { readonly [reason: string]: number }): string | null {
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return shown.length === 0 ? null : shown.map(([reason, count]) => `${count} ${reason}`).join(", ");
}
