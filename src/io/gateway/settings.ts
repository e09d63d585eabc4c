/** What the calls of a gateway may be told beside their arguments, and what a gateway tells. */
import type { Address } from "../../base/address.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";

/** Longer values would not fit a datagram that the internet carries whole, beside the id, token and nodes of a reply. */
export const MAX_VALUE_BYTES = 1_000;

export interface QuerySettings {
  /** Begin with these instead of the routing table. */
  readonly nodes?: readonly Address[];
  readonly concurrency?: number;
  /** How often a node is asked again. Default 5. */
  readonly retries?: number;
  /** Ask `nodes` and nobody else. */
  readonly onlyClosestNodes?: boolean;
}

/** A relay's key, or several of which one is picked by chance: 32 bytes each, or their text. */
export type Relays = Uint8Array | string | readonly (Uint8Array | string)[];

export interface ConnectSettings {
  /** Ours. Default: the gateway's. */
  readonly keyPair?: KeyPair;
  /** Nodes that are said to lead to the server, as its `nodes` are: tried at once. */
  readonly nodes?: readonly Address[];
  /** The same, as HyperDHT calls it. */
  readonly relayAddresses?: readonly Address[];
  /** Tell the server our own addresses, and try its own: when both are behind one public address, and by IPv6. Default true. */
  readonly localConnection?: boolean;
  /** Probe before the first round of hole punching. Default true. */
  readonly fastOpen?: boolean;
  /**
   * A relay that carries the connection until there is a direct path, or where there is none; the server's own goes before it. What it
   * passes on it cannot read. A server that does not know us calls only relays that it uses itself.
   */
  readonly relayThrough?: Relays;
}

export interface RequestSettings {
  /** Default 3. */
  readonly retries?: number;
}

/** What one node is asked, for `request`. */
export interface Question {
  readonly command: number;
  readonly target?: Uint8Array;
  readonly value?: Uint8Array;
  readonly token?: Uint8Array;
  /** Of the RPC's own commands. */
  readonly internal?: boolean;
}

export interface GatewayEvents {
  /** The sockets are open. */
  listening: [];
  /** The network was looked for; found or not. */
  ready: [];
  persistent: [];
  ephemeral: [];
  wakeup: [];
  /** Others see us elsewhere; null and 0 while that is not known. */
  "nat-update": [host: string | null, port: number];
  "network-change": [];
  "network-update": [];
  "add-node": [Address];
  "remove-node": [Address];
  suspend: [];
  resume: [];
  close: [];
}
