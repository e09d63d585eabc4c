/** The control thread's end of the datapath Worker: commands out, events in. */
import { MessageChannel, Worker } from "node:worker_threads";
import { type EventFd, openEventFd } from "../../../ffi/eventfd.ts";
import type { Tun } from "../../../ffi/tun-linux.ts";
import type { UdpSocket } from "../../../ffi/udp-linux.ts";
import type { Address } from "../../base/address.ts";
import { protocolOf } from "../../wire/first-byte.ts";
import { type DatagramSocket, sendApart } from "../datagram-socket.ts";
import { DATAPATH_WORKER } from "../workers.ts";
import { Ring } from "./ring.ts";
import { Stats } from "./stats.ts";
import type { WorkerCommand, WorkerEvent, WorkerStart } from "./worker.ts";

/** Peers of one interface; each has a row of counters. */
export const MAX_PEERS = 4096;
const RING_BYTES = 256 * 1024;

export interface LinkHandlers {
  onEvent(event: Exclude<WorkerEvent, { type: "datagrams" | "ready" | "stopped" }>): void;
  /** A datagram of the tunnel's that carries no data. */
  onDatagram(from: Address, datagram: Uint8Array): void;
}

export class DatapathLink {
  readonly stats = new Stats(MAX_PEERS);
  readonly ready: Promise<void>;
  readonly #stopped: Promise<void>;
  readonly #wake: EventFd = openEventFd();
  readonly #toSend = new Ring({ capacity: RING_BYTES });
  readonly #received = new Ring({ capacity: RING_BYTES });
  readonly #port: MessageChannel["port1"];
  readonly #localPort: number;
  #onOther: ((from: Address, datagram: Uint8Array) => void) | null = null;

  constructor(options: { tun: Tun; sockets: readonly UdpSocket[]; mtu: number; handlers: LinkHandlers }) {
    const { tun, sockets, mtu, handlers } = options;
    const channel = new MessageChannel();
    this.#port = channel.port1;
    this.#localPort = sockets[0]!.port;
    const start: WorkerStart = {
      tun: { fd: tun.fd, name: tun.name, vnetHeader: tun.vnetHeader, offloads: tun.offloads },
      sockets: sockets.map(({ fd, family, port, features }) => ({ fd, family, port, features })),
      mtu,
      wakeFd: this.#wake.fd,
      stats: this.stats.shared,
      peers: MAX_PEERS,
      toSend: this.#toSend.shared,
      received: this.#received.shared,
      ringBytes: RING_BYTES,
      port: channel.port2,
    };
    const ready = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#stopped = stopped.promise;
    channel.port1.on("message", (event: WorkerEvent) => {
      if (event.type === "ready") ready.resolve();
      else if (event.type === "stopped") stopped.resolve();
      else if (event.type === "datagrams") this.#drain(handlers);
      else handlers.onEvent(event);
      if (event.type === "failed") stopped.resolve(); // it has left its loop, too
    });
    const worker = new Worker(DATAPATH_WORKER, {
      workerData: start,
      transferList: [channel.port2],
    });
    worker.on("error", (error: Error) => {
      handlers.onEvent({ type: "failed", message: String(error) });
      stopped.resolve();
    });
  }

  apply(command: WorkerCommand): void {
    this.#port.postMessage(command);
    this.#wake.signal();
  }

  /** Full: the datagram is lost, as it might be on its way. */
  send(to: Address, datagram: Uint8Array): void {
    if (this.#toSend.push(to, datagram) && this.#toSend.needsWake()) this.#wake.signal();
  }

  /** The same UDP port for the other protocols on it. To close it ends only this view. */
  share(): DatagramSocket {
    this.apply({ type: "share" });
    return {
      address: { host: "0.0.0.0", port: this.#localPort },
      onDatagram: (handler) => {
        this.#onOther = handler;
      },
      send: (to, datagram) => this.send(to, datagram),
      sendRun: (to, run, segmentBytes) => sendApart(this, to, run, segmentBytes),
      close: () => {
        this.#onOther = null;
      },
    };
  }

  /** Resolves when the Worker has left its loop and touches no descriptor any more. */
  async stop(): Promise<void> {
    this.apply({ type: "stop" });
    await this.#stopped;
    this.#port.close();
    this.#wake.close();
  }

  #drain(handlers: LinkHandlers): void {
    this.#received.awake();
    for (let record = this.#received.shift(); record; record = this.#received.shift()) {
      const { address, datagram } = record;
      if (protocolOf(datagram) === "tunnel") handlers.onDatagram(address, datagram);
      else this.#onOther?.(address, datagram);
    }
  }
}
