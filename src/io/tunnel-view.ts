import type { TunnelSuite } from "./tunnel-config.ts";

/** What a running tunnel tells about itself: over its control socket, and as the result of `dnet tunnel show --json`. */
export interface TunnelView {
  readonly schema: "dnet.tunnel/1";
  readonly name: string;
  /** Base64, 44 characters, as everywhere in WireGuard. */
  readonly publicKey: string;
  readonly listenPort: number;
  readonly mtu: number;
  /** Prefixes in text, `10.0.0.1/24`. */
  readonly addresses: readonly string[];
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Which facilities of the system are in use: true or false, or which of several. */
  readonly features: { readonly [feature: string]: boolean | string };
  /** Datagrams and packets dropped before a peer was known, by reason, since the start. */
  readonly counters: { readonly [reason: string]: number };
  readonly peers: readonly TunnelPeerView[];
}

export interface TunnelPeerView {
  readonly publicKey: string;
  /** Whether there is one; the key itself never leaves the process. */
  readonly presharedKey: boolean;
  readonly suite: TunnelSuite;
  /** `192.0.2.1:51820` or `[2001:db8::1]:51820`; null until known. */
  readonly endpoint: string | null;
  readonly allowedAddresses: readonly string[];
  /** Null when there was none yet. */
  readonly latestHandshakeSecondsAgo: number | null;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly sentPackets: number;
  readonly persistentKeepaliveSeconds: number | null;
  /** Whether super-packets are on towards this peer just now (`datapath.md` §3). */
  readonly superPackets: boolean;
  /** Largest UDP payload known to reach it, in bytes; null while unknown. */
  readonly pathMtu: number | null;
  /** Packets of this peer dropped, by reason. */
  readonly drops: { readonly [reason: string]: number };
}
