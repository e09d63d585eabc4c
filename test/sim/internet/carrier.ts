import type { DropReason, Fate, Flight } from "./flight.ts";
import type { Host } from "./host.ts";
import { IP_AND_UDP_HEADER_BYTES, jitterAt, type LinkConditions } from "./link.ts";
import type { Nat } from "./nat.ts";
import { type Attachment, isPrivate } from "./realm.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Told of every datagram's end: `flight.from` and `flight.to` are as the last NAT on the way left them. */
export type Observer = (now: number, fate: Fate, flight: Flight) => void;

/** From a host to its own address. */
const LOOPBACK_MS = 0.05;

/** Carries datagrams from attachment to attachment, and counts what becomes of them. */
export class Carrier {
  readonly dropped: { [Reason in DropReason]?: number } = {};
  sent = 0;
  duplicated = 0;
  delivered = 0;
  observer: Observer | null = null;
  /** Loses exactly what a test wants lost. */
  dropWhen: ((from: Host, to: Host, datagram: Uint8Array) => boolean) | null = null;
  #sides: Map<Attachment, number> | null = null;

  constructor(
    readonly time: VirtualTime,
    readonly conditions: LinkConditions,
  ) {}

  /** Outwards from its sender, through one NAT after the other, to the first realm that has the destination. */
  send(flight: Flight): void {
    this.sent++;
    const { obstacle } = flight.sender;
    if (obstacle) return this.drop(obstacle, flight);
    let realm = flight.sender.realm;
    let nat: Nat | null = null;
    let delayMs = 0;
    let target = realm.find(flight.to.host);
    while (!target) {
      nat = realm.gateway;
      if (!nat) return this.drop(isPrivate(flight.to.host) ? "private" : "unreachable", flight);
      const refusal = nat.translateOutwards(flight);
      if (refusal) return this.drop(refusal, flight);
      delayMs += realm.latencyMs;
      realm = nat.realm;
      target = realm.find(flight.to.host);
    }
    if (target === nat) {
      if (!nat.behaviour.hairpins) return this.drop("no-hairpin", flight);
    } else if (target === flight.sender) {
      delayMs += LOOPBACK_MS;
    } else {
      flight.ttl -= realm.hops;
      if (flight.ttl <= 0) return this.drop("ttl", flight);
      flight.isFar = realm.gateway === null;
      delayMs += realm.latencyMs + (flight.isFar ? this.#lineDelayMs(flight.sender) : 0);
    }
    this.carry(flight, target, delayMs);
  }

  /** One leg of the way. On the last one, where both ends are known, chance has its say. */
  carry(flight: Flight, target: Attachment, delayMs: number): void {
    flight.next = target;
    if (target.link) this.#land(flight, target, delayMs);
    else this.time.schedule(this.time.now + delayMs, flight);
  }

  deliver(flight: Flight): void {
    this.delivered++;
    this.observer?.(this.time.now, "delivered", flight);
  }

  drop(reason: DropReason, flight: Flight): void {
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
    this.observer?.(this.time.now, reason, flight);
  }

  /** Attachments of different groups do not reach each other; who is in none reaches all. A NAT stands for all behind it. */
  partition(groups: readonly (readonly Attachment[])[]): void {
    this.#sides = new Map(groups.flatMap((group, side) => group.map((member) => [member, side] as const)));
  }

  heal(): void {
    this.#sides = null;
  }

  isCut(a: Attachment, b: Attachment): boolean {
    if (!this.#sides) return false;
    const [sideA, sideB] = [this.#sideOf(a), this.#sideOf(b)];
    return sideA !== undefined && sideB !== undefined && sideA !== sideB;
  }

  #sideOf(attachment: Attachment): number | undefined {
    for (let at: Attachment | null = attachment; at; at = at.realm.gateway) {
      const side = this.#sides!.get(at);
      if (side !== undefined) return side;
    }
    return undefined;
  }

  #land(flight: Flight, host: Host, delayMs: number): void {
    const { random, now } = this.time;
    const near = flight.sender.link;
    const far = host.link;
    const all = this.conditions;
    const mtuBytes = Math.min(near.mtuBytes ?? all.mtuBytes, far.mtuBytes ?? all.mtuBytes);
    if (flight.datagram.length + IP_AND_UDP_HEADER_BYTES > mtuBytes) return this.drop("too-big", flight);
    if (this.dropWhen?.(flight.sender, host, flight.datagram)) return this.drop("intercepted", flight);
    // A draw is made only where there is something to decide: in fair weather a datagram costs none.
    const loss = Math.max(near.loss ?? all.loss, far.loss ?? all.loss);
    if (loss > 0 && random.chance(loss)) return this.drop("lost", flight);
    const at = now + delayMs + (flight.isFar ? this.#lineDelayMs(host) : 0);
    const duplication = Math.max(near.duplication ?? all.duplication, far.duplication ?? all.duplication);
    if (duplication > 0 && random.chance(duplication)) {
      this.duplicated++;
      const copy = flight.copy();
      copy.next = host;
      this.time.schedule(at + this.#heldBackMs(flight.sender, host), copy);
    }
    this.time.schedule(at + this.#heldBackMs(flight.sender, host), flight);
  }

  #heldBackMs(from: Host, to: Host): number {
    const near = from.link;
    const far = to.link;
    const all = this.conditions;
    const reordering = Math.max(near.reordering ?? all.reordering, far.reordering ?? all.reordering);
    if (reordering <= 0 || !this.time.random.chance(reordering)) return 0;
    return this.time.random.between(0, Math.max(near.reorderMs ?? all.reorderMs, far.reorderMs ?? all.reorderMs));
  }

  #lineDelayMs({ link, jitterSeed }: Host): number {
    return link.latencyMs + jitterAt(this.time.now, link.jitterMs ?? this.conditions.jitterMs, jitterSeed);
  }
}
