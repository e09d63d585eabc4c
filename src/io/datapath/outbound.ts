/**
 * TUN → UDP: reads packets, finds whose they are, seals them and sends them in trains.
 *
 * A super-packet of the kernel's is sealed whole where `SharingPolicy` allows, otherwise packet by packet. Small packets that
 * were read together share one message, a bundle: nobody waits for company (suite D; 1.7 times the packets per second).
 */
import { TAG_BYTES } from "../../crypto/aead.ts";
import type { AllowedAddresses } from "../../tunnel/allowed-addresses.ts";
import type { Arena } from "./arena.ts";
import { finishChecksum } from "./checksum.ts";
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
  TYPE_D_BUNDLE,
  TYPE_D_PACKET,
  TYPE_D_REPORT,
  TYPE_D_SUPER,
  TYPE_W_DATA,
  writeFrameHeader,
} from "./frames.ts";
import { TooBigReplies } from "./icmp.ts";
import { clampMss } from "./mss.ts";
import { ecnOf, PacketHeaders } from "./packet.ts";
import type { DatapathPeer, DatapathSession } from "./peer.ts";
import { Segmenter } from "./segmenter.ts";
import { COLUMN, NO_PEER, type Stats } from "./stats.ts";
import { SuperPacketCheck } from "./super-packets.ts";
import { MAX_TRAIN_BYTES, type Train } from "./train.ts";
import { GSO_NONE, NEEDS_CHECKSUM, VNET_BYTES } from "./vnet-header.ts";

const READS_PER_TURN = 16; // 12 % more than one a turn; 64 is no better
const TUN_BUFFER_BYTES = 66_560;
const IP6_MIN_MTU = 1280; // always carried (`train.ts`)
const ALIGN = 15; // messages are padded to multiples of 16 bytes (WireGuard paper §5.4.6)

export interface OutboundOptions<Destination> {
  arena: Arena;
  tun: TunPort;
  coalescer: Coalescer;
  train: Train<Destination>;
  routes: AllowedAddresses;
  peers: readonly (DatapathPeer<Destination> | undefined)[];
  stats: Stats;
}

export class Outbound<Destination> {
  readonly #o: OutboundOptions<Destination>;
  readonly #arena: Arena;
  readonly #stats: Stats;
  readonly #tunBuffer: number;
  readonly #headers = new PacketHeaders();
  readonly #segmenter: Segmenter;
  readonly #superCheck = new SuperPacketCheck();
  readonly #tooBig: TooBigReplies;
  readonly #scratch: number; // a report, or nothing: a keepalive
  readonly #saved = new Uint8Array(new ArrayBuffer(ALIGN + 1));

  // The open bundle; none while #bundlePackets is 0.
  readonly #bundle: number;
  #bundlePeer: DatapathPeer<Destination> | null = null;
  #bundleSession: DatapathSession | null = null;
  #bundleBytes = 0;
  #bundlePackets = 0;
  #bundleTos = 0;

  constructor(options: OutboundOptions<Destination>) {
    this.#o = options;
    this.#arena = options.arena;
    this.#stats = options.stats;
    this.#tunBuffer = this.#arena.reserve(TUN_BUFFER_BYTES);
    this.#scratch = this.#arena.reserve(64);
    this.#bundle = this.#arena.reserve(TUN_BUFFER_BYTES);
    this.#segmenter = new Segmenter(this.#arena);
    this.#tooBig = new TooBigReplies(this.#arena);
  }

  /** Moves what the TUN has ready, up to a bound. */
  turn(now: number): void {
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      const length = this.#o.tun.read(this.#tunBuffer, TUN_BUFFER_BYTES);
      if (length === 0) break;
      this.#packet(now, length);
    }
    this.flush();
  }

  /** Sends everything that is sealed or waits in a bundle. */
  flush(): void {
    this.#closeBundle();
    this.#o.train.flush();
  }

  /** Sends the packets that waited for the session which has just come. */
  sendWaiting(now: number, peer: DatapathPeer<Destination>): void {
    for (const packet of peer.waiting.take()) {
      this.#arena.bytes.set(packet, this.#tunBuffer);
      this.#packet(now, packet.length);
    }
    this.flush();
  }

  /** An empty message: proof of life, and of the session to its responder. */
  keepalive(now: number, peer: DatapathPeer<Destination>): void {
    const session = peer.slots.sendable(now);
    if (!session) return peer.want(now);
    this.#seal(peer, session, packetWord(session, false), PREFIX_PACKET, this.#scratch, 0, 0);
    this.#sent(now, peer, false);
    this.#o.train.flush();
  }

  /** Tells the far end what of this session arrived (`frames.ts`, report). */
  report(now: number, peer: DatapathPeer<Destination>, session: DatapathSession, missing: number): void {
    const sending = peer.slots.sendable(now);
    if (!sending) return;
    const { view } = this.#arena;
    const at = this.#scratch;
    view.setUint32(at, session.window.highest, true);
    view.setUint32(at + 4, session.keys.localIndex, true);
    view.setUint32(at + 8, missing, true);
    view.setUint32(at + 12, 0, true);
    this.#seal(peer, sending, TYPE_D_REPORT, PREFIX_REPORT, at, REPORT_BYTES, 0);
    this.#sent(now, peer, false);
  }

  #packet(now: number, length: number): void {
    const { view } = this.#arena;
    const at = this.#tunBuffer + VNET_BYTES;
    const headers = this.#headers;
    if (!headers.parse(view, at, length - VNET_BYTES)) return this.#stats.add(NO_PEER, COLUMN.malformed, 1);
    const { routes, peers } = this.#o;
    const is4 = headers.version === 4;
    const owner = is4 ? routes.lookup4(view.getUint32(at + 16)) : routes.lookup6(this.#arena.bytes, at + 24);
    const peer = peers[owner];
    if (!peer) return this.#stats.add(NO_PEER, COLUMN.noRoute, 1);

    const gsoType = view.getUint8(this.#tunBuffer + 1);
    const packetBytes =
      gsoType === GSO_NONE ? headers.length : headers.headerBytes + view.getUint16(this.#tunBuffer + 4, true);
    if (packetBytes > (is4 ? peer.mtu : Math.max(peer.mtu, IP6_MIN_MTU))) return this.#refuseTooBig(now, peer, at);

    const session = peer.slots.sendable(now);
    if (!session) return this.#wait(now, peer, length);
    if (session.staleOnSend(now)) peer.want(now);

    if (gsoType === GSO_NONE) this.#single(peer, session, at);
    else if (!this.#super(peer, session, length)) this.#segments(peer, session, length);
    this.#sent(now, peer, true);
  }

  /** One ordinary packet, in a bundle if it is small enough for two. */
  #single(peer: DatapathPeer<Destination>, session: DatapathSession, at: number): void {
    const { view } = this.#arena;
    const headers = this.#headers;
    const isDnet = peer.suite.name === "dnet";
    let partial = (view.getUint8(this.#tunBuffer) & NEEDS_CHECKSUM) !== 0;
    if (partial && (!isDnet || headers.headerBytes === 0)) {
      const start = view.getUint16(this.#tunBuffer + 6, true);
      const field = view.getUint16(this.#tunBuffer + 8, true);
      if (start + field + 2 > headers.length) return this.#stats.add(peer.index, COLUMN.malformed, 1);
      finishChecksum(view, at + start, headers.length - start, field);
      partial = false;
    }
    clampMss(view, at, headers, peer.mtu, partial);
    const tos = ecnOf(view, at);
    if (isDnet && peer.sharing.bundles && headers.length + BUNDLE_ENTRY_BYTES <= peer.mtu / 2) {
      return this.#addToBundle(peer, session, at, headers.length, partial, tos);
    }
    this.#closeBundle();
    const prefix = partial ? PREFIX_PACKET_PARTIAL : PREFIX_PACKET;
    this.#seal(peer, session, packetWord(session, partial), prefix, at, headers.length, tos);
  }

  #addToBundle(
    peer: DatapathPeer<Destination>,
    session: DatapathSession,
    at: number,
    length: number,
    partial: boolean,
    tos: number,
  ): void {
    const entryBytes = BUNDLE_ENTRY_BYTES + length;
    const fits =
      session === this.#bundleSession && tos === this.#bundleTos && this.#bundleBytes + entryBytes <= peer.mtu;
    if (!fits) this.#closeBundle();
    const { bytes, view } = this.#arena;
    const entry = this.#bundle + this.#bundleBytes;
    view.setUint16(entry, length | (partial ? BUNDLE_PARTIAL : 0), true);
    bytes.copyWithin(entry + BUNDLE_ENTRY_BYTES, at, at + length);
    this.#bundlePeer = peer;
    this.#bundleSession = session;
    this.#bundleTos = tos;
    this.#bundleBytes += entryBytes;
    this.#bundlePackets++;
  }

  #closeBundle(): void {
    const peer = this.#bundlePeer;
    const session = this.#bundleSession;
    if (this.#bundlePackets === 0 || !peer || !session) return;
    if (this.#bundlePackets === 1) {
      const partial = (this.#arena.view.getUint16(this.#bundle, true) & BUNDLE_PARTIAL) !== 0;
      const prefix = partial ? PREFIX_PACKET_PARTIAL : PREFIX_PACKET;
      const length = this.#bundleBytes - BUNDLE_ENTRY_BYTES;
      this.#seal(
        peer,
        session,
        packetWord(session, partial),
        prefix,
        this.#bundle + BUNDLE_ENTRY_BYTES,
        length,
        this.#bundleTos,
      );
    } else {
      this.#seal(peer, session, TYPE_D_BUNDLE, PREFIX_BUNDLE, this.#bundle, this.#bundleBytes, this.#bundleTos);
      this.#stats.add(peer.index, COLUMN.bundlesSent, 1);
    }
    this.#bundlePackets = 0;
    this.#bundleBytes = 0;
    this.#bundleSession = null;
    this.#bundlePeer = null;
  }

  /** Sends the super-packet in the TUN buffer as one message; false when it must go packet by packet. */
  #super(peer: DatapathPeer<Destination>, session: DatapathSession, length: number): boolean {
    if (!peer.sharing.superPackets) return false;
    const { bytes, view } = this.#arena;
    const source = this.#tunBuffer;
    view.setUint16(source + 2, this.#headers.headerBytes, true); // the kernel's own may count some payload
    if (!this.#superCheck.holds(view, source, length)) return false;
    const pieceBytes = peer.mtu + TAG_BYTES; // so a datagram is as long as that of the largest packet
    const sealedBytes = length + TAG_BYTES;
    const count = Math.ceil(sealedBytes / pieceBytes);
    const trainBytes = sealedBytes + count * FRAME_HEADER_BYTES;
    if (count < 2 || count > 64 || trainBytes > MAX_TRAIN_BYTES) return false;

    this.#closeBundle();
    const counter = session.sendCounter++;
    const tos = ecnOf(view, source + VNET_BYTES);
    session.cipher.sealer.seal(PREFIX_SUPER, counter, source, length, source);
    const segment = FRAME_HEADER_BYTES + pieceBytes;
    const train = this.#o.train.whole(peer, trainBytes, segment, tos);
    for (let i = 0; i < count; i++) {
      const at = train + i * segment;
      const word = TYPE_D_SUPER | (i << 16) | (count << 24);
      writeFrameHeader(this.#arena, at, word, session.keys.remoteIndex, counter);
      const from = source + i * pieceBytes;
      bytes.copyWithin(at + FRAME_HEADER_BYTES, from, Math.min(from + pieceBytes, source + sealedBytes));
    }
    this.#o.train.flush();
    this.#stats.add(peer.index, COLUMN.superPacketsSent, 1);
    this.#count(peer, trainBytes);
    return true;
  }

  #segments(peer: DatapathPeer<Destination>, session: DatapathSession, length: number): void {
    // Behind IPv6 extension headers the far end would not find the checksum, so it leaves whole.
    const partial = peer.suite.name === "dnet" && this.#headers.headerBytes > 0;
    const segmenter = this.#segmenter;
    if (!segmenter.begin(this.#tunBuffer, length, !partial)) return this.#stats.add(peer.index, COLUMN.malformed, 1);
    this.#closeBundle();
    const tos = ecnOf(this.#arena.view, this.#tunBuffer + VNET_BYTES);
    const word = packetWord(session, partial);
    const prefix = partial ? PREFIX_PACKET_PARTIAL : PREFIX_PACKET;
    for (let bytes = segmenter.next(); bytes > 0; bytes = segmenter.next()) {
      this.#seal(peer, session, word, prefix, segmenter.at, bytes, tos);
    }
  }

  /** Seals `length` bytes at `source`, zero-padded for a moment, into the train. */
  #seal(
    peer: DatapathPeer<Destination>,
    session: DatapathSession,
    word: number,
    prefix: number,
    source: number,
    length: number,
    tos: number,
  ): void {
    const { bytes } = this.#arena;
    const padded = Math.max(length, Math.min((length + ALIGN) & ~ALIGN, peer.mtu));
    const padding = padded - length;
    const end = source + length;
    if (padding > 0) {
      // What follows may be the next packet's payload: it is put back.
      for (let i = 0; i < padding; i++) this.#saved[i] = bytes[end + i]!;
      bytes.fill(0, end, end + padding);
    }
    const datagramBytes = FRAME_HEADER_BYTES + padded + TAG_BYTES;
    const at = this.#o.train.append(peer, datagramBytes, tos);
    const counter = session.sendCounter++;
    writeFrameHeader(this.#arena, at, word, session.keys.remoteIndex, counter);
    session.cipher.sealer.seal(prefix, counter, source, padded, at + FRAME_HEADER_BYTES);
    if (padding > 0) for (let i = 0; i < padding; i++) bytes[end + i] = this.#saved[i]!;
    this.#count(peer, datagramBytes);
  }

  #count(peer: DatapathPeer<Destination>, datagramBytes: number): void {
    this.#stats.add(peer.index, COLUMN.sentBytes, datagramBytes);
    this.#stats.add(peer.index, COLUMN.sentPackets, 1);
  }

  /** Keeps what the timers need to know (`Activity` in `src/tunnel/tunnel.ts`). */
  #sent(now: number, peer: DatapathPeer<Destination>, isData: boolean): void {
    const stats = this.#stats;
    stats.set(peer.index, COLUMN.lastTraversalAt, now);
    stats.set(peer.index, COLUMN.unansweredSince, 0);
    if (isData && stats.get(peer.index, COLUMN.unheardSince) === 0) stats.set(peer.index, COLUMN.unheardSince, now);
  }

  #wait(now: number, peer: DatapathPeer<Destination>, length: number): void {
    const dropped = peer.waiting.push(this.#arena.bytes.subarray(this.#tunBuffer, this.#tunBuffer + length));
    this.#stats.add(peer.index, COLUMN.queueFull, dropped);
    peer.want(now);
  }

  #refuseTooBig(now: number, peer: DatapathPeer<Destination>, at: number): void {
    this.#stats.add(peer.index, COLUMN.tooBig, 1);
    const length = this.#tooBig.write(now, at, this.#headers, peer.mtu);
    if (length === 0) return;
    this.#headers.parse(this.#arena.view, this.#tooBig.at, length);
    this.#o.coalescer.deliver(peer.index, this.#tooBig.at, this.#headers, false);
    this.#o.coalescer.flush();
  }
}

function packetWord(session: DatapathSession, partial: boolean): number {
  if (session.keys.suite.name === "wireguard") return TYPE_W_DATA;
  return TYPE_D_PACKET | (partial ? FLAG_PARTIAL_CHECKSUM << 8 : 0);
}
