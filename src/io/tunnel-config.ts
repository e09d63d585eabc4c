import type { Prefix } from "../base/ip.ts";

/** An interface's least MTU in bytes: what every IPv4 host takes (RFC 791 §3.1), and what IPv6 needs (RFC 8200 §5). */
export const LEAST_MTU = { 4: 576, 6: 1280 } as const;

/** What a static tunnel is made of: one interface and its peers, as a wg-quick file (`src/cli/wg-quick.ts`) says it. */
export interface TunnelConfig {
  /** The interface's name: 1 to 15 characters of `[A-Za-z0-9_=+.-]`. */
  readonly name: string;
  /** X25519 secret, 32 bytes, as written in the file: perhaps not yet clamped (RFC 7748 §5). */
  readonly privateKey: Uint8Array;
  /** UDP port, 1 to 65535; null lets the kernel choose. */
  readonly listenPort: number | null;
  /** Largest inner packet in bytes, 576 to 65535; null lets the datapath choose. */
  readonly mtu: number | null;
  /** The interface's own addresses, host bits kept. */
  readonly addresses: readonly Prefix[];
  readonly peers: readonly TunnelPeerConfig[];
}

export interface TunnelPeerConfig {
  /** X25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes; null is the protocol's all-zero key, which adds nothing. */
  readonly presharedKey: Uint8Array | null;
  /** Networks (host bits zero) that are sent to this peer and accepted from it; no other peer has the same one. */
  readonly allowedAddresses: readonly Prefix[];
  /** Where to send first; null waits for the peer to speak. */
  readonly endpoint: TunnelEndpoint | null;
  /** 0 sends none of its own accord. */
  readonly persistentKeepaliveSeconds: number;
  /** `architecture.md` §6: W speaks to any WireGuard, D to another dnet. */
  readonly suite: TunnelSuite;
  /** Whether packets may be sealed many at a time while nothing is lost (`datapath/super-packets.ts`); suite D only. */
  readonly superPackets: boolean;
}

export interface TunnelEndpoint {
  /** An address in canonical text without brackets, or a DNS name that is yet to be resolved. */
  readonly host: string;
  readonly port: number;
}

export type TunnelSuite = "wireguard" | "dnet";
