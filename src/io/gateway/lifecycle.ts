/**
 * A gateway's node from the opening of its sockets to its end, suspended and resumed on the way; and who may use it when. Each use
 * is one step: between the look whether it may and the act nothing else happens.
 */
import type { EventEmitter } from "node:events";
import { monotonicMs } from "../../../ffi/libc.ts";
import { DnetError } from "../../base/error.ts";
import type { DhtNode } from "../../dht/node.ts";
import type { DatagramSocket } from "../datagram-socket.ts";
import { type DhtEvent, DhtHost, type DhtSockets } from "../dht-host.ts";
import { drive } from "../drive.ts";
import { resolveIp4 } from "../endpoints.ts";
import { PortMapping } from "../port-mapping.ts";
import { ProxyLink } from "../proxy/link.ts";
import { openUdpSocket } from "../udp-socket.ts";
import { internetHost6, watchNetwork } from "./local-network.ts";
import type { CheckedOptions } from "./options.ts";
import type { GatewayEvents } from "./settings.ts";

/** A stream is to go on within 3 s of a change of address: a look takes 0.3 ms, and what follows it up to 2 s. */
const LOOK_FOR_NETWORK_MS = 1_000;

export class Lifecycle {
  /** Null until the sockets are open. */
  host: DhtHost | null = null;
  /** Rejects with DnetError when the sockets cannot be had. */
  readonly opened: Promise<DhtHost>;
  isSuspended = false;
  isDestroyed = false;
  /** Null while none is wanted. */
  portMapping: PortMapping | null = null;
  /** Called when it is destroyed, for what would wait for ever then. */
  readonly ending = new Set<(why: DnetError) => void>();
  readonly #options: CheckedOptions;
  readonly #gateway: EventEmitter<GatewayEvents>;
  readonly #ready = Promise.withResolvers<void>();
  /** Null where sockets are this machine's own. */
  #link: ProxyLink | null = null;
  /** Of the socket by IPv6; 0 while it has had none. */
  #sixPort = 0;
  #turn: Promise<void> = Promise.resolve();
  #stopWatching = () => {};

  /** Begins to open. `gateway` tells its listeners what happens here; `onEvent` is what the node tells. */
  constructor(options: CheckedOptions, gateway: EventEmitter<GatewayEvents>, onEvent: (event: DhtEvent) => void) {
    this.#options = options;
    this.#gateway = gateway;
    this.opened = this.#open(onEvent);
    this.opened.catch((error) => this.#ready.reject(error));
    this.ready.catch(() => {}); // whoever asks is told
  }

  /** Resolves when the network was looked for, found or not. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Throws DnetError when there is nothing to ask with, and will not be by itself. */
  check(): void {
    if (this.isDestroyed) throw destroyed();
    if (this.isSuspended) throw new DnetError("SUSPENDED", "this gateway is suspended", { hint: "resume() first" });
  }

  /** Acts as soon as the sockets are open. Throws DnetError when there is nothing to ask with. */
  async use<Result>(act: (host: DhtHost) => Result): Promise<Awaited<Result>> {
    const host = await this.opened;
    this.check();
    return await act(host);
  }

  /** The same, but without a single node a walk would end at once; whoever asks so early means: once the network is found. */
  async useNetwork(act: (host: DhtHost) => void): Promise<void> {
    const isAlone = await this.use(({ node }) => node.contacts.table.size === 0);
    if (isAlone) await this.ready;
    return this.use(act);
  }

  /** What changes nothing when there is no node just now. */
  input(feed: (now: number, node: DhtNode) => void): void {
    const { host } = this;
    if (host && !this.isDestroyed && !this.isSuspended) host.input((now) => feed(now, host.node));
  }

  /** Closes the sockets; what is under way fails. */
  suspend(): Promise<void> {
    return this.#inTurn(async (host) => {
      if (this.isSuspended || this.isDestroyed) return;
      this.isSuspended = true;
      host.suspend();
      this.#gateway.emit("suspend");
      await this.portMapping?.release();
    });
  }

  /** On the ports that it had, if those are free. */
  resume(): Promise<void> {
    return this.#inTurn(async (host) => {
      if (!this.isSuspended || this.isDestroyed) return;
      const { server, client } = host.sockets;
      const ports = [server.address.port, ...this.#options.ports];
      host.resume(await this.#openSockets(ports, [client.address.port, 0]));
      this.isSuspended = false;
      await this.#renewSix(host);
      this.#mapPort(host);
      this.#gateway.emit("resume");
    });
  }

  async destroy(): Promise<void> {
    this.isDestroyed = true;
    this.#stopWatching();
    const host = await this.opened.catch(() => null);
    host?.input((now) => host.node.connections.destroy(now));
    host?.stop();
    const why = destroyed();
    this.#ready.reject(why);
    for (const end of this.ending) end(why);
    await this.portMapping?.release();
  }

  /** One after another, in the order of the calls: each finds the sockets as the one before left them. */
  #inTurn(act: (host: DhtHost) => void | Promise<void>): Promise<void> {
    const turn = this.#turn.then(async () => act(await this.opened));
    this.#turn = turn.catch(() => {}); // its caller is told
    return turn;
  }

  async #open(onEvent: (event: DhtEvent) => void): Promise<DhtHost> {
    const sockets = await this.#openSockets(this.#options.ports, [0]);
    const host = new DhtHost({
      now: monotonicMs(),
      node: this.#options.node,
      sockets,
      drive,
      openSocket: () => this.#openSocket([0]),
      resolve: resolveIp4,
      onEvent: (event) => {
        if (event.type === "ready") this.#ready.resolve();
        // We are seen elsewhere, or were offline: the router may have restarted.
        if (event.type === "natUpdate" || event.type === "networkUpdate") this.#refreshMapping();
        onEvent(event);
      },
    });
    this.host = host;
    this.#stopWatching = watchNetwork(LOOK_FOR_NETWORK_MS, () => {
      this.input((now, node) => node.networkChanged(now));
      void this.#inTurn((at) => this.#renewSix(at));
      this.#refreshMapping();
      this.#gateway.emit("network-change");
    });
    this.#mapPort(host);
    await this.#renewSix(host);
    queueMicrotask(() => this.#gateway.emit("listening"));
    return host;
  }

  /** The socket by IPv6 is at the address that the internet sees now, and at the port that it had. */
  async #renewSix(host: DhtHost): Promise<void> {
    const mayBeThere = this.#options.host === "0.0.0.0" && this.#options.via === null && !this.isSuspended;
    const own = mayBeThere ? await internetHost6() : null;
    if (own === (host.node.addresses6[0]?.host ?? null)) return;
    const six = own === null ? null : await openFirst(own, [this.#sixPort, 0]).catch(() => null);
    if (this.isDestroyed) return six?.close();
    this.#sixPort = six?.address.port ?? this.#sixPort;
    host.useSix(six);
  }

  #mapPort(host: DhtHost): void {
    if (!this.#options.mapsPort || this.isDestroyed) return;
    const { port } = host.sockets.server.address;
    this.portMapping = new PortMapping({
      host: this.#options.host,
      port,
      isPublic: this.#options.node.isPublic,
      onChange: (mapping) => host.input((now) => host.node.mapped(now, mapping?.external ?? null)),
    });
  }

  #refreshMapping(): void {
    if (!this.isSuspended) this.portMapping?.refresh();
  }

  /** Each on the first of its ports that is free. Throws DnetError, and leaves none open, when one cannot be had. */
  async #openSockets(serverPorts: readonly number[], clientPorts: readonly number[]): Promise<DhtSockets> {
    const { via, keyPair } = this.#options;
    this.#link = via === null ? null : new ProxyLink({ url: via, keyPair, onMoved: () => this.#moved() });
    const server = await this.#openSocket(serverPorts);
    let client: DatagramSocket | null = null;
    try {
      client = await this.#openSocket(clientPorts);
      if (this.isDestroyed) throw destroyed();
      return { server, client };
    } catch (error) {
      server.close();
      client?.close();
      throw error;
    }
  }

  /** On the first of these ports that is free; a proxy has ports of its own. */
  #openSocket(ports: readonly number[]): Promise<DatagramSocket> {
    return this.#link ? this.#link.open() : openFirst(this.#options.host, ports);
  }

  /** The proxy was away, and has given our sockets other ports. */
  #moved(): void {
    const { host } = this;
    if (!host || this.isSuspended || this.isDestroyed) return;
    host.input((now) => host.node.resume(now, host.sockets.server.address.port));
  }
}

async function openFirst(host: string, ports: readonly number[]): Promise<DatagramSocket> {
  for (const port of ports.slice(0, -1)) {
    const socket = await openUdpSocket({ host, port }).catch((error: DnetError) => {
      if (error.code !== "PORT_IN_USE") throw error;
      return null;
    });
    if (socket) return socket;
  }
  return openUdpSocket({ host, port: ports.at(-1)! });
}

function destroyed(): DnetError {
  return new DnetError("NODE_DESTROYED", "this gateway was destroyed");
}
