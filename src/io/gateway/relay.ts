/** A blind relay for programs: joins the peers that its operator admits. Source: blind-relay 1.6 index.js; specification §15. */
import type { KeyPair } from "../../crypto/ed25519.ts";
import type { BlindRelay } from "../../dht/blind-relay.ts";
import type { Connection, ConnectionOwner } from "../../dht/connection.ts";
import type { DhtHost } from "../dht-host.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { Server } from "./server.ts";

export interface RelayOptions {
  /** Whose streams it carries, by the key that they connect to it with. It carries nobody that is not admitted. */
  readonly admits: (remotePublicKey: Uint8Array) => boolean;
}

export class Relay extends Server {
  /** Null until the first peer has come. */
  #relay: BlindRelay | null = null;

  constructor({ admits }: RelayOptions, life: Lifecycle) {
    super({ firewall: (remotePublicKey) => !admits(remotePublicKey) }, life);
  }

  /** Peers that are connected, pairs that are joined, and those that wait for their other end. */
  get counts(): { readonly peers: number; readonly pairs: number; readonly waiting: number } {
    return this.#relay?.counts ?? { peers: 0, pairs: 0, waiting: 0 };
  }

  protected override connected(
    host: DhtHost,
    _keyPair: KeyPair,
    remotePublicKey: Uint8Array,
    connection: Connection,
  ): ConnectionOwner {
    this.#relay ??= host.node.connections.createRelay();
    return this.#relay.accept(remotePublicKey, connection);
  }
}
