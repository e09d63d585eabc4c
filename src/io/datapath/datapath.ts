/**
 * The datapath: packets between a TUN and UDP sockets, under decisions that the control thread made. It decides nothing and
 * waits for nobody; `turn` moves what is ready. It knows the TUN and the sockets as ports, so the same code runs in the Worker over
 * file descriptors, and in one thread over memory (`memory-ports.ts`).
 */
import type { Address } from "../../base/address.ts";
import { formatAddress } from "../../base/address.ts";
import type { Prefix } from "../../base/ip.ts";
import { AllowedAddresses } from "../../tunnel/allowed-addresses.ts";
import { Session, type SessionKeys, SessionSlots } from "../../tunnel/session.ts";
import { SUITE_D, SUITE_W } from "../../tunnel/suite.ts";
import { protocolOf } from "../../wire/first-byte.ts";
import type { Arena } from "./arena.ts";
import { createCipher } from "./cipher.ts";
import { Coalescer, type TunPort } from "./coalescer.ts";
import { type DatagramPort, Inbound, type LiveSession } from "./inbound.ts";
import { Outbound } from "./outbound.ts";
import { type Ciphers, DatapathPeer, type PeerControl } from "./peer.ts";
import { COLUMN, NO_PEER, type Stats } from "./stats.ts";
import { SharingPolicy } from "./super-packets.ts";
import { type Sender, Train } from "./train.ts";

export type SuiteName = "wireguard" | "dnet";

/** A session's keys as they pass between threads. */
export type PortableKeys = Omit<SessionKeys, "suite"> & { readonly suite: SuiteName };

/** A decision of the control thread. Peers are named by small numbers, as `Tunnel.addPeer` gave them. */
export type Command =
  | { type: "peer"; peer: number; suite: SuiteName; superPackets: boolean; allowed: Prefix[] }
  | { type: "removePeer"; peer: number }
  | { type: "session"; peer: number; keys: PortableKeys }
  | { type: "keepalive"; peer: number }
  | { type: "endpoint"; peer: number; address: Address }
  | { type: "unreachable"; peer: number }
  | { type: "forget"; peer: number }
  | { type: "pathMtu"; peer: number; bytes: number; version: 4 | 6 }
  /** From now on the control thread takes what is of another protocol than the tunnel's. */
  | { type: "share" };

/** What the control thread hears. */
export interface Control extends PeerControl {
  confirmed(peer: number, localIndex: number): void;
  roamed(peer: number, address: Address): void;
  /** Whether a datagram would be taken now; of the tunnel's own, or of another protocol. */
  hasRoom(isTunnel: boolean): boolean;
  /** A datagram that is no data of the tunnel; `datagram` is a view that is over when this returns. */
  datagram(from: Address, datagram: Uint8Array): void;
}

/** The UDP sockets together. */
export interface Sockets<Destination> extends Sender<Destination> {
  readonly ports: readonly DatagramPort<Destination>[];
  destination(address: Address): Destination;
}

export interface DatapathOptions<Destination> {
  arena: Arena;
  tun: TunPort;
  sockets: Sockets<Destination>;
  stats: Stats;
  mtu: number;
  control: Control;
}

/** Bytes of arena that all parts together set aside, rounded up; the ports add their own. */
export const DATAPATH_ARENA_BYTES = 2 * 1024 * 1024;
/** Full: the oldest is forgotten, and an answer to it leaves from the address that the routes choose. */
const MAX_RECENT_SENDERS = 256;

export class Datapath<Destination> {
  readonly #o: DatapathOptions<Destination>;
  readonly #peers: (DatapathPeer<Destination> | undefined)[] = [];
  readonly #routes = new AllowedAddresses();
  readonly #sessions = new Map<number, LiveSession<Destination>>();
  /** Who wrote to the control thread lately, so that the answer leaves from the address that was written to. */
  readonly #recentSenders = new Map<string, Destination>();
  readonly #train: Train<Destination>;
  readonly #outbound: Outbound<Destination>;
  readonly #inbound: Inbound<Destination>;
  #isShared = false;

  constructor(options: DatapathOptions<Destination>) {
    this.#o = options;
    const { arena, tun, sockets, stats, control } = options;
    const coalescer = new Coalescer(arena, tun, stats);
    this.#train = new Train(arena, sockets, stats);
    const shared = { arena, tun, coalescer, stats, routes: this.#routes };
    this.#outbound = new Outbound({ ...shared, train: this.#train, peers: this.#peers });
    this.#inbound = new Inbound({
      ...shared,
      outbound: this.#outbound,
      sessions: this.#sessions,
      onOther: (port, message, at, length) => this.#other(port, message, at, length),
      onConfirmed: (peer, localIndex) => control.confirmed(peer, localIndex),
      onRoamed: (peer, address) => control.roamed(peer, address),
    });
  }

  /** Moves what the TUN has ready, up to a bound. */
  turnTun(now: number): void {
    this.#outbound.turn(now);
  }

  /** Moves what a socket has ready, up to a bound. */
  turnSocket(now: number, port: DatagramPort<Destination>): void {
    this.#inbound.turn(now, port);
  }

  /** Sends a datagram of the control thread's. */
  send(to: Address, datagram: Uint8Array): void {
    const { arena, stats } = this.#o;
    const destination = this.#destination(to);
    const at = this.#train.append({ index: NO_PEER, destination, tooBig: () => {} }, datagram.length, 0);
    arena.bytes.set(datagram, at);
    this.#train.flush();
    stats.add(NO_PEER, COLUMN.sentBytes, datagram.length);
  }

  apply(now: number, command: Command): void {
    if (command.type === "peer") return this.#addPeer(command);
    if (command.type === "share") {
      this.#isShared = true;
      return;
    }
    const peer = this.#peers[command.peer];
    if (!peer) return; // removed while the command was on its way
    switch (command.type) {
      case "removePeer":
        this.#removePeer(peer);
        break;
      case "session":
        this.#install(now, peer, command.keys);
        break;
      case "keepalive":
        this.#outbound.keepalive(now, peer);
        break;
      case "endpoint":
        peer.destination = this.#destination(command.address);
        break;
      case "unreachable":
        this.#answered(peer);
        this.#o.stats.add(peer.index, COLUMN.unreachable, peer.waiting.take().length);
        break;
      case "forget":
        peer.slots.clear();
        peer.answered();
        break;
      case "pathMtu":
        peer.limitPath(command.bytes, command.version);
        break;
    }
  }

  /** Drops and wipes all keys. */
  close(): void {
    for (const peer of this.#peers) if (peer) this.#removePeer(peer);
  }

  #addPeer({ peer: index, suite, superPackets, allowed }: Extract<Command, { type: "peer" }>): void {
    const slots = new SessionSlots<Ciphers>((session) => {
      this.#sessions.delete(session.keys.localIndex);
      session.cipher.sealer.close();
      session.cipher.opener.close();
    });
    const { mtu, control } = this.#o;
    const policy = new SharingPolicy(superPackets);
    this.#peers[index] = new DatapathPeer(index, suite === "dnet" ? SUITE_D : SUITE_W, slots, policy, mtu, control);
    for (const prefix of allowed) this.#routes.insert(prefix, index);
  }

  #removePeer(peer: DatapathPeer<Destination>): void {
    this.#routes.removePeer(peer.index);
    peer.slots.clear();
    this.#peers[peer.index] = undefined;
    this.#o.stats.clear(peer.index);
  }

  #install(now: number, peer: DatapathPeer<Destination>, keys: PortableKeys): void {
    const name = keys.suite === "dnet" ? "aes-256-gcm" : "chacha20-poly1305";
    const sealer = createCipher(name, keys.sendKey, "seal", this.#o.arena);
    const opener = createCipher(name, keys.receiveKey, "open", this.#o.arena);
    const session = new Session<Ciphers>({ ...keys, suite: peer.suite }, { sealer, opener });
    peer.slots.install(session);
    this.#answered(peer);
    this.#sessions.set(keys.localIndex, { peer, session });
    if (keys.isInitiator) this.#outbound.sendWaiting(now, peer);
  }

  /** What was sent, heard or wanted before a new session, or before giving up, asks for nothing any more. */
  #answered(peer: DatapathPeer<Destination>): void {
    peer.answered();
    this.#o.stats.set(peer.index, COLUMN.unansweredSince, 0);
    this.#o.stats.set(peer.index, COLUMN.unheardSince, 0);
  }

  #destination(address: Address): Destination {
    return this.#recentSenders.get(formatAddress(address)) ?? this.#o.sockets.destination(address);
  }

  /** A handshake, or another protocol's: the control thread may want it. */
  #other(port: DatagramPort<Destination>, message: number, at: number, length: number): void {
    const { arena, control, stats } = this.#o;
    const datagram = arena.bytes.subarray(at, at + length);
    const protocol = protocolOf(datagram);
    const isTunnel = protocol === "tunnel";
    if (protocol === null || !(isTunnel || this.#isShared)) return stats.add(NO_PEER, COLUMN.unknownType, 1);
    if (!control.hasRoom(isTunnel)) return stats.add(NO_PEER, COLUMN.controlBusy, 1);
    const from = port.addressOf(message);
    const key = formatAddress(from);
    this.#recentSenders.delete(key);
    this.#recentSenders.set(key, port.replyTo(message));
    if (this.#recentSenders.size > MAX_RECENT_SENDERS) {
      this.#recentSenders.delete(this.#recentSenders.keys().next().value!);
    }
    control.datagram(from, datagram);
  }
}
