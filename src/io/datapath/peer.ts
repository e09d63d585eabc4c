/** What the datapath holds of one peer. */
import type { Session, SessionSlots } from "../../tunnel/session.ts";
import type { Suite } from "../../tunnel/suite.ts";
import type { PacketCipher } from "./cipher.ts";
import { ReportSchedule, type SharingPolicy } from "./super-packets.ts";
import type { TrainPeer } from "./train.ts";

/** A session's two directions. */
export interface Ciphers {
  readonly sealer: PacketCipher;
  readonly opener: PacketCipher;
}

export type DatapathSession = Session<Ciphers>;

/** Bytes around an inner packet on its way: IPv4 or IPv6, UDP, the frame's header and the tag. */
const OVERHEAD_BYTES = { 4: 20 + 8 + 16 + 16, 6: 40 + 8 + 16 + 16 };
/** Below these an inner protocol cannot work at all, so the path's limit counts no further (RFC 791 §3.2, RFC 8200 §5). */
const LEAST_MTU_BYTES = 576;

/** Asked again this often while a session is wanted: the control thread may have had a reason to let the last one pass. */
const WANT_EVERY_MS = 1000;

/** What a peer tells the control thread. */
export interface PeerControl {
  want(peer: number): void;
  tooBig(peer: number): void;
}

export class DatapathPeer<Destination> implements TrainPeer<Destination> {
  destination: Destination | null = null;
  /** The largest inner packet that fits the path. */
  mtu: number;
  readonly waiting = new WaitingPackets();
  readonly reports = new ReportSchedule();
  #wantedAt = Number.NEGATIVE_INFINITY;

  constructor(
    readonly index: number,
    readonly suite: Suite,
    readonly slots: SessionSlots<Ciphers>,
    readonly sharing: SharingPolicy,
    readonly interfaceMtu: number,
    readonly control: PeerControl,
  ) {
    this.mtu = interfaceMtu;
  }

  /** Asks for a new session, as one is missing or stale. */
  want(now: number): void {
    if (now - this.#wantedAt < WANT_EVERY_MS) return;
    this.#wantedAt = now;
    this.control.want(this.index);
  }

  /** What was wanted has come, or will not: the next wish is told at once. */
  answered(): void {
    this.#wantedAt = Number.NEGATIVE_INFINITY;
  }

  /** The path carries IP packets of at most `bytes`, over this version of IP. */
  limitPath(bytes: number, version: 4 | 6): void {
    const fits = bytes - OVERHEAD_BYTES[version];
    this.mtu = Math.max(LEAST_MTU_BYTES, Math.min(this.interfaceMtu, fits));
  }

  tooBig(): void {
    this.control.tooBig(this.index);
  }
}

const MAX_WAITING_PACKETS = 128;
const MAX_WAITING_BYTES = 256 * 1024;

/** Packets of one peer that wait for a handshake, as the TUN gave them. Full: the oldest goes, as it is the likeliest to be sent again. */
export class WaitingPackets {
  #packets: Uint8Array[] = [];
  #bytes = 0;

  /** Keeps a copy; returns how many older packets it had to drop. */
  push(packet: Uint8Array): number {
    this.#packets.push(packet.slice());
    this.#bytes += packet.length;
    let dropped = 0;
    while (this.#packets.length > MAX_WAITING_PACKETS || this.#bytes > MAX_WAITING_BYTES) {
      this.#bytes -= this.#packets.shift()!.length;
      dropped++;
    }
    return dropped;
  }

  get length(): number {
    return this.#packets.length;
  }

  /** Hands over, and forgets, all of them, oldest first. */
  take(): Uint8Array[] {
    this.#bytes = 0;
    return this.#packets.splice(0);
  }
}
