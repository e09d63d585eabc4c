/**
 * A DHT node in real time: its machine, its sockets, names, and the events that only the system knows of. The sockets and the
 * drive are given, so the simulator runs the very same thing.
 */
import type { Address } from "../base/address.ts";
import type { Machine } from "../base/machine.ts";
import { DhtNode } from "../dht/node.ts";
import type { DhtNodeOptions, DhtOutput } from "../dht/node-options.ts";
import type { SocketName } from "../dht/requests.ts";
import type { DatagramSocket } from "./datagram-socket.ts";
import type { Drive } from "./drive.ts";

export type DhtEvent = Exclude<DhtOutput, { type: "send" | "resolve" | "probe" | "openSocket" | "closeSocket" }>;

export interface DhtSockets {
  /** Whose port is the node's. */
  readonly server: DatagramSocket;
  /** What a node that strangers do not reach asks from. */
  readonly client: DatagramSocket;
}

export interface DhtHostOptions {
  readonly now: number;
  readonly node: DhtNodeOptions;
  readonly sockets: DhtSockets;
  /** A further socket, on a free port: to punch with. */
  readonly openSocket: () => DatagramSocket | Promise<DatagramSocket>;
  readonly drive: (machine: Machine<DhtOutput>, onOutput: (output: DhtOutput) => void) => Drive;
  /** The IPv4 address of a name; null when it has none just now. */
  readonly resolve: (host: string) => Promise<string | null>;
  readonly onEvent: (event: DhtEvent) => void;
}

/** A socket that is being opened, or is. */
interface Further {
  socket: DatagramSocket | null;
  /** What is to be sent from it once it is open; what NATs are sampled by, so a few. */
  readonly waiting: ((socket: DatagramSocket) => void)[];
}

/** How many routers a probe passes that only opens our own NATs. Source: hyperdht lib/holepuncher.js; specification §13.5. */
const NEAR_HOPS = 5;
const PROBE = Uint8Array.of(0);

export class DhtHost {
  readonly node: DhtNode;
  readonly traffic = { receivedDatagrams: 0, receivedBytes: 0, sentDatagrams: 0, sentBytes: 0 };
  #sockets: DhtSockets;
  readonly #options: DhtHostOptions;
  readonly #drive: Drive;
  /** Those that are opened on the way; null once they are closed before they are open. */
  readonly #further = new Map<SocketName, Further>();

  constructor(options: DhtHostOptions) {
    this.#options = options;
    this.#sockets = options.sockets;
    this.node = new DhtNode(options.now, options.node);
    this.#drive = options.drive(this.node, (output) => this.#obey(output));
    this.#listen();
    this.input((now) => this.node.start(now, this.#sockets.server.address.port));
  }

  get sockets(): DhtSockets {
    return this.#sockets;
  }

  /** Feeds the node one input of its user's. */
  input(feed: (now: number) => void): void {
    this.#drive.input(feed);
  }

  /** The same for one of many inputs: their outputs are taken together, at the end of this turn of the event loop. */
  gather(feed: (now: number) => void): void {
    this.#drive.gather(feed);
  }

  /** Closes the sockets; nothing is answered until `resume`. */
  suspend(): void {
    this.input((now) => this.node.suspend(now));
    this.useSix(null);
    this.#close();
  }

  resume(sockets: DhtSockets): void {
    this.#sockets = sockets;
    this.#listen();
    this.input((now) => this.node.resume(now, sockets.server.address.port));
  }

  /** The socket by IPv6, bound to the address that the internet sees, in place of the one before; null: there is none. */
  useSix(socket: DatagramSocket | null): void {
    this.#closeFurther("six");
    if (socket) this.#further.set("six", { socket, waiting: [] });
    socket?.onDatagram((from, datagram) => this.#receive("six", from, datagram));
    this.node.addresses6 = socket ? [socket.address] : [];
  }

  /** Nothing happens any more. */
  stop(): void {
    this.#drive.stop();
    this.#close();
  }

  #listen(): void {
    for (const name of ["server", "client"] as const) {
      this.#sockets[name].onDatagram((from, datagram) => this.#receive(name, from, datagram));
    }
  }

  #close(): void {
    for (const name of [...this.#further.keys()]) this.#closeFurther(name);
    this.#sockets.server.close();
    this.#sockets.client.close();
  }

  #receive(socket: SocketName, from: Address, datagram: Uint8Array): void {
    this.traffic.receivedDatagrams++;
    this.traffic.receivedBytes += datagram.length;
    this.gather((now) => this.node.receive(now, socket, from, datagram));
  }

  #obey(output: DhtOutput): void {
    switch (output.type) {
      case "send":
        this.traffic.sentBytes += output.datagram.length;
        return this.#send(output);
      case "probe": {
        const hops = output.reach === "near" ? NEAR_HOPS : undefined;
        return this.#on(output.socket, (socket) => socket.send(output.to, PROBE, hops));
      }
      case "openSocket":
        return void this.#open(output.socket);
      case "closeSocket":
        return this.#closeFurther(output.socket);
      case "resolve":
        return void this.#resolve(output.host);
      default:
        return this.#options.onEvent(output);
    }
  }

  #send({ socket: name, to, datagram, segmentBytes }: Extract<DhtOutput, { type: "send" }>): void {
    if (segmentBytes === 0) {
      this.traffic.sentDatagrams++;
      if (name === "server" || name === "client") return this.#sockets[name].send(to, datagram); // answers, mostly: no closure
      return this.#on(name, (socket) => socket.send(to, datagram));
    }
    this.traffic.sentDatagrams += Math.ceil(datagram.length / segmentBytes);
    this.#on(name, (socket) => socket.sendRun(to, datagram, segmentBytes));
  }

  #on(name: SocketName, act: (socket: DatagramSocket) => void): void {
    if (name === "server" || name === "client") return act(this.#sockets[name]);
    const further = this.#further.get(name);
    if (further?.socket) act(further.socket);
    else further?.waiting.push(act);
  }

  /** At once where the system can; otherwise what is sent meanwhile waits. */
  #open(name: SocketName): void | Promise<void> {
    const further: Further = { socket: null, waiting: [] };
    this.#further.set(name, further);
    const opened = (socket: DatagramSocket) => {
      if (this.#further.get(name) !== further) return socket.close(); // closed meanwhile
      further.socket = socket;
      socket.onDatagram((from, datagram) => this.#receive(name, from, datagram));
      for (const act of further.waiting.splice(0)) act(socket);
    };
    const opening = this.#options.openSocket();
    if (!(opening instanceof Promise)) return opened(opening);
    return opening.then(opened, () => this.#closeFurther(name));
  }

  #closeFurther(name: SocketName): void {
    this.#further.get(name)?.socket?.close();
    this.#further.delete(name);
  }

  async #resolve(host: string): Promise<void> {
    const ip = await this.#options.resolve(host);
    this.input((now) => this.node.resolved(now, host, ip));
  }
}
