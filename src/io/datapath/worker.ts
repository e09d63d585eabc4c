/**
 * The datapath's thread. It blocks in poll over the TUN, the UDP sockets and an eventfd; it never returns to its own event loop,
 * so commands are taken from a MessagePort by hand, and datagrams of the control thread from a ring, after the eventfd woke it.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { eventFdOf } from "../../../ffi/eventfd.ts";
import { monotonicMs } from "../../../ffi/libc.ts";
import { POLLIN, Poller } from "../../../ffi/poll.ts";
import { type TunOffloads, tunOf } from "../../../ffi/tun-linux.ts";
import { type UdpFeatures, UdpSocket } from "../../../ffi/udp-linux.ts";
import type { Address } from "../../base/address.ts";
import { Arena } from "./arena.ts";
import { type Command, DATAPATH_ARENA_BYTES, Datapath } from "./datapath.ts";
import { Ring } from "./ring.ts";
import { socketPorts, tunPort } from "./sockets.ts";
import { Stats } from "./stats.ts";

/** What the Worker is started with. Descriptors belong to the process, so their numbers are enough. */
export interface WorkerStart {
  readonly tun: {
    readonly fd: number;
    readonly name: string;
    readonly vnetHeader: boolean;
    readonly offloads: TunOffloads;
  };
  readonly sockets: readonly {
    readonly fd: number;
    readonly family: 4 | 6;
    readonly port: number;
    readonly features: UdpFeatures;
  }[];
  readonly mtu: number;
  readonly wakeFd: number;
  readonly stats: SharedArrayBuffer;
  readonly peers: number;
  /** Datagrams to and from the control thread. */
  readonly toSend: SharedArrayBuffer;
  readonly received: SharedArrayBuffer;
  /** Of each of the two. */
  readonly ringBytes: number;
  readonly port: MessagePort;
}

export type WorkerCommand = Command | { readonly type: "stop" };

export type WorkerEvent =
  | { type: "ready" }
  | { type: "want"; peer: number }
  | { type: "tooBig"; peer: number }
  | { type: "confirmed"; peer: number; localIndex: number }
  | { type: "roamed"; peer: number; address: Address }
  | { type: "datagrams" }
  | { type: "failed"; message: string }
  | { type: "stopped" };

/** Whatever UDP_GRO joins fills a slot of 64 kB; a few keep a burst together without falling out of the cache. */
const RECEIVE_SLOTS = 4;
const SLOT_BYTES = 65_536;
const MAX_DATAGRAM_TO_CONTROL = 2048;

function run(start: WorkerStart): void {
  const arena = new Arena(DATAPATH_ARENA_BYTES + start.sockets.length * RECEIVE_SLOTS * SLOT_BYTES);
  const toSend = new Ring({ shared: start.toSend });
  const received = new Ring({ shared: start.received });
  const tell = (event: WorkerEvent) => start.port.postMessage(event);
  const sockets = start.sockets.map(({ fd, ...rest }) => UdpSocket.adopt(fd, { ...rest, slots: RECEIVE_SLOTS }));
  const ports = socketPorts(arena, sockets);
  const datapath = new Datapath({
    arena,
    tun: tunPort(arena, tunOf(start.tun)),
    sockets: ports,
    stats: new Stats(start.peers, start.stats),
    mtu: start.mtu,
    control: {
      want: (peer) => tell({ type: "want", peer }),
      tooBig: (peer) => tell({ type: "tooBig", peer }),
      confirmed: (peer, localIndex) => tell({ type: "confirmed", peer, localIndex }),
      roamed: (peer, address) => tell({ type: "roamed", peer, address }),
      // Others get half of the ring: a flood of theirs must not keep handshakes out.
      hasRoom: (isTunnel) => received.hasRoom(isTunnel ? MAX_DATAGRAM_TO_CONTROL : start.ringBytes / 2),
      datagram(from, datagram) {
        if (datagram.length > MAX_DATAGRAM_TO_CONTROL) return;
        if (received.push(from, datagram) && received.needsWake()) tell({ type: "datagrams" });
      },
    },
  });

  const wake = eventFdOf(start.wakeFd);
  const poller = new Poller(2 + sockets.length);
  const wakeSlot = poller.add(start.wakeFd, POLLIN);
  const tunSlot = poller.add(start.tun.fd, POLLIN);
  const socketSlots = sockets.map((socket) => poller.add(socket.fd, POLLIN));

  /** Does what the control thread asked; true when it asked to stop. */
  const obey = (now: number): boolean => {
    wake.clear();
    for (let message = receiveMessageOnPort(start.port); message; message = receiveMessageOnPort(start.port)) {
      const command = message.message as WorkerCommand;
      if (command.type === "stop") return true;
      datapath.apply(now, command);
    }
    toSend.awake();
    for (let record = toSend.shift(); record; record = toSend.shift()) datapath.send(record.address, record.datagram);
    return false;
  };

  tell({ type: "ready" });
  for (;;) {
    poller.wait(Number.POSITIVE_INFINITY);
    const now = monotonicMs();
    if (poller.ready(wakeSlot) !== 0 && obey(now)) break;
    if (poller.ready(tunSlot) !== 0) datapath.turnTun(now);
    for (let i = 0; i < sockets.length; i++) {
      if (poller.ready(socketSlots[i]!) !== 0) datapath.turnSocket(now, ports.ports[i]!);
    }
  }
  datapath.close();
}

const start = workerData as WorkerStart;
try {
  run(start);
  start.port.postMessage({ type: "stopped" } satisfies WorkerEvent);
} catch (error) {
  start.port.postMessage({ type: "failed", message: String(error) } satisfies WorkerEvent);
}
start.port.close();
