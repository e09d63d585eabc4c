/** Two datapaths over memory, in one thread, with sessions under made-up keys: no handshake, no clock, no root. */
import type { Address } from "../../src/base/address.ts";
import { parsePrefix } from "../../src/base/ip.ts";
import { Arena } from "../../src/io/datapath/arena.ts";
import type { TunPort } from "../../src/io/datapath/coalescer.ts";
import {
  type Control,
  DATAPATH_ARENA_BYTES,
  Datapath,
  type PortableKeys,
  type SuiteName,
} from "../../src/io/datapath/datapath.ts";
import type { DatagramPort } from "../../src/io/datapath/inbound.ts";
import { MemoryNetwork, MemoryTun, type SentDatagram } from "../../src/io/datapath/memory-ports.ts";
import { COLUMN, NO_PEER, Stats } from "../../src/io/datapath/stats.ts";
import { build, type PacketFields } from "./packets.ts";
import { taken, withVnet } from "./plain-kernel.ts";
import { SeededRandom } from "./random.ts";

export const ADDRESS_A: Address = { host: "192.0.2.1", port: 1776 };
export const ADDRESS_B: Address = { host: "2001:db8::2", port: 1777 };
/** Wide enough for everything that the random streams make. */
export const MTU = 1500;
const SOCKET_BYTES = 65_536;

export interface EndOptions {
  readonly takes?: TunPort["takes"];
  readonly joins?: boolean;
  readonly mtu?: number;
  /** Hears what the control thread would; otherwise it is all noted in `events` and `datagrams`. */
  readonly control?: Control;
}

/** One datapath with its TUN, its socket and its counters. */
export class DatapathEnd {
  readonly arena = new Arena(DATAPATH_ARENA_BYTES + SOCKET_BYTES);
  readonly stats = new Stats(8);
  readonly tun: MemoryTun;
  readonly datapath: Datapath<Address>;
  /** What the control thread would have heard: `want 0`, `roamed 0 192.0.2.1:9`, … */
  readonly events: string[] = [];
  readonly datagrams: { from: Address; datagram: Uint8Array }[] = [];
  controlHasRoom = true;
  readonly port: DatagramPort<Address>;
  #received = 0;

  constructor(
    network: MemoryNetwork,
    readonly address: Address,
    options: EndOptions,
  ) {
    this.tun = new MemoryTun(this.arena, options.takes);
    const sockets = network.bind(address, this.arena, options.joins ?? true);
    const [inner] = sockets.ports;
    const receive = () => {
      this.#received = inner!.receive();
      return this.#received;
    };
    this.port = { ...inner!, receive };
    this.datapath = new Datapath({
      arena: this.arena,
      tun: this.tun,
      sockets: { ...sockets, ports: [this.port] },
      stats: this.stats,
      mtu: options.mtu ?? MTU,
      control: options.control ?? {
        want: (peer) => this.events.push(`want ${peer}`),
        tooBig: (peer) => this.events.push(`tooBig ${peer}`),
        confirmed: (peer, localIndex) => this.events.push(`confirmed ${peer} ${localIndex}`),
        roamed: (peer, { host, port }) => this.events.push(`roamed ${peer} ${host} ${port}`),
        hasRoom: () => this.controlHasRoom,
        datagram: (from, datagram) => this.datagrams.push({ from, datagram: datagram.slice() }),
      },
    });
  }

  /** Sends all that the TUN has. */
  send(now: number, packets: readonly Uint8Array[] = []): void {
    this.tun.incoming.push(...packets);
    while (this.tun.incoming.length > 0) this.datapath.turnTun(now);
  }

  /** Receives all that the socket has, and returns the packets that a kernel would see from the TUN. */
  receive(now: number): Uint8Array[] {
    do this.datapath.turnSocket(now, this.port);
    while (this.#received > 0);
    return this.takeDelivered();
  }

  takeDelivered(): Uint8Array[] {
    return this.tun.outgoing.splice(0).flatMap(taken);
  }

  takeEvents(): string[] {
    return this.events.splice(0);
  }

  activity(peer = 0) {
    const get = (column: number) => this.stats.get(peer, column);
    return {
      unansweredSince: get(COLUMN.unansweredSince),
      unheardSince: get(COLUMN.unheardSince),
      lastTraversalAt: get(COLUMN.lastTraversalAt),
    };
  }

  /** All drops, those of every peer and of none together. */
  drops(): { [reason: string]: number } {
    const total: { [reason: string]: number } = {};
    for (let peer = NO_PEER; peer < 8; peer++) {
      for (const [reason, count] of Object.entries(this.stats.drops(peer)))
        total[reason] = (total[reason] ?? 0) + count;
    }
    return total;
  }
}

export interface PairOptions {
  readonly suite?: SuiteName;
  readonly superPackets?: boolean;
  readonly a?: EndOptions;
  readonly b?: EndOptions;
}

export interface Pair {
  readonly network: MemoryNetwork;
  readonly a: DatapathEnd;
  readonly b: DatapathEnd;
}

/** Ends a (10.0.0.1, fd00::1) and b (10.0.0.2, fd00::2), each the other's peer 0, knowing its address, without a session. */
export function strangers({ suite = "dnet", superPackets = true, ...ends }: PairOptions = {}): Pair {
  const network = new MemoryNetwork();
  const a = new DatapathEnd(network, ADDRESS_A, ends.a ?? {});
  const b = new DatapathEnd(network, ADDRESS_B, ends.b ?? {});
  for (const [end, other, last] of [
    [a, b, 2],
    [b, a, 1],
  ] as const) {
    const allowed = [`10.0.0.${last}/32`, `fd00::${last}/128`].map((text) => parsePrefix(text)!);
    end.datapath.apply(0, { type: "peer", peer: 0, suite, superPackets, allowed });
    end.datapath.apply(0, { type: "endpoint", peer: 0, address: other.address });
  }
  return { network, a, b };
}

/** The same with a session that a initiated and b knows to work. */
export function pair(options: PairOptions = {}, now = 1): Pair {
  const ends = strangers(options);
  const keys = sessionKeys({ suite: options.suite ?? "dnet", now });
  ends.b.datapath.apply(now, { type: "session", peer: 0, keys: keys.b });
  ends.a.datapath.apply(now, { type: "session", peer: 0, keys: keys.a });
  ends.a.datapath.apply(now, { type: "keepalive", peer: 0 });
  ends.b.receive(now);
  ends.b.takeEvents();
  return ends;
}

/** Both ends' keys of one session, which a initiated. A number makes them, and the indices, different from others. */
export function sessionKeys({ suite = "dnet" as SuiteName, now = 1, number = 1 } = {}): {
  a: PortableKeys;
  b: PortableKeys;
} {
  const random = new SeededRandom(number);
  const [one, two] = [random.bytes(32), random.bytes(32)];
  const [indexA, indexB] = [1000 + number, 2000 + number];
  const common = { suite, bornAt: now };
  return {
    a: {
      ...common,
      localIndex: indexA,
      remoteIndex: indexB,
      sendKey: one.slice(),
      receiveKey: two.slice(),
      isInitiator: true,
    },
    b: { ...common, localIndex: indexB, remoteIndex: indexA, sendKey: two, receiveKey: one, isInitiator: false },
  };
}

/** A plain packet as the TUN gives it. */
export function plain(fields: Partial<PacketFields>): Uint8Array {
  return withVnet(build(fields));
}

/** Lets a send so much, and b report so often, that a's super-packets are on. Returns when that was. */
export function warmUp({ a, b }: Pair, from = 1): number {
  const packet = plain({ protocol: 17, payload: new Uint8Array(1000) });
  let now = from;
  for (let sent = 0; a.stats.get(0, COLUMN.superPackets) === 0; sent += 256) {
    if (sent > 200_000) throw new Error("super-packets do not come on");
    now += 11;
    a.send(now, new Array(256).fill(packet));
    b.receive(now);
    a.receive(now);
  }
  return now;
}

/** Makes every datagram from here on stay on its way, in the list it returns. */
export function intercept(network: MemoryNetwork): SentDatagram[] {
  const caught: SentDatagram[] = [];
  network.carry = (sent) => {
    caught.push(sent);
    return [];
  };
  return caught;
}

/** Lets datagrams pass again. */
export function release(network: MemoryNetwork): void {
  network.carry = (sent) => [sent];
}

/** The datagrams that a makes of these packets, which stay on their way. */
export function caughtFrom({ network, a }: Pair, packets: Uint8Array[], now = 5): SentDatagram[] {
  const caught = intercept(network);
  a.send(now, packets);
  release(network);
  return caught;
}
