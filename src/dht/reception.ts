/**
 * The connections of one server that are being made: each call has one, which its user is told of as soon as there is a path, be it by a
 * relay. Source: hyperdht lib/server.js `_addHandshake`, `_relayConnection`; specification §12, §15.
 *
 * Differs: a relay that a client names is called only when `mayRelay` says so, since anyone can name anyone.
 */
import type { Address } from "../base/address.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import type { NoisePayload, RelayThrough } from "../wire/noise-payload.ts";
import type { Call } from "./call.ts";
import type { Connection, ConnectionOwner } from "./connection.ts";
import type { Way } from "./connection-surroundings.ts";
import { type DialOptions, toRelay } from "./dial.ts";
import type { Holepuncher } from "./holepuncher.ts";
import type { ListenerOwner } from "./listener.ts";
import { Relaying } from "./relaying.ts";

export interface ServerOwner {
  /** Whether that key may connect; asked before anything is kept of it. */
  admits(remotePublicKey: Uint8Array, payload: NoisePayload, client: Address): boolean;
  /** Whether a client that was admitted may have us call that relay. */
  mayRelay(relayPublicKey: Uint8Array, remotePublicKey: Uint8Array): boolean;
  /** It can be found. */
  listening(): void;
  /** A client is here; whoever gets its messages is the answer. */
  connected(remotePublicKey: Uint8Array, connection: Connection): ConnectionOwner;
  /** Its announcement is taken back. */
  closed(): void;
}

export interface ReceptionSurroundings {
  /** The connection that the client has with us already under that stream, or a new one. */
  connection(now: number, call: Call): Connection;
  connect(now: number, options: DialOptions, owner: ConnectionOwner): Connection;
}

export class Reception implements ListenerOwner {
  readonly #keyPair: KeyPair;
  readonly #owner: ServerOwner;
  readonly #around: ReceptionSurroundings;
  readonly #connections = new Map<Call, Connection>();

  constructor(keyPair: KeyPair, owner: ServerOwner, around: ReceptionSurroundings) {
    this.#keyPair = keyPair;
    this.#owner = owner;
    this.#around = around;
  }

  admits(remotePublicKey: Uint8Array, payload: NoisePayload, client: Address): boolean {
    return this.#owner.admits(remotePublicKey, payload, client);
  }

  expected(now: number, call: Call): void {
    const { from, payload, session, relayThrough } = call.parts;
    const connection = this.#around.connection(now, call);
    connection.path.agree(session, payload.udx!);
    connection.seeker?.cancel(now);
    connection.seeker = call;
    connection.trace.note(now, "heard", from.client, from.isDirect ? "without a relay" : null);
    connection.trace.candidates(now, payload);
    this.#connections.set(call, connection);
    const theirs = payload.relayThrough;
    if (call.isDirect) return; // no relay is needed
    if (relayThrough) this.#relayBy(now, call, connection, relayThrough, true);
    else if (theirs && this.#owner.mayRelay(theirs.publicKey, session.remotePublicKey)) {
      this.#relayBy(now, call, connection, theirs, false);
    }
  }

  /** There is a direct path. */
  connected(now: number, call: Call, way: Way): void {
    const connection = this.#connections.get(call)!;
    this.#forget(call, connection);
    this.#introduce(connection);
    connection.path.reached(now, way);
  }

  learnt(now: number, call: Call, puncher: Holepuncher): void {
    this.#connections.get(call)?.trace.nats(now, puncher);
  }

  /** There is none. */
  abandoned(now: number, call: Call): void {
    const connection = this.#connections.get(call);
    if (!connection) return;
    this.#forget(call, connection);
    const isDirect = connection.hasPath && !connection.path.isRelayed; // a client that called again came back by itself
    if (!isDirect) connection.trace.fail(now, "HOLEPUNCH_ABORTED");
    if (!connection.path.mayBeRelayed && !connection.hasPath) connection.destroy(now);
  }

  #forget(call: Call, connection: Connection): void {
    this.#connections.delete(call);
    if (connection.seeker === call) connection.seeker = null;
  }

  #relayBy(now: number, call: Call, connection: Connection, relay: RelayThrough, isInitiator: boolean): void {
    const through = { publicKey: relay.publicKey.slice(), token: relay.token.slice() };
    connection.trace.note(now, "relay", null, through.publicKey.toHex());
    const relaying = new Relaying(
      now,
      {
        through,
        isInitiator,
        publicKey: this.#keyPair.publicKey,
        streamId: call.parts.streamId,
        connect: (owner) => this.#around.connect(now, toRelay(through.publicKey, this.#keyPair), owner),
      },
      {
        paired: (at, path) => {
          this.#introduce(connection);
          connection.path.relayed(at, path);
        },
        moved: (at, path) => connection.path.relayMoved(at, path),
        lost: (at) => {
          const hasPath = connection.path.unrelayed(at);
          if (!hasPath && !this.#connections.has(call)) connection.destroy(at, "RELAY_ABORTED");
        },
      },
    );
    connection.path.relayBy(now, relaying);
  }

  /** The user is told of it, once. */
  #introduce(connection: Connection): void {
    if (connection.hasPath || connection.isClosed) return;
    connection.owner = this.#owner.connected(connection.session!.remotePublicKey, connection);
  }
}
