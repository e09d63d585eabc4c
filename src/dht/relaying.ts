/**
 * One end's part of a blind relay: a connection of its own to the relay, on which it asks to be joined with the other end's stream under
 * a token that both know. Source: hyperdht lib/connect.js `relayConnection`, blind-relay index.js; specification §15.
 */
import type { Address } from "../base/address.ts";
import { sameAddress } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import { type Channel, Mux } from "../transport/mux.ts";
import { BLIND_RELAY, BLIND_RELAY_PROTOCOL, decodePair, decodeUnpair, encodePair } from "../wire/blind-relay.ts";
import type { RelayThrough } from "../wire/noise-payload.ts";
import type { Connection, ConnectionOwner } from "./connection.ts";
import type { Path } from "./connection-surroundings.ts";

/** How long the relay and the other end may take together. */
const PAIRING_MS = 15_000;

export interface RelayingOptions {
  readonly through: RelayThrough;
  /** Which of the two ends of the pair we are: whose relay it is. */
  readonly isInitiator: boolean;
  /** Our key on the connection to the relay. */
  readonly publicKey: Uint8Array;
  /** The stream that is to be relayed, at our end. */
  readonly streamId: number;
  /** Connects to the relay. */
  readonly connect: (owner: ConnectionOwner) => Connection;
}

export interface RelayingOwner {
  /** The stream may go by `path` now. */
  paired(now: number, path: Path): void;
  /** The relay is at another address. */
  moved(now: number, path: Path): void;
  /** It never could, or cannot any more. */
  lost(now: number): void;
}

export class Relaying {
  /** The way through the relay, once there is one. */
  path: Path | null = null;
  readonly #options: RelayingOptions;
  readonly #owner: RelayingOwner;
  readonly #connection: Connection;
  readonly #mux: Mux;
  #giveUpAt: number;
  #isOver = false;

  constructor(now: number, options: RelayingOptions, owner: RelayingOwner) {
    const { through, isInitiator, publicKey, streamId } = options;
    this.#options = options;
    this.#owner = owner;
    this.#giveUpAt = now + PAIRING_MS;
    this.#mux = new Mux({
      write: (at, message) => this.#connection.send(at, message),
      offered: () => null,
      broken: (at) => this.#connection.destroy(at, "broken"),
    });
    this.#connection = options.connect(this.#ofConnection);
    const channel = this.#mux.open(now, { protocol: BLIND_RELAY_PROTOCOL, id: publicKey }, this.#ofChannel);
    const pair = encodePair({ isInitiator, token: through.token, id: streamId, seq: 0 });
    channel?.send(now, BLIND_RELAY.pair, pair);
  }

  /** Whether packets from there come from the relay, as far as anyone can tell. */
  isRelay(socket: string, from: Address): boolean {
    const { remote } = this.#connection;
    return remote !== null && remote.socket === socket && sameAddress(remote, from);
  }

  /** The relay is not needed any more. Its owner hears nothing of it. */
  end(now: number): void {
    this.#isOver = true;
    this.#giveUpAt = Infinity;
    this.#connection.destroy(now);
  }

  advance(now: number): void {
    if (now >= this.#giveUpAt) this.#connection.destroy(now, "timeout");
  }

  deadline(): number {
    return this.#giveUpAt;
  }

  #onMessage(now: number, type: number, payload: Uint8Array): void {
    const { through, isInitiator } = this.#options;
    const unpair = type === BLIND_RELAY.unpair ? decodeUnpair(payload) : null;
    if (unpair && sameBytes(unpair.token, through.token)) return this.#connection.destroy(now); // it is full
    const pair = type === BLIND_RELAY.pair ? decodePair(payload) : null;
    const { remote } = this.#connection;
    const isOurs = pair && pair.isInitiator === isInitiator && sameBytes(pair.token, through.token);
    if (!isOurs || !remote || this.path || this.#isOver) return;
    this.#giveUpAt = Infinity;
    this.path = this.#pathTo(pair.id, remote);
    this.#owner.paired(now, this.path);
  }

  /** The relay, or the way to it, is another: it takes nothing of the stream from where its connection is not. */
  #follow(now: number): void {
    const { remote } = this.#connection;
    if (!remote || !this.path || this.#isOver) return;
    this.path = this.#pathTo(this.path.remoteId, remote);
    this.#owner.moved(now, this.path);
  }

  #pathTo(remoteId: number, { socket, host, port }: NonNullable<Connection["remote"]>): Path {
    return { socket, to: { host, port }, remoteId };
  }

  #lose(now: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#giveUpAt = Infinity;
    this.#owner.lost(now);
  }

  readonly #ofChannel = {
    opened: () => {},
    message: (now: number, _channel: Channel, type: number, payload: Uint8Array) => this.#onMessage(now, type, payload),
    closed: (now: number) => this.#connection.destroy(now), // it does not take us
  };

  readonly #ofConnection: ConnectionOwner = {
    opened: () => {},
    message: (now, _connection, message) => this.#mux.receive(now, message),
    unordered: () => {},
    ended: (now, connection) => connection.destroy(now),
    writable: (now) => this.#mux.drained(now),
    moved: (now) => this.#follow(now),
    closed: (now) => {
      this.#mux.end(now);
      this.#lose(now);
    },
  };
}
