/** What a DHT node is given, and what it gives out. */
import type { Address } from "../base/address.ts";
import type { Random } from "../base/random.ts";
import type { MessageCipher } from "../crypto/secretstream.ts";
import type { BootstrapNode } from "./bootstrap.ts";
import type { ConnectionOutput } from "./connections.ts";
import type { Peer } from "./peer.ts";
import type { Query, QueryFailure } from "./query.ts";
import type { Reply, RequestFailure, SocketName } from "./requests.ts";
import type { Tokens } from "./tokens.ts";

/** Options that HyperDHT has too carry its defaults (§19). */
export interface DhtNodeOptions {
  readonly random: Random;
  /** Milliseconds since 1970 at the monotonic moment 0. */
  readonly unixOriginMs: number;
  readonly bootstrap: readonly BootstrapNode[];
  /** Nodes that were good before: in the table from the start. */
  readonly nodes: readonly Address[];
  /** True: stay ephemeral. False: become persistent at once. Null: once stable and reachable. */
  readonly isEphemeral: boolean | null;
  /** Believed unreachable until shown otherwise. */
  readonly isFirewalled: boolean;
  readonly quickFirewall: boolean;
  /** Our own public address, where it is known beforehand: a bootstrap node has no one to ask. */
  readonly publicAddress: Address | null;
  /**
   * Strangers from all over the internet reach us: no more than two nodes of one /24 in the table, limits per network, no reply
   * larger than its request to who has not shown that it receives there, and no private address among the nodes.
   */
  readonly isPublic: boolean;
  readonly concurrency: number;
  readonly maxWindow: number;
  readonly maxPingDelayMs: number;
  readonly sendDownHints: boolean;
  /** In a tick of 5 s; -1 for no limit. */
  readonly downHintsPerTick: number;
  /** Ticks of 5 s until an adaptive node looks whether it can be persistent. */
  readonly stableTicks: number;
  readonly maxSize?: number;
  readonly maxAgeMs?: number;
  /** Connections say something at least so often; 0 for never. */
  readonly keepAliveMs: number;
  /** Seals what they send, and opens what they receive. */
  readonly messageCipher: MessageCipher;
  /** Ours on our own networks, IPv4, without ports; asked whenever a peer is to know them. */
  readonly localHosts: () => readonly string[];
  /** False for a node that must not be asked or kept. */
  readonly admits: (node: Address) => boolean;
  /** Round-trip tokens; made from `random` when left out. */
  readonly tokens?: Tokens;
}

export type DhtOutput =
  | ConnectionOutput
  | {
      readonly type: "send";
      readonly socket: SocketName;
      readonly to: Address;
      readonly datagram: Uint8Array;
      /** When not 0: several datagrams of so many bytes each, the last perhaps shorter. */
      readonly segmentBytes: number;
    }
  /** The IPv4 address of a name is wanted: `resolved` must be called, sooner or later. */
  | { readonly type: "resolve"; readonly host: string }
  | { readonly type: "reply"; readonly query: Query; readonly reply: Reply }
  | { readonly type: "finished"; readonly query: Query; readonly failure: QueryFailure | null }
  | { readonly type: "answered"; readonly request: number; readonly reply: Reply }
  | { readonly type: "failed"; readonly request: number; readonly why: RequestFailure }
  | { readonly type: "ready" | "persistent" | "ephemeral" | "wakeup" | "natUpdate" | "networkUpdate" }
  | { readonly type: "addNode" | "removeNode"; readonly node: Peer };
