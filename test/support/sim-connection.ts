/** One connection between two simulated nodes: whether it opens, and whether what is said at either end is heard at the other. */
import type { Address } from "../../src/base/address.ts";
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import type { Connection, ConnectionEnd, ConnectionOwner } from "../../src/dht/connection.ts";
import type { ServerOwner } from "../../src/dht/reception.ts";
import type { Internet } from "../sim/internet/internet.ts";
import type { SimDhtNode } from "./sim-dht.ts";

/** One end, and all that it heard. */
export class SimEnd implements ConnectionOwner {
  connection!: Connection;
  readonly heard: Uint8Array[] = [];
  openedAt: number | null = null;
  hasEnded = false;
  /** Undefined while it lives. */
  why: ConnectionEnd | undefined = undefined;

  constructor(readonly internet: Internet) {}

  opened(): void {
    this.openedAt ??= this.internet.now;
  }
  message(_now: number, _connection: Connection, message: Uint8Array): void {
    this.heard.push(message);
  }
  unordered(): void {}
  ended(): void {
    this.hasEnded = true;
  }
  writable(): void {}
  moved(): void {}
  closed(_now: number, _connection: Connection, why: ConnectionEnd): void {
    this.why = why;
  }
  get text(): string {
    return this.heard.map((message) => new TextDecoder().decode(message)).join("");
  }
}

export interface SimServer {
  readonly publicKey: Uint8Array;
  /** Of every client so far. */
  readonly ends: SimEnd[];
  readonly isListening: boolean;
}

export interface ListenSettings {
  /** A fresh one unless it is given. */
  readonly keyPair?: KeyPair;
  readonly admits?: (remotePublicKey: Uint8Array) => boolean;
  readonly mayRelay?: () => boolean;
  readonly relayThrough?: Uint8Array | null;
  /** Whoever gets what a client says; left out, each message is answered with the same. */
  readonly accept?: (remotePublicKey: Uint8Array, connection: Connection) => ConnectionOwner;
  /** Of clients that another server had under this key. */
  readonly ends?: SimEnd[];
}

/** A server; returns once it is announced. */
export function listen(internet: Internet, node: SimDhtNode, settings: ListenSettings = {}): SimServer {
  const server = begin(internet, node, settings);
  internet.runUntil(() => server.isListening, 60_000);
  return server;
}

/** The same, which may not be announced yet. */
export function begin(internet: Internet, node: SimDhtNode, settings: ListenSettings): SimServer {
  const { keyPair = keyPairFromSeed(internet.freshRandom().bytes(32)), relayThrough = null, ends = [] } = settings;
  const { admits = () => true, mayRelay = () => true } = settings;
  const server = { publicKey: keyPair.publicKey, ends, isListening: false };
  const echo = (connection: Connection): SimEnd => {
    const end = new SimEnd(internet);
    end.connection = connection;
    end.message = (_now, _connection, message) => {
      end.heard.push(message);
      internet.after(0, () => node.dht.input((at) => connection.send(at, message)));
    };
    end.ended = () => internet.after(0, () => node.dht.input((at) => connection.end(at)));
    ends.push(end);
    return end;
  };
  const owner: ServerOwner = {
    admits,
    mayRelay,
    listening: () => {
      server.isListening = true;
    },
    connected: settings.accept ?? ((_key, connection) => echo(connection)),
    closed: () => {},
  };
  const options = { keyPair, punches: true, sharesLocalAddresses: true, relayThrough };
  node.dht.input((now) => node.node.connections.listen(now, options, owner));
  return server;
}

export interface Attempt {
  readonly end: SimEnd;
  /** Until the first word came back; null when it never did. */
  readonly tookMs: number | null;
  readonly failure: ConnectionEnd | undefined;
}

/** Connects `client` to the key, says something at once, and runs until it was answered or the connection is over. */
export function connect(
  internet: Internet,
  client: SimDhtNode,
  remotePublicKey: Uint8Array,
  settings: { readonly relayAddresses?: readonly Address[]; readonly relayThrough?: Uint8Array | null } = {},
): Attempt {
  const { relayAddresses = [], relayThrough = null } = settings;
  const startedAt = internet.now;
  const end = new SimEnd(internet);
  const keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
  const options = { remotePublicKey, keyPair, relayAddresses, fastOpen: true, localConnection: true, relayThrough };
  client.dht.input((now) => {
    end.connection = client.node.connections.connect(now, options, end);
    end.connection.send(now, new TextEncoder().encode("hello"));
  });
  internet.runUntil(() => end.heard.length > 0 || end.why !== undefined, 90_000);
  return { end, tookMs: end.heard.length > 0 ? internet.now - startedAt : null, failure: end.why };
}
