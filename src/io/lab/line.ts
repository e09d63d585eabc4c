/** The line from a host or a NAT to the network that it stands in: what delays packets on it, and loses them. */
import type { Chance } from "./chance.ts";
import type { Packet } from "./packet.ts";

export interface LineConditions {
  /** One way. */
  readonly delayMs: number;
  /** Up to so much more, by chance; nothing is overtaken because of it. */
  readonly jitterMs: number;
  /** Which share of the packets is lost, in each direction: 0 to 1. */
  readonly loss: number;
  /** Null: as many packets as come. */
  readonly rateMbit: number | null;
}

const QUEUE_MS = 200; // of packets that wait for their turn on a line with a rate: a home router's buffer
const MAX_QUEUED = 8192; // packets on one line in one direction; full: further ones are lost

/** A line is two of these. */
export class Direction {
  #chance: Chance;
  #packets: { readonly packet: Packet; readonly dueAt: number }[] = [];
  #lastDueAt = Number.NEGATIVE_INFINITY;
  #busyUntil = Number.NEGATIVE_INFINITY;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** When the first packet comes out; Infinity when there is none. */
  get deadline(): number {
    return this.#packets[0]?.dueAt ?? Number.POSITIVE_INFINITY;
  }

  /** Returns why the packet is lost, or null. */
  push(
    now: number,
    packet: Packet,
    { delayMs, jitterMs, loss, rateMbit }: LineConditions,
  ): "lost" | "queue-full" | null {
    if (loss > 0 && this.#chance.chance(loss)) return "lost";
    if (this.#packets.length >= MAX_QUEUED) return "queue-full";
    let sentAt = now;
    if (rateMbit !== null) {
      const startsAt = Math.max(now, this.#busyUntil);
      if (startsAt - now > QUEUE_MS) return "queue-full";
      sentAt = startsAt + (packet.bytes.length * 8) / (rateMbit * 1_000);
      this.#busyUntil = sentAt;
    }
    const jitter = jitterMs > 0 ? (jitterMs * this.#chance.below(JITTER_STEPS)) / JITTER_STEPS : 0;
    this.#lastDueAt = Math.max(this.#lastDueAt, sentAt + delayMs + jitter);
    this.#packets.push({ packet, dueAt: this.#lastDueAt });
    return null;
  }

  shift(): Packet {
    return this.#packets.shift()!.packet;
  }
}

const JITTER_STEPS = 1 << 16;
