/** The datapath's ports over memory: the same code without root, a TUN or a network; for the demonstration and the tests. */
import { type Address, formatAddress, sameAddress } from "../../base/address.ts";
import type { Arena } from "./arena.ts";
import type { TunPort } from "./coalescer.ts";
import type { Sockets } from "./datapath.ts";
import type { DatagramPort } from "./inbound.ts";

/** What became of a send: one train, cut as the kernel would cut it. */
export interface SentDatagram {
  readonly from: Address;
  readonly to: Address;
  readonly datagram: Uint8Array;
  readonly tos: number;
}

/** Full: the newest goes, as in a real queue. */
const MAX_QUEUED = 4096;
const SLOT_BYTES = 65_536;

/** Takes datagrams to whoever is bound to their address. A test may put itself in between. */
export class MemoryNetwork {
  /** Sees each datagram and says which ones arrive instead; the identity unless set. */
  carry: (sent: SentDatagram) => SentDatagram[] = (sent) => [sent];
  readonly #bound = new Map<string, SentDatagram[]>();

  /** Sockets at `address`. With `joins`, consecutive datagrams of one length and sender are received as one message, as by UDP_GRO. */
  bind(address: Address, arena: Arena, joins: boolean): Sockets<Address> {
    const queue: SentDatagram[] = [];
    this.#bound.set(formatAddress(address), queue);
    const port = memoryPort(address, arena, queue, joins, (sent) => this.#deliver(sent));
    return { ports: [port], send: port.send, sendFragmented: port.sendFragmented, destination: (to) => to };
  }

  /** Delivers a datagram as if from anywhere. */
  inject(sent: SentDatagram): void {
    const queue = this.#bound.get(formatAddress(sent.to));
    if (queue && queue.length < MAX_QUEUED) queue.push(sent);
  }

  #deliver(sent: SentDatagram): void {
    for (const arriving of this.carry(sent)) this.inject(arriving);
  }
}

function memoryPort(
  local: Address,
  arena: Arena,
  queue: SentDatagram[],
  joins: boolean,
  deliver: (sent: SentDatagram) => void,
): DatagramPort<Address> {
  const base = arena.reserve(SLOT_BYTES);
  let first: SentDatagram = { from: local, to: local, datagram: new Uint8Array(0), tos: 0 };
  let length = 0;
  const send: DatagramPort<Address>["send"] = (to, at, bytes, segment, tos) => {
    for (let offset = 0; offset < bytes; offset += segment) {
      const datagram = arena.bytes.slice(at + offset, at + Math.min(offset + segment, bytes));
      deliver({ from: local, to, datagram, tos });
    }
    return bytes;
  };
  return {
    slots: 1,
    receive() {
      const next = queue.shift();
      if (!next) return 0;
      first = next;
      arena.bytes.set(first.datagram, base);
      length = first.datagram.length;
      const segment = length;
      for (let last = segment; joins && last === segment && segment > 0; ) {
        const peeked = queue[0];
        if (!peeked || !sameAddress(peeked.from, first.from) || peeked.tos !== first.tos) break;
        last = peeked.datagram.length;
        if (last > segment || last === 0 || length + last > 65_507) break;
        arena.bytes.set(queue.shift()!.datagram, base + length);
        length += last;
      }
      return 1;
    },
    offsetOf: () => base,
    lengthOf: () => length,
    segmentOf: () => first.datagram.length,
    tosOf: () => first.tos,
    isFrom: (_message, destination) => sameAddress(destination, first.from),
    replyTo: () => first.from,
    addressOf: () => first.from,
    send,
    sendFragmented: send, // memory has no narrow links
  };
}

/** A TUN whose packets come from `incoming` and go to `outgoing`, each with its vnet header. */
export class MemoryTun implements TunPort {
  readonly incoming: Uint8Array[] = [];
  readonly outgoing: Uint8Array[] = [];
  readonly #arena: Arena;

  constructor(
    arena: Arena,
    readonly takes: TunPort["takes"] = { checksum: true, tcp: true, udp: true },
  ) {
    this.#arena = arena;
  }

  read(at: number, capacity: number): number {
    const packet = this.incoming.shift();
    if (!packet || packet.length > capacity) return 0;
    this.#arena.bytes.set(packet, at);
    return packet.length;
  }

  write(at: number, length: number): boolean {
    this.outgoing.push(this.#arena.bytes.slice(at, at + length));
    return true;
  }
}
