/** The control thread's end of the datapath Worker: commands out, events in. */
import { MessageChannel, Worker } from "node:worker_threads";
import { type EventFd, openEventFd } from "../../../ffi/eventfd.ts";
import type { Tun } from "../../../ffi/tun-linux.ts";
import type { UdpSocket } from "../../../ffi/udp-linux.ts";
import type { Address } from "../../base/address.ts";
import { Ring } from "./ring.ts";
import { Stats } from "./stats.ts";
import type { WorkerCommand, WorkerEvent, WorkerStart } from "./worker.ts";

/** Peers of one interface; each has a row of counters. */
export const MAX_PEERS = 4096;
const RING_BYTES = 256 * 1024;

export interface LinkHandlers {
  onEvent(event: Exclude<WorkerEvent, { type: "datagrams" | "ready" | "stopped" }>): void;
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

  constructor(options: { tun: Tun; sockets: readonly UdpSocket[]; mtu: number; handlers: LinkHandlers }) {
    const { tun, sockets, mtu, handlers } = options;
    const channel = new MessageChannel();
    this.#port = channel.port1;
    const start: WorkerStart = {
      tun: { fd: tun.fd, name: tun.name, vnetHeader: tun.vnetHeader, offloads: tun.offloads },
      sockets: sockets.map(({ fd, family, port, features }) => ({ fd, family, port, features })),
      mtu,
      wakeFd: this.#wake.fd,
      stats: this.stats.shared,
      peers: MAX_PEERS,
      toSend: this.#toSend.shared,
      received: this.#received.shared,
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
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
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
      handlers.onDatagram(record.address, record.datagram);
    }
  }
}
