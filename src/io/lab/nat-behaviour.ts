/** How NATs differ, in the words of RFC 4787. */

/** Of what, beside the inside address, a mapping (§4.1) or a filter (§5) depends. */
export type Dependence = "endpoint-independent" | "address-dependent" | "address-and-port-dependent";

/**
 * Which outside port a new mapping gets (§4.2); where it is taken, the next one up that is free.
 * - preserving: the inside port
 * - overloading: the inside port, even if other mappings have it, as long as their destinations differ: Linux
 * - random
 * - sequential: so many after the last mapping's, whoever made that
 */
export type PortAllocation = "preserving" | "overloading" | "random" | { readonly sequential: number };

export interface NatBehaviour {
  readonly mapping: Dependence;
  readonly filtering: Dependence;
  readonly ports: PortAllocation;
  /** How long a mapping, and leave to enter by it, lasts after the last outbound datagram (§4.3). */
  readonly expiryMs: number;
  /** Whether what comes in keeps it alive too. */
  readonly inboundRefreshes: boolean;
  /** Whether two hosts behind it reach each other by its outside addresses (§6). */
  readonly hairpins: boolean;
  /** Full: a new mapping is refused, and those that are stay. */
  readonly maxMappings: number;
  /** Of several outside addresses, one for each inside host, or any for each mapping (§4.1). */
  readonly pooling: "paired" | "arbitrary";
}

/** A home router that does what RFC 4787 asks of it. */
export const RFC_4787: NatBehaviour = {
  mapping: "endpoint-independent",
  filtering: "address-and-port-dependent",
  ports: "preserving",
  expiryMs: 120_000, // REQ-5
  inboundRefreshes: false,
  hairpins: true, // REQ-9
  maxMappings: 16_384, // net.netfilter.nf_conntrack_max of a Linux router with 512 MB
  pooling: "paired", // REQ-2
};

/** nftables `masquerade`: consistent, until two inside hosts send from one port to one destination. */
export const LINUX: NatBehaviour = {
  ...RFC_4787,
  mapping: "address-and-port-dependent",
  ports: "overloading",
  expiryMs: 30_000, // net.netfilter.nf_conntrack_udp_timeout
  inboundRefreshes: true,
  hairpins: false, // it takes a rule of its own
};

/** The hard kind: another port for each destination, and none can be foretold. `masquerade random`; many firms' firewalls. */
export const RANDOM: NatBehaviour = {
  ...RFC_4787,
  mapping: "address-and-port-dependent",
  ports: "random",
  expiryMs: 30_000,
  hairpins: false,
};
