/**
 * The search for a path of one connection that we make, or that has lost the one it had: for a direct one, and for a relay that carries
 * it until there is one.
 * Source: hyperdht lib/connect.js; specification §11, §15.
 *
 * Differs: a relay of ours is called at once, beside the search; the reference calls it when the server has answered.
 */
import type { Address } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import type { RelayThrough } from "../wire/noise-payload.ts";
import type { Connection, ConnectionOwner, Seeker } from "./connection.ts";
import type { ConnectionSurroundings, Way } from "./connection-surroundings.ts";
import { Connector, type ConnectorOptions } from "./connector.ts";
import type { Agreed } from "./handshaker.ts";
import type { Reason } from "./reasons.ts";
import { Relaying } from "./relaying.ts";
import { type SocketName, TIMEOUT_MS } from "./requests.ts";

/** What was not answered for so long may have been asked by a way that was lost meanwhile, or of one who has moved again. */
const STUCK_MS = 2_000;
/** While a stream waits, what is not answered is asked again after two of its round trips, but not before. */
const LEAST_REPEAT_MS = 300;

export interface DialOptions extends Omit<ConnectorOptions, "streamId" | "relayThrough" | "repeatMs"> {
  /** The key of a relay that may join us, unless the server names one of its own; 32 bytes. */
  readonly relayThrough: Uint8Array | null;
}

export interface DialSurroundings extends ConnectionSurroundings {
  /** One more connection of this node. */
  connect(now: number, options: DialOptions, owner: ConnectionOwner): Connection;
  /** The nodes that led to that server before. */
  knownRelays(server: Uint8Array): readonly Address[];
  remember(server: Uint8Array, relays: readonly Address[]): void;
}

export class Dial implements Seeker {
  readonly #connection: Connection;
  readonly #options: DialOptions;
  readonly #around: DialSurroundings;
  #begunAt = Infinity;
  #connector: Connector | null = null;
  #hasAgreed = false;
  #relaying: Relaying | null = null;
  /** Why there is no direct path, once that is known. */
  #failure: Reason | null = null;
  #hasLostRelay = false;

  constructor(connection: Connection, options: DialOptions, around: DialSurroundings) {
    this.#connection = connection;
    this.#options = options;
    this.#around = around;
  }

  /** Whether it still asks nodes for the server. */
  get isShaking(): boolean {
    return this.#connector?.isShaking ?? false;
  }

  /** Whether there is nothing more to look for. */
  get isDone(): boolean {
    return this.#connector?.isDone ?? false;
  }

  /** Whether another one would do better. */
  isStuck(now: number): boolean {
    return now - this.#begunAt >= STUCK_MS && (this.#connector?.isAsking ?? false);
  }

  /** Its turn has come. */
  begin(now: number): void {
    this.#begunAt = now;
    const { remotePublicKey, relayThrough } = this.#options;
    const isSensible = relayThrough && !sameBytes(relayThrough, remotePublicKey);
    const through = isSensible ? { publicKey: relayThrough, token: this.#around.random.bytes(32) } : null;
    if (through) this.#relayBy(now, through, true);
    const isTold = this.#options.relayAddresses.length > 0;
    const relayAddresses = isTold ? this.#options.relayAddresses : this.#around.knownRelays(remotePublicKey);
    const { stream, hasPath } = this.#connection;
    const soonMs = Math.min(Math.max(LEAST_REPEAT_MS, 2 * stream.stats.rttMs), TIMEOUT_MS);
    const repeatMs = hasPath ? soonMs : TIMEOUT_MS;
    const options = { ...this.#options, relayAddresses, streamId: stream.id, relayThrough: through, repeatMs };
    const connector = new Connector(now, options, this.#around, this.#connection.trace, {
      agreed: (at, agreed) => this.#agreed(at, agreed),
      connected: (at, way) => {
        this.#around.remember(remotePublicKey, connector.relays);
        this.#connection.path.reached(at, way);
      },
      failed: (at, reason) => this.#fail(at, reason),
    });
    this.#connector = connector;
  }

  /** The first packet of the stream came from there. */
  reached(now: number, way: Way): void {
    this.#connector?.reached(now, way);
  }

  probed(now: number, socket: SocketName, from: Address): boolean {
    return this.#connector?.probed(now, socket, from) ?? false;
  }

  /** The connection is over. */
  cancel(now: number): void {
    this.#connector?.cancel(now);
  }

  advance(now: number): void {
    this.#connector?.advance(now);
  }

  deadline(): number {
    return this.#connector?.deadline() ?? Infinity;
  }

  #agreed(now: number, { session, payload }: Agreed): void {
    this.#hasAgreed = true;
    this.#connection.path.agree(session, payload.udx!);
    if (payload.relayThrough) return this.#relayBy(now, payload.relayThrough, false);
    if (this.#relaying?.path) this.#connection.path.relayed(now, this.#relaying.path);
  }

  #relayBy(now: number, { publicKey, token }: RelayThrough, isInitiator: boolean): void {
    const { keyPair } = this.#options;
    const through = { publicKey: publicKey.slice(), token: token.slice() };
    this.#connection.trace.note(now, "relay", null, publicKey.toHex());
    const relaying = new Relaying(
      now,
      {
        through,
        isInitiator,
        publicKey: keyPair.publicKey,
        streamId: this.#connection.stream.id,
        connect: (owner) => this.#around.connect(now, toRelay(publicKey, keyPair), owner),
      },
      {
        paired: (at, path) => {
          if (this.#hasAgreed) this.#connection.path.relayed(at, path);
        },
        moved: (at, path) => this.#connection.path.relayMoved(at, path),
        lost: (at) => this.#relayLost(at),
      },
    );
    this.#relaying = relaying;
    this.#connection.path.relayBy(now, relaying);
  }

  #relayLost(now: number): void {
    this.#relaying = null;
    this.#hasLostRelay = true;
    const hasPath = this.#connection.path.unrelayed(now);
    if (!hasPath && this.#failure) this.#connection.destroy(now, "RELAY_ABORTED");
  }

  #fail(now: number, reason: Reason): void {
    this.#failure = reason;
    this.#connection.trace.fail(now, reason);
    const mayBeRelayed = this.#connection.path.mayBeRelayed && this.#hasAgreed;
    if (mayBeRelayed || this.#connection.hasPath) return;
    this.#connection.destroy(now, this.#hasAgreed && this.#hasLostRelay ? "RELAY_ABORTED" : reason);
  }
}

/** How a relay is called: it is never itself relayed. */
export function toRelay(remotePublicKey: Uint8Array, keyPair: DialOptions["keyPair"]): DialOptions {
  const nothing = { relayAddresses: [], relayThrough: null };
  return { remotePublicKey: remotePublicKey.slice(), keyPair, ...nothing, fastOpen: true, localConnection: true };
}
