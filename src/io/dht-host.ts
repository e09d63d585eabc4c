/**
 * A DHT node in real time: its machine, its two sockets, names, and the events that only the system knows of. The sockets and the
 * drive are given, so the simulator runs the very same thing.
 */
import type { Address } from "../base/address.ts";
import type { Machine } from "../base/machine.ts";
import { DhtNode } from "../dht/node.ts";
import type { DhtNodeOptions, DhtOutput } from "../dht/node-options.ts";
import type { SocketName } from "../dht/requests.ts";
import type { DatagramSocket } from "./datagram-socket.ts";
import type { Drive } from "./drive.ts";

export type DhtEvent = Exclude<DhtOutput, { type: "send" | "resolve" }>;

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
  readonly drive: (machine: Machine<DhtOutput>, onOutput: (output: DhtOutput) => void) => Drive;
  /** The IPv4 address of a name; null when it has none just now. */
  readonly resolve: (host: string) => Promise<string | null>;
  readonly onEvent: (event: DhtEvent) => void;
}

export class DhtHost {
  readonly node: DhtNode;
  readonly traffic = { receivedDatagrams: 0, receivedBytes: 0, sentDatagrams: 0, sentBytes: 0 };
  #sockets: DhtSockets;
  readonly #options: DhtHostOptions;
  readonly #drive: Drive;

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

  /** Closes the sockets; nothing is answered until `resume`. */
  suspend(): void {
    this.input((now) => this.node.suspend(now));
    this.#close();
  }

  resume(sockets: DhtSockets): void {
    this.#sockets = sockets;
    this.#listen();
    this.input((now) => this.node.resume(now, sockets.server.address.port));
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
    this.#sockets.server.close();
    this.#sockets.client.close();
  }

  #receive(socket: SocketName, from: Address, datagram: Uint8Array): void {
    this.traffic.receivedDatagrams++;
    this.traffic.receivedBytes += datagram.length;
    this.input((now) => this.node.receive(now, socket, from, datagram));
  }

  #obey(output: DhtOutput): void {
    switch (output.type) {
      case "send":
        this.traffic.sentDatagrams++;
        this.traffic.sentBytes += output.datagram.length;
        return this.#sockets[output.socket].send(output.to, output.datagram);
      case "resolve":
        return void this.#resolve(output.host);
      default:
        return this.#options.onEvent(output);
    }
  }

  async #resolve(host: string): Promise<void> {
    const ip = await this.#options.resolve(host);
    this.input((now) => this.node.resolved(now, host, ip));
  }
}
