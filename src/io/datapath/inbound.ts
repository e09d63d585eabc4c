/**
 * UDP → TUN: tells frames apart, opens them, checks that the inner source is the sender's, and hands packets to the TUN.
 * Everything here may be a stranger's: nothing throws, nothing is allocated for it, and each refusal is counted.
 */
import type { Address } from "../../base/address.ts";
import { TAG_BYTES } from "../../crypto/aead.ts";
import type { AllowedAddresses } from "../../tunnel/allowed-addresses.ts";
import type { Arena } from "./arena.ts";
import { updateChecksum } from "./checksum.ts";
import type { Coalescer, TunPort } from "./coalescer.ts";
import {
  BUNDLE_ENTRY_BYTES,
  BUNDLE_PARTIAL,
  FLAG_PARTIAL_CHECKSUM,
  FRAME_HEADER_BYTES,
  PREFIX_BUNDLE,
  PREFIX_PACKET,
  PREFIX_PACKET_PARTIAL,
  PREFIX_REPORT,
  PREFIX_SUPER,
  REPORT_BYTES,
  readCounter,
  TYPE_D_BUNDLE,
  TYPE_D_PACKET,
  TYPE_D_REPORT,
  TYPE_D_SUPER,
  TYPE_W_DATA,
} from "./frames.ts";
import { clampMss } from "./mss.ts";
import type { Outbound } from "./outbound.ts";
import { CONGESTION_EXPERIENCED, ecnOf, PacketHeaders } from "./packet.ts";
import type { DatapathPeer, DatapathSession } from "./peer.ts";
import { Segmenter } from "./segmenter.ts";
import { COLUMN, NO_PEER, type Stats } from "./stats.ts";
import { Assembly, SuperPacketCheck } from "./super-packets.ts";
import type { Sender } from "./train.ts";
import { VNET_BYTES } from "./vnet-header.ts";

/** A UDP socket, or what stands for one. Messages are read in place until the next `receive`. */
export interface DatagramPort<Destination> extends Sender<Destination> {
  /** How many messages `receive` takes at most; fewer mean that no more are waiting. */
  readonly slots: number;
  /** Takes what waits and returns how many messages. */
  receive(): number;
  offsetOf(message: number): number;
  /** A message is one datagram, or several of `segmentOf` bytes each (the last may be shorter) that the kernel joined. */
  lengthOf(message: number): number;
  segmentOf(message: number): number;
  tosOf(message: number): number;
  /** Whether the message came from there, and to the local address that we send there from. */
  isFrom(message: number, destination: Destination): boolean;
  /** Where an answer goes, and from which local address. */
  replyTo(message: number): Destination;
  addressOf(message: number): Address;
}

/** A session that datagrams can name, and whose it is. */
export interface LiveSession<Destination> {
  readonly peer: DatapathPeer<Destination>;
  readonly session: DatapathSession;
}

export interface InboundOptions<Destination> {
  arena: Arena;
  tun: TunPort;
  coalescer: Coalescer;
  outbound: Outbound<Destination>;
  routes: AllowedAddresses;
  sessions: ReadonlyMap<number, LiveSession<Destination>>;
  stats: Stats;
  /** A datagram that is no data of the tunnel: a handshake, or some other protocol's. */
  onOther(port: DatagramPort<Destination>, message: number, at: number, length: number): void;
  onConfirmed(peer: number, localIndex: number): void;
  onRoamed(peer: number, address: Address): void;
}

const RECEIVES_PER_TURN = 8;
const PLAIN_ROOM = 64; // before the opened packet: its vnet header
const NONCE_PREFIXES: { readonly [type: number]: number } = {
  [TYPE_W_DATA]: PREFIX_PACKET,
  [TYPE_D_PACKET]: PREFIX_PACKET,
  [TYPE_D_BUNDLE]: PREFIX_BUNDLE,
  [TYPE_D_REPORT]: PREFIX_REPORT,
};

export class Inbound<Destination> {
  readonly #o: InboundOptions<Destination>;
  readonly #arena: Arena;
  readonly #stats: Stats;
  readonly #plain: number;
  readonly #headers = new PacketHeaders();
  readonly #assembly: Assembly;
  readonly #superCheck = new SuperPacketCheck();
  readonly #segmenter: Segmenter;
  #now = 0;
  #tos = 0;
  /** The sessions of suite D that data came by in this turn. */
  readonly #heard: LiveSession<Destination>[] = [];

  constructor(options: InboundOptions<Destination>) {
    this.#o = options;
    this.#arena = options.arena;
    this.#stats = options.stats;
    this.#plain = this.#arena.reserve(PLAIN_ROOM + 66_560) + PLAIN_ROOM;
    this.#assembly = new Assembly(this.#arena, options.stats);
    this.#segmenter = new Segmenter(this.#arena);
  }

  /** Moves what the socket has ready, up to a bound. */
  turn(now: number, port: DatagramPort<Destination>): void {
    this.#now = now;
    let messages = port.slots;
    for (let receives = 0; receives < RECEIVES_PER_TURN && messages === port.slots; receives++) {
      messages = port.receive();
      for (let i = 0; i < messages; i++) this.#message(port, i);
    }
    this.#o.coalescer.flush();
    this.#report();
  }

  #message(port: DatagramPort<Destination>, message: number): void {
    const start = port.offsetOf(message);
    const end = start + port.lengthOf(message);
    const segment = port.segmentOf(message);
    this.#tos = port.tosOf(message);
    if (end === start) return this.#drop(NO_PEER, COLUMN.malformed); // an empty datagram, or one too long for its slot
    for (let at = start; at < end; at += segment) this.#datagram(port, message, at, Math.min(segment, end - at));
  }

  #datagram(port: DatagramPort<Destination>, message: number, at: number, length: number): void {
    const { view } = this.#arena;
    const type = view.getUint8(at);
    const isData = type === TYPE_W_DATA || (type >= TYPE_D_PACKET && type <= TYPE_D_REPORT);
    if (!isData) return this.#o.onOther(port, message, at, length);
    if (length < FRAME_HEADER_BYTES + (type === TYPE_D_SUPER ? 1 : TAG_BYTES))
      return this.#drop(NO_PEER, COLUMN.malformed);
    const entry = this.#o.sessions.get(view.getUint32(at + 4, true));
    if (!entry) return this.#drop(NO_PEER, COLUMN.unknownSession);
    const { peer, session } = entry;
    if ((type === TYPE_W_DATA) !== (session.keys.suite.name === "wireguard"))
      return this.#drop(peer.index, COLUMN.wrongSuite);
    const counter = readCounter(view, at);
    if (session.expired(this.#now) || counter === Number.POSITIVE_INFINITY)
      return this.#drop(peer.index, COLUMN.expired);
    if (!session.window.check(counter)) return this.#drop(peer.index, COLUMN.replayed);

    if (type === TYPE_D_SUPER) this.#piece(port, message, entry, at, length, counter);
    else this.#whole(port, message, entry, type, at, length, counter);
  }

  /** A message that is one datagram. */
  #whole(
    port: DatagramPort<Destination>,
    message: number,
    entry: LiveSession<Destination>,
    type: number,
    at: number,
    length: number,
    counter: number,
  ): void {
    const { peer, session } = entry;
    const flags = this.#arena.view.getUint32(at, true) >>> 8;
    const partial = type === TYPE_D_PACKET && flags === FLAG_PARTIAL_CHECKSUM;
    if (flags !== 0 && !partial) return this.#drop(peer.index, COLUMN.malformed);
    const prefix = partial ? PREFIX_PACKET_PARTIAL : NONCE_PREFIXES[type]!;
    const sealedBytes = length - FRAME_HEADER_BYTES;
    if (!session.cipher.opener.open(prefix, counter, at + FRAME_HEADER_BYTES, sealedBytes, this.#plain)) {
      return this.#drop(peer.index, COLUMN.forged);
    }
    const plainBytes = sealedBytes - TAG_BYTES;
    const isData = plainBytes > 0 && type !== TYPE_D_REPORT;
    this.#authentic(port, message, entry, counter, length, isData);
    if (type === TYPE_D_REPORT) this.#heed(peer, plainBytes);
    else if (type === TYPE_D_BUNDLE) this.#unbundle(peer, plainBytes);
    else if (plainBytes > 0) this.#deliver(peer, this.#plain, plainBytes, partial);
  }

  /** A piece of a super-packet; the last to come opens it. */
  #piece(
    port: DatagramPort<Destination>,
    message: number,
    entry: LiveSession<Destination>,
    at: number,
    length: number,
    counter: number,
  ): void {
    const { view } = this.#arena;
    const { peer, session } = entry;
    const assembly = this.#assembly;
    if (view.getUint8(at + 1) !== 0) return this.#drop(peer.index, COLUMN.malformed);
    const index = view.getUint8(at + 2);
    const count = view.getUint8(at + 3);
    if (!assembly.add(at, length, session.keys.localIndex, counter, index, count, this.#tos)) return;
    if (assembly.length < VNET_BYTES + TAG_BYTES) return this.#drop(peer.index, COLUMN.malformed);
    if (!session.cipher.opener.open(PREFIX_SUPER, counter, assembly.at, assembly.length, assembly.at)) {
      return this.#drop(peer.index, COLUMN.forged);
    }
    this.#authentic(port, message, entry, counter, assembly.length + count * FRAME_HEADER_BYTES, true);
    this.#deliverSuper(peer, assembly.at, assembly.length - TAG_BYTES, assembly.tos);
  }

  /** What follows from a message's being authentic, whatever it says. */
  #authentic(
    port: DatagramPort<Destination>,
    message: number,
    entry: LiveSession<Destination>,
    counter: number,
    bytes: number,
    isData: boolean,
  ): void {
    const { peer, session } = entry;
    const stats = this.#stats;
    const now = this.#now;
    session.window.accept(counter);
    if (!peer.destination || !port.isFrom(message, peer.destination)) this.#roam(port, message, peer);
    stats.add(peer.index, COLUMN.receivedBytes, bytes);
    stats.add(peer.index, COLUMN.receivedPackets, 1);
    stats.set(peer.index, COLUMN.lastTraversalAt, now);
    stats.set(peer.index, COLUMN.unheardSince, 0);
    if (isData) {
      if (stats.get(peer.index, COLUMN.unansweredSince) === 0) stats.set(peer.index, COLUMN.unansweredSince, now);
      if (session.keys.suite.name === "dnet" && !this.#heard.includes(entry)) this.#heard.push(entry);
    }
    if (peer.slots.authenticated(session)) {
      this.#o.onConfirmed(peer.index, session.keys.localIndex);
      this.#o.outbound.sendWaiting(now, peer); // to where this came from, and as an answer to it
    }
    if (peer.slots.current?.staleOnReceive(now)) peer.want(now);
  }

  #roam(port: DatagramPort<Destination>, message: number, peer: DatapathPeer<Destination>): void {
    peer.destination = port.replyTo(message);
    this.#o.onRoamed(peer.index, port.addressOf(message));
  }

  #unbundle(peer: DatapathPeer<Destination>, length: number): void {
    const { view } = this.#arena;
    const end = this.#plain + length;
    for (let at = this.#plain; at + BUNDLE_ENTRY_BYTES <= end; ) {
      const word = view.getUint16(at, true);
      const bytes = word & ~BUNDLE_PARTIAL;
      at += BUNDLE_ENTRY_BYTES;
      if (bytes === 0) return; // the padding
      if (at + bytes > end) return this.#drop(peer.index, COLUMN.malformed);
      this.#deliver(peer, at, bytes, (word & BUNDLE_PARTIAL) !== 0);
      at += bytes;
    }
  }

  /** One packet of `available` bytes or less at `at`; the bytes before it may be overwritten. */
  #deliver(peer: DatapathPeer<Destination>, at: number, available: number, partial: boolean): void {
    const { view } = this.#arena;
    const headers = this.#headers;
    if (!headers.parse(view, at, available) || (partial && headers.headerBytes === 0)) {
      return this.#drop(peer.index, COLUMN.malformed);
    }
    if (!this.#isAllowed(peer, at, headers, this.#tos)) return;
    clampMss(view, at, headers, peer.mtu, partial); // the answers to a SYN will take the way back
    this.#o.coalescer.deliver(peer.index, at, headers, partial);
  }

  #deliverSuper(peer: DatapathPeer<Destination>, at: number, length: number, tos: number): void {
    const check = this.#superCheck;
    if (!check.holds(this.#arena.view, at, length)) return this.#drop(peer.index, COLUMN.malformed);
    if (!this.#isAllowed(peer, at + VNET_BYTES, check.headers, tos)) return;
    const { tun, coalescer } = this.#o;
    if (check.isUdp ? tun.takes.udp : tun.takes.tcp) return coalescer.writeSuper(peer.index, at, length);
    this.#segmenter.begin(at, length, true);
    for (let bytes = this.#segmenter.next(); bytes > 0; bytes = this.#segmenter.next()) {
      // Copied away from the payloads to come, as the vnet header needs room before the packet.
      this.#arena.bytes.copyWithin(this.#plain, this.#segmenter.at, this.#segmenter.at + bytes);
      this.#headers.parse(this.#arena.view, this.#plain, bytes);
      coalescer.deliver(peer.index, this.#plain, this.#headers, false);
    }
  }

  /** Whether the sender may use the packet's source address and the packet may stand the outer header's ECN mark. */
  #isAllowed(peer: DatapathPeer<Destination>, at: number, headers: PacketHeaders, tos: number): boolean {
    const { routes } = this.#o;
    const { bytes, view } = this.#arena;
    const owner = headers.version === 4 ? routes.lookup4(view.getUint32(at + 12)) : routes.lookup6(bytes, at + 8);
    if (owner !== peer.index) {
      this.#drop(peer.index, COLUMN.sourceNotAllowed);
      return false;
    }
    if ((tos & 3) !== CONGESTION_EXPERIENCED || markCongestion(view, at, headers.version)) return true;
    this.#drop(peer.index, COLUMN.congestionMarked);
    return false;
  }

  /** The far end's report on what arrived there. */
  #heed(peer: DatapathPeer<Destination>, length: number): void {
    const { view } = this.#arena;
    const current = peer.slots.current;
    if (length !== REPORT_BYTES) return this.#drop(peer.index, COLUMN.malformed);
    if (!current || view.getUint32(this.#plain + 4, true) !== current.keys.remoteIndex) return; // of a session since replaced
    const highest = view.getUint32(this.#plain, true);
    if (highest >= current.sendCounter) return this.#drop(peer.index, COLUMN.malformed);
    peer.sharing.report(current.keys.localIndex, highest, view.getUint32(this.#plain + 8, true));
    this.#stats.set(peer.index, COLUMN.superPackets, peer.sharing.superPackets ? 1 : 0);
  }

  /** Reports on what came in this turn, where it is time. */
  #report(): void {
    for (const { peer, session } of this.#heard) {
      const { highest, received } = session.window;
      const missing = highest + 1 - received;
      if (!peer.reports.isDue(this.#now, session.keys.localIndex, received, missing)) continue;
      this.#o.outbound.report(this.#now, peer, session, missing);
      this.#o.outbound.flush();
    }
    this.#heard.length = 0;
  }

  #drop(peer: number, column: number): void {
    this.#stats.add(peer, column, 1);
  }
}

/** Copies "congestion experienced" into the inner header (RFC 6040 §4.2); false when that header says it cannot carry it. */
function markCongestion(view: DataView, at: number, version: number): boolean {
  const ecn = ecnOf(view, at);
  if (ecn === 0) return false;
  if (version === 4) {
    const before = view.getUint16(at, true);
    view.setUint8(at + 1, view.getUint8(at + 1) | CONGESTION_EXPERIENCED);
    updateChecksum(view, at + 10, before, view.getUint16(at, true));
  } else view.setUint8(at + 1, view.getUint8(at + 1) | (CONGESTION_EXPERIENCED << 4));
  return true;
}
