/**
 * Super-packets: a whole packet of the kernel's, sealed as one message and cut into datagrams (`frames.ts`). They save most
 * of the work per packet, and lose 60 kB when one datagram is lost. So they are on only where nothing has been lost for a while,
 * which the far end reports.
 */
import type { Arena } from "./arena.ts";
import { FRAME_HEADER_BYTES } from "./frames.ts";
import { CONGESTION_EXPERIENCED, PacketHeaders, TCP, TCP_CHECKSUM, UDP, UDP_CHECKSUM } from "./packet.ts";
import { COLUMN, NO_PEER, type Stats } from "./stats.ts";
import {
  emptyVnet,
  GSO_ECN,
  GSO_TCP4,
  GSO_TCP6,
  GSO_UDP,
  NEEDS_CHECKSUM,
  readVnet,
  VNET_BYTES,
} from "./vnet-header.ts";

/** Messages that must arrive without a loss before super-packets begin: at 1 % loss, one run in 10^17 is that lucky. */
const FIRST_CLEAN_RUN = 4096;
/** Each loss while they are on asks for a run four times as long the next time, up to this. */
const LONGEST_CLEAN_RUN = 2 ** 20;

/** After a loss, so many messages without another before packets share one again. */
const BUNDLES_AFTER = 1024;

/** The sender's side, for one peer: which packets may share a message, and so be lost together. */
export class SharingPolicy {
  superPackets = false;
  /**
   * Small packets share one unless losses are recent. A bundle may hold all acknowledgements of a window: at 1 % loss, TCP (cubic)
   * got 1.6 times as far when they travelled alone.
   */
  bundles = true;
  readonly #allowed: boolean;
  #clean = 0;
  #required = FIRST_CLEAN_RUN;
  #session = -1;
  #highest = 0;
  #missing = 0;

  constructor(allowed: boolean) {
    this.#allowed = allowed;
  }

  /**
   * The far end has seen counters of `session` up to `highest`, and `missing` of those below it never came. Another session than
   * before counts from 0 again; what was learnt of the path stays.
   */
  report(session: number, highest: number, missing: number): void {
    if (session !== this.#session) {
      this.#session = session;
      this.#highest = 0;
      this.#missing = 0;
    }
    if (highest < this.#highest) return; // an older report, overtaken
    if (missing > this.#missing) {
      if (this.superPackets) this.#required = Math.min(this.#required * 4, LONGEST_CLEAN_RUN);
      this.superPackets = false;
      this.bundles = false;
      this.#clean = 0;
    } else {
      this.#clean += highest - this.#highest;
      if (this.#clean >= BUNDLES_AFTER) this.bundles = true;
      if (this.#clean >= this.#required) this.superPackets = this.#allowed;
      if (this.#clean >= LONGEST_CLEAN_RUN) this.#required = FIRST_CLEAN_RUN;
    }
    this.#highest = highest;
    this.#missing = missing;
  }
}

const REPORT_EVERY_MESSAGES = 256;
const REPORT_MIN_GAP_MS = 10;

/** The receiver's side, for one peer: when to report. Idle and slow sessions never do. */
export class ReportSchedule {
  #reportedAt = Number.NEGATIVE_INFINITY;
  #session = -1;
  #received = 0;
  #missing = 0;

  /** Whether to report that `received` messages came on `session`, and `missing` did not. */
  isDue(now: number, session: number, received: number, missing: number): boolean {
    if (session !== this.#session) this.#sent(session, 0, 0);
    if (received - this.#received < REPORT_EVERY_MESSAGES && missing <= this.#missing) return false;
    if (now - this.#reportedAt < REPORT_MIN_GAP_MS) return false;
    this.#reportedAt = now;
    this.#sent(session, received, missing);
    return true;
  }

  #sent(session: number, received: number, missing: number): void {
    this.#session = session;
    this.#received = received;
    this.#missing = missing;
  }
}

const SLOTS = 8; // super-packets that may be under way at once; a receive brings whole ones, so two would nearly do
const SLOT_BYTES = 67_584; // 64 kB of packet, its vnet header and its tag
const MAX_PIECES = 64;
const FREE = -1; // instead of a receiver's index

interface Slot {
  readonly at: number;
  receiver: number;
  counter: number;
  count: number;
  arrived: number;
  begun: number; // its place among all messages that ever began, from 1
  tos: number; // the outer headers' TOS; congestion that any piece met is the message's (RFC 3168 §5.3)
  pieceBytes: number;
  lastBytes: number;
  seen: Uint8Array;
}

/** Puts pieces together. Full: the oldest unfinished super-packet makes room, and counts as incomplete. */
export class Assembly {
  /** Where the message that `add` completed lies, its sealed length, and the TOS that it came under. */
  at = 0;
  length = 0;
  tos = 0;
  readonly #arena: Arena;
  readonly #stats: Stats;
  readonly #slots: Slot[];
  #begun = 0;

  constructor(arena: Arena, stats: Stats) {
    this.#arena = arena;
    this.#stats = stats;
    this.#slots = Array.from({ length: SLOTS }, () => ({
      at: arena.reserve(SLOT_BYTES),
      receiver: FREE,
      counter: 0,
      count: 0,
      arrived: 0,
      begun: 0,
      tos: 0,
      pieceBytes: 0,
      lastBytes: 0,
      seen: new Uint8Array(MAX_PIECES),
    }));
  }

  /**
   * Takes the piece in the datagram at `at`, which came with `tos`; true when it completed its message, which lies at `this.at`
   * until the next call.
   * Nothing here is authenticated yet: a forged piece can spoil a super-packet, as a lost one would, and no more.
   */
  add(
    at: number,
    length: number,
    receiver: number,
    counter: number,
    index: number,
    count: number,
    tos: number,
  ): boolean {
    const bytes = length - FRAME_HEADER_BYTES;
    if (count === 0 || count > MAX_PIECES || index >= count || bytes <= 0) return this.#refuse(COLUMN.malformed);
    const slot = this.#find(receiver, counter, count);
    if (slot.seen[index] === 1) return this.#refuse(COLUMN.replayed);
    const isLast = index === count - 1;
    if (isLast) slot.lastBytes = bytes;
    else if (slot.pieceBytes === 0) slot.pieceBytes = bytes;
    else if (slot.pieceBytes !== bytes) return this.#refuse(COLUMN.malformed);
    // The last piece's place is known once another piece is; pieces come in order but for one-in-a-million reordering.
    if (isLast && count > 1 && slot.pieceBytes === 0) return this.#refuse(COLUMN.incomplete);
    const offset = index * slot.pieceBytes;
    if (offset + bytes > SLOT_BYTES || (isLast && count > 1 && bytes > slot.pieceBytes))
      return this.#refuse(COLUMN.malformed);
    const source = at + FRAME_HEADER_BYTES;
    this.#arena.bytes.copyWithin(slot.at + offset, source, source + bytes);
    slot.seen[index] = 1;
    if (slot.arrived === 0 || (tos & CONGESTION_EXPERIENCED) === CONGESTION_EXPERIENCED) slot.tos = tos;
    slot.arrived++;
    if (slot.arrived < count) return false;
    this.at = slot.at;
    this.tos = slot.tos;
    this.length = (count - 1) * slot.pieceBytes + slot.lastBytes;
    slot.receiver = FREE;
    return true;
  }

  #find(receiver: number, counter: number, count: number): Slot {
    for (const slot of this.#slots) {
      if (slot.receiver === receiver && slot.counter === counter && slot.count === count) return slot;
    }
    const slot = this.#free();
    if (slot.receiver !== FREE) this.#stats.add(NO_PEER, COLUMN.incomplete, slot.arrived);
    slot.receiver = receiver;
    slot.counter = counter;
    slot.count = count;
    slot.arrived = 0;
    slot.begun = ++this.#begun;
    slot.tos = 0;
    slot.pieceBytes = 0;
    slot.lastBytes = 0;
    slot.seen.fill(0);
    return slot;
  }

  /** The first free slot, so that one place in the cache serves as long as nothing is lost; or the oldest in use. */
  #free(): Slot {
    let oldest = this.#slots[0]!;
    for (const slot of this.#slots) {
      if (slot.receiver === FREE) return slot;
      if (slot.begun < oldest.begun) oldest = slot;
    }
    return oldest;
  }

  #refuse(column: number): boolean {
    this.#stats.add(NO_PEER, column, 1);
    return false;
  }
}

/** A peer may not make our kernel cut a packet into dust. The kernel's own least MSS is 48 (`TCP_MIN_MSS`), with options 88. */
const MIN_GSO_SIZE = 64;

/** Checks an opened super-packet, which a member wrote, before our kernel acts on its vnet header. */
export class SuperPacketCheck {
  readonly headers = new PacketHeaders();
  readonly #vnet = emptyVnet();

  /** Of the packet that last held. */
  get isUdp(): boolean {
    return this.headers.protocol === UDP;
  }

  /** Whether the vnet header at `at` and the packet behind it, `length` bytes together, agree in every field. */
  holds(view: DataView, at: number, length: number): boolean {
    const vnet = this.#vnet;
    const headers = this.headers;
    if (length < VNET_BYTES || !headers.parse(view, at + VNET_BYTES, length - VNET_BYTES)) return false;
    readVnet(view, at, vnet);
    const { version, protocol, ipBytes, headerBytes } = headers;
    const gsoType = vnet.gsoType & ~GSO_ECN;
    const expected = protocol === UDP ? GSO_UDP : version === 4 ? GSO_TCP4 : GSO_TCP6;
    if (headerBytes === 0 || headers.length !== length - VNET_BYTES || gsoType !== expected) return false;
    if (headers.length === headerBytes) return false; // nothing to cut
    if (protocol === UDP && (vnet.gsoType !== GSO_UDP || !this.#udpLengthHolds(view, at + VNET_BYTES))) return false;
    if (vnet.flags !== NEEDS_CHECKSUM || vnet.start !== ipBytes || vnet.gsoSize < MIN_GSO_SIZE) return false;
    if (vnet.field !== (protocol === TCP ? TCP_CHECKSUM : UDP_CHECKSUM)) return false;
    return vnet.headerBytes >= headerBytes && vnet.headerBytes <= headers.length;
  }

  #udpLengthHolds(view: DataView, packet: number): boolean {
    const { ipBytes, length } = this.headers;
    return view.getUint16(packet + ipBytes + 4) === length - ipBytes;
  }
}
