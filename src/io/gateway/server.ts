/** A server for programs: whoever knows its key connects to it. Source: hyperdht 6.34 lib/server.js; specification §19. */
import { EventEmitter } from "node:events";
import type { Address } from "../../base/address.ts";
import { sameBytes } from "../../base/bytes.ts";
import { DnetError } from "../../base/error.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";
import type { Connection, ConnectionOwner } from "../../dht/connection.ts";
import type { Server as DhtServer } from "../../dht/connections.ts";
import type { NoisePayload } from "../../wire/noise-payload.ts";
import type { DhtHost } from "../dht-host.ts";
import { pickRelay } from "./arguments.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { rehearseSoon } from "./rehearsal.ts";
import { SecretSocket } from "./secret-socket.ts";
import type { Relays } from "./settings.ts";

export interface ServerOptions {
  /**
   * Asked before anything is kept of a client. **Returning true rejects it**, as in HyperDHT; so does a throw. A client that is rejected
   * hears nothing.
   */
  readonly firewall?: (remotePublicKey: Uint8Array, payload: NoisePayload, address: Address) => boolean;
  /** False: clients that cannot reach us directly are not helped to. Default true. */
  readonly holepunch?: boolean;
  /** Tell clients our addresses on our own networks, and by IPv6. Default true. */
  readonly shareLocalAddress?: boolean;
  /**
   * A relay that carries each connection until there is a direct path, or where there is none. A relay that a client names instead is
   * called only when it is one of these, or when there is a `firewall` that has let the client in: a stranger must not have us call
   * whomever it likes.
   */
  readonly relayThrough?: Relays;
}

export interface ServerEvents {
  connection: [SecretSocket];
  /** It is announced at the nodes nearest to its key, and so can be found. */
  listening: [];
  close: [];
}

export class Server extends EventEmitter<ServerEvents> {
  readonly #options: ServerOptions;
  readonly #life: Lifecycle;
  #keyPair: KeyPair | null = null;
  /** Null until it is announcing itself. */
  #listener: { readonly host: DhtHost; readonly server: DhtServer } | null = null;
  #isClosed = false;
  #isListening = false;
  readonly #gone = Promise.withResolvers<void>();

  constructor(options: ServerOptions, life: Lifecycle) {
    super();
    this.#options = options;
    this.#life = life;
  }

  /** 32 bytes; null before `listen`. */
  get publicKey(): Uint8Array | null {
    return this.#keyPair?.publicKey ?? null;
  }

  get listening(): boolean {
    return this.#isListening && !this.#isClosed;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  /** The nodes that lead to it, at most three: whoever gives them to `connect` as `nodes` finds it without a search. */
  get nodes(): Address[] {
    return this.#listener?.server.announcer.relays.map(({ relayAddress }) => relayAddress) ?? [];
  }

  /** Its key, and where others see this machine; host null and port 0 while that is not known. */
  address(): { readonly publicKey: Uint8Array | null; readonly host: string | null; readonly port: number } {
    const { host = null, port = 0 } = this.#listener?.host.node.contacts.sampler ?? {};
    return { publicKey: this.publicKey, host, port };
  }

  /** Resolves when it is announced. Throws DnetError: ALREADY_LISTENING, KEYPAIR_ALREADY_USED. */
  async listen(keyPair: KeyPair): Promise<void> {
    if (this.#keyPair) throw new DnetError("ALREADY_LISTENING", "this server listens already", { failure: "usage" });
    this.#keyPair = keyPair;
    try {
      const listening = this.#life.use((host) => this.#listen(host, keyPair));
      rehearseSoon();
      await listening;
    } catch (error) {
      this.#keyPair = null;
      throw error;
    }
  }

  /** Announces itself anew, as after a change of network. */
  refresh(): void {
    const { host, server } = this.#listener ?? {};
    host?.input((now) => server?.announcer.refresh(now));
  }

  /** Takes the announcement back; connections stay. Resolves when the nodes that could be told have forgotten it. */
  async close(): Promise<void> {
    const isFirst = !this.#isClosed;
    this.#isClosed = true;
    if (!this.#listener) return;
    const { host, server } = this.#listener;
    if (isFirst) host.input((now) => host.node.connections.close(now, server));
    await this.#gone.promise;
  }

  /** Resolves when it is announced, or closed before. Throws DnetError, also when the gateway is destroyed before. */
  #listen(host: DhtHost, keyPair: KeyPair): Promise<void> {
    if (this.#isClosed) throw new DnetError("SERVER_CLOSED", "this server was closed before it listened");
    const announced = Promise.withResolvers<void>();
    const { firewall, holepunch = true, shareLocalAddress = true } = this.#options;
    const relayThrough = pickRelay(this.#options.relayThrough);
    const options = { keyPair, punches: holepunch, sharesLocalAddresses: shareLocalAddress, relayThrough };
    const ended = (why: DnetError) => {
      announced.reject(why); // or it was announced
      closed();
    };
    const closed = () => {
      this.#life.ending.delete(ended);
      this.#isClosed = true;
      this.#gone.resolve();
      announced.resolve();
      this.emit("close");
    };
    host.input((now) => {
      const server = host.node.connections.listen(now, options, {
        admits: (key, payload, address) => admits(() => firewall?.(key, payload, address) ?? false),
        mayRelay: (relay) => firewall !== undefined || (relayThrough !== null && sameBytes(relay, relayThrough)),
        listening: () => {
          this.#isListening = true;
          this.emit("listening");
          announced.resolve();
        },
        connected: (remotePublicKey, connection) => this.connected(host, keyPair, remotePublicKey, connection),
        closed,
      });
      this.#listener = server && { host, server };
    });
    if (!this.#listener) {
      throw new DnetError("KEYPAIR_ALREADY_USED", "a server of this node listens under that key", { failure: "usage" });
    }
    this.#life.ending.add(ended); // then nobody can be told to forget it
    return announced.promise;
  }

  /** A client is here. Returns who gets what it says. */
  protected connected(
    host: DhtHost,
    { publicKey }: KeyPair,
    remotePublicKey: Uint8Array,
    connection: Connection,
  ): ConnectionOwner {
    const socket = new SecretSocket({
      publicKey,
      remotePublicKey,
      isInitiator: false,
      host,
      open: (_host, owner) => {
        connection.owner = owner;
        return connection;
      },
    });
    socket.soon(() => this.emit("connection", socket)); // before anything that the socket tells
    return connection.owner;
  }
}

/** Fails closed: what throws rejects, and so does an answer that is not there yet. */
function admits(rejects: () => boolean): boolean {
  try {
    return !rejects();
  } catch {
    return false;
  }
}
