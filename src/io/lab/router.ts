/**
 * The laboratory's internet: takes packets from hosts, brings them over lines and through NATs, gives them to other hosts, or
 * lets them die. It knows no device and no clock, so a test feeds it bytes and times.
 *
 *   alice ══ line ══╗
 *                   ╠══ NAT ══ line ══╗
 *   bob ════ line ══╝                 ╠══ public realm, `hops` routers between any two
 *   server ═════════════════ line ════╝
 *
 * A line delays and loses packets both ways. A NAT is one router, and stands between the line of its outside address and those of
 * its site.
 */
import { isPrivateAddress } from "../../base/address-classes.ts";
import { DnetError } from "../../base/error.ts";
import type { Machine } from "../../base/machine.ts";
import type { Chance } from "./chance.ts";
import {
  DEFAULT_HOPS,
  INSIDE_LINE,
  INTERNET,
  type LabDescription,
  type NatDescription,
  PUBLIC_LINE,
} from "./description.ts";
import type { Disturbance } from "./disturbance.ts";
import { Direction, type LineConditions } from "./line.ts";
import { Nat, type NatRefusal } from "./nat.ts";
import { type NatKindName, natKind } from "./nat-kinds.ts";
import { Packet } from "./packet.ts";
import { Realm } from "./realm.ts";

export interface Delivery {
  readonly host: string;
  readonly packet: Uint8Array;
}

/** Why a packet did not arrive. */
export type DropReason =
  | NatRefusal
  | "malformed" // not one whole IPv4 packet: IPv6 too
  | "spoofed" // its source is not the host's address
  | "lost" // by chance
  | "queue-full" // the line is too slow for what is sent
  | "cut"
  | "ttl" // no hops were left
  | "private" // a private address that is not of the sender's site
  | "unreachable" // nobody has that address
  | "no-hairpin"; // the NAT does not turn packets round

/** Where a host's interface is: its address with the prefix's length, and its gateway. */
export interface Placement {
  readonly address: string;
  readonly gateway: string;
}

export interface StationView {
  readonly name: string;
  /** Of a NAT; null for a host. */
  readonly nat: { readonly kind: NatKindName; readonly inside: string; readonly mappings: number } | null;
  /** The NAT that it stands behind; null: the public network. */
  readonly behind: string | null;
  /** In the realm that it stands in. */
  readonly address: string;
  readonly line: LineConditions;
  /** From all others. */
  readonly isCut: boolean;
  /** The others that it is cut from, both being outermost. */
  readonly cutFrom: readonly string[];
}

export interface RouterCounters {
  readonly sent: number;
  readonly delivered: number;
  readonly dropped: { readonly [Reason in DropReason]?: number };
}

/** Whoever has an address and a line: a host, or the outside of a NAT. */
interface Station {
  readonly name: string;
  readonly site: Site | null;
  /** The realm that it stands in, and the NAT that leads out of it. */
  realm: Realm<Station>;
  gateway: Station | null;
  address: string;
  line: LineConditions;
  readonly outwards: Direction;
  readonly inwards: Direction;
  isCut: boolean;
}

/** What is behind a NAT. */
interface Site {
  readonly nat: Nat;
  readonly kind: NatKindName;
  readonly realm: Realm<Station>;
}

export class Router implements Machine<Delivery> {
  readonly #chance: Chance;
  readonly #hops: number;
  readonly #publicLine: LineConditions;
  readonly #public = new Realm<Station>(null);
  readonly #stations = new Map<string, Station>();
  readonly #cutPairs = new Set<string>();
  readonly #dropped: { [Reason in DropReason]?: number } = {};
  #sent = 0;
  #delivered = 0;
  #outputs: Delivery[] = [];

  /** Throws DnetError when two of its addresses are the same, or one is not of its site. */
  constructor({ network = {}, nats = {}, hosts }: LabDescription, chance: Chance) {
    const { hops = DEFAULT_HOPS, ...line } = network;
    this.#chance = chance;
    this.#hops = hops;
    this.#publicLine = { ...PUBLIC_LINE, ...line };
    for (const name of outermostFirst(nats)) {
      const { kind, behind, address, inside = defaultInside(name, nats), ...special } = nats[name]!;
      const { behaviour, blocksUdp = false } = natKind(kind);
      const { line, rest } = split(special);
      const nat = new Nat({ ...behaviour, ...rest }, chance, { blocksUdp });
      this.#add(name, { behind, address, line }, { nat, kind, realm: new Realm(inside) });
    }
    for (const [name, { behind, address, ...line }] of Object.entries(hosts)) {
      this.#add(name, { behind, address, line }, null);
    }
  }

  /** A packet that a host sent; the bytes are taken over. */
  receive(now: number, host: string, bytes: Uint8Array): void {
    this.#sent++;
    const station = this.#station(host);
    const packet = Packet.parse(bytes);
    if (!packet) return this.#drop("malformed");
    if (packet.source !== station.address) return this.#drop("spoofed");
    this.#send(now, station, packet);
  }

  advance(now: number): void {
    for (;;) {
      const next = this.#next();
      if (!next || next.direction.deadline > now) return;
      // At the moment that it is due, not at the one that this was called: lateness does not add up on the way.
      const at = next.direction.deadline;
      const packet = next.direction.shift();
      if (next.isOutwards) this.#cross(at, next.station, packet);
      else this.#arrive(at, next.station, packet);
    }
  }

  deadline(): number {
    return this.#next()?.direction.deadline ?? Number.POSITIVE_INFINITY;
  }

  drain(): Delivery[] {
    return this.#outputs.splice(0);
  }

  get counters(): RouterCounters {
    return { sent: this.#sent, delivered: this.#delivered, dropped: { ...this.#dropped } };
  }

  /** Outermost NATs first, and hosts last. */
  stations(now: number): StationView[] {
    return [...this.#stations.values()].map(({ name, site, gateway, address, line, isCut }) => ({
      name,
      nat: site && { kind: site.kind, inside: site.realm.prefixText, mappings: site.nat.mappings(now) },
      behind: gateway?.name ?? null,
      address,
      line,
      isCut,
      cutFrom: this.#cutsOf(name).flatMap((cut) => cut.split(" ").filter((other) => other !== name)),
    }));
  }

  placementOf(host: string): Placement {
    const { realm, address } = this.#station(host);
    return realm.interfaceOf(address);
  }

  /** Throws DnetError for what cannot be done, and then has done nothing. */
  disturb(name: string, disturbance: Disturbance): void {
    const station = this.#station(name);
    switch (disturbance.event) {
      case "reboot":
        if (!station.site) throw impossible(`${name} is a host; expected a NAT to reboot`);
        return station.site.nat.reboot();
      case "renumber":
        this.#place(station, { realm: station.realm, gateway: station.gateway }, disturbance.address);
        return station.site?.nat.reboot();
      case "move":
        return this.#move(station, disturbance.to, disturbance.address);
      case "cut":
        if (disturbance.from === undefined) station.isCut = true;
        else this.#cutPairs.add(this.#pairOf(station, this.#station(disturbance.from)));
        return;
      case "heal":
        return this.#heal(station);
      case "line":
        station.line = { ...station.line, ...disturbance.conditions };
        return;
    }
  }

  #add(
    name: string,
    {
      behind,
      address,
      line,
    }: { behind: string | undefined; address: string | undefined; line: Partial<LineConditions> },
    site: Site | null,
  ): void {
    const gateway = behind === undefined ? null : this.#station(behind);
    const realm = gateway?.site?.realm ?? this.#public;
    const station: Station = {
      name,
      site,
      realm,
      gateway,
      address: "",
      line: { ...(gateway ? INSIDE_LINE : this.#publicLine), ...line },
      outwards: new Direction(this.#chance),
      inwards: new Direction(this.#chance),
      isCut: false,
    };
    station.address = realm.attach(station, address);
    this.#stations.set(name, station);
  }

  #station(name: string): Station {
    const found = this.#stations.get(name);
    if (found) return found;
    throw impossible(`${name} is in no part of this laboratory; expected ${[...this.#stations.keys()].join(", ")}`);
  }

  #send(now: number, station: Station, packet: Packet): void {
    if (station.isCut) return this.#drop("cut");
    const loss = station.outwards.push(now, packet, station.line);
    if (loss) this.#drop(loss);
  }

  /** It has left its sender's line, and looks for its way in that realm. */
  #cross(now: number, from: Station, packet: Packet): void {
    const { realm, gateway } = from;
    const target = realm.find(packet.destination);
    if (!target) {
      if (gateway) return this.#leave(now, gateway, packet);
      return this.#drop(isPrivateAddress(packet.destination) ? "private" : "unreachable");
    }
    if (realm.isPublic && !packet.pass(this.#hops)) return this.#drop("ttl");
    if (this.#cutPairs.has(pair(from, target))) return this.#drop("cut");
    this.#approach(now, target, packet);
  }

  /** It is in the target's realm, and takes its line. */
  #approach(now: number, target: Station, packet: Packet): void {
    if (target.isCut) return this.#drop("cut");
    const loss = target.inwards.push(now, packet, target.line);
    if (loss) this.#drop(loss);
  }

  /** Out of a site. */
  #leave(now: number, gateway: Station, packet: Packet): void {
    const { nat } = gateway.site!;
    if (!packet.pass(1)) return this.#drop("ttl");
    const refusal = nat.translateOutwards(now, packet, gateway.address);
    if (refusal) return this.#drop(refusal);
    if (packet.destination !== gateway.address) return this.#send(now, gateway, packet);
    if (!nat.behaviour.hairpins) return this.#drop("no-hairpin");
    this.#enter(now, gateway.site!, packet);
  }

  /** At the near end of its line. */
  #arrive(now: number, station: Station, packet: Packet): void {
    if (packet.destination !== station.address) return this.#drop("unreachable"); // it has another since
    if (!station.site) {
      this.#delivered++;
      this.#outputs.push({ host: station.name, packet: packet.bytes });
    } else if (packet.pass(1)) this.#enter(now, station.site, packet);
    else this.#drop("ttl");
  }

  /** Into a site. */
  #enter(now: number, { nat, realm }: Site, packet: Packet): void {
    const refusal = nat.translateInwards(now, packet);
    if (refusal) return this.#drop(refusal);
    const target = realm.find(packet.destination);
    if (target) this.#approach(now, target, packet);
    else this.#drop("unreachable");
  }

  #drop(reason: DropReason): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
  }

  /** The direction whose first packet is due soonest. Of some hundred, so a heap would gain nothing. */
  #next(): { station: Station; direction: Direction; isOutwards: boolean } | null {
    let soonest = Number.POSITIVE_INFINITY;
    let found: { station: Station; direction: Direction; isOutwards: boolean } | null = null;
    for (const station of this.#stations.values()) {
      for (const direction of [station.outwards, station.inwards]) {
        if (direction.deadline >= soonest) continue;
        soonest = direction.deadline;
        found = { station, direction, isOutwards: direction === station.outwards };
      }
    }
    return found;
  }

  #move(station: Station, to: string, address: string | undefined): void {
    if (station.site) throw impossible(`${station.name} is a NAT; expected a host to move`);
    const gateway = to === INTERNET ? null : this.#station(to);
    if (gateway && !gateway.site) throw impossible(`${to} is a host; expected a NAT, or ${INTERNET}, to move to`);
    this.#place(station, { realm: gateway?.site?.realm ?? this.#public, gateway }, address);
    station.line = gateway ? INSIDE_LINE : this.#publicLine;
  }

  #place(
    station: Station,
    { realm, gateway }: { realm: Realm<Station>; gateway: Station | null },
    address: string | undefined,
  ): void {
    const [oldRealm, oldAddress] = [station.realm, station.address];
    station.address = realm.attach(station, address);
    oldRealm.detach(oldAddress);
    station.realm = realm;
    station.gateway = gateway;
  }

  #heal(station: Station): void {
    station.isCut = false;
    for (const cut of this.#cutsOf(outermost(station).name)) this.#cutPairs.delete(cut);
  }

  #cutsOf(name: string): string[] {
    return [...this.#cutPairs].filter((cut) => cut.split(" ").includes(name));
  }

  /** Of what both have to the public network, for there every straight way between them passes. */
  #pairOf(a: Station, b: Station): string {
    const ends = [outermost(a), outermost(b)] as const;
    if (ends[0] !== ends[1]) return pair(...ends);
    throw impossible(`${a.name} and ${b.name} both stand behind ${ends[0].name}; expected two that meet in public`);
  }
}

function outermost(station: Station): Station {
  let at = station;
  while (at.gateway) at = at.gateway;
  return at;
}

function pair(a: Station, b: Station): string {
  return [a.name, b.name].sort().join(" ");
}

function impossible(message: string): DnetError {
  return new DnetError("LAB_EVENT", message, { failure: "usage", hint: "dnet lab show, for what there is" });
}

/** Each after the one that it stands behind. */
function outermostFirst(nats: { readonly [name: string]: NatDescription }): string[] {
  const depth = (name: string): number => {
    const behind = nats[name]!.behind;
    return behind === undefined ? 0 : 1 + depth(behind);
  };
  return Object.keys(nats).toSorted((a, b) => depth(a) - depth(b));
}

/** A home's, and for a NAT with others behind it a carrier's (RFC 6598); no two of one laboratory are the same. */
function defaultInside(name: string, nats: { readonly [name: string]: NatDescription }): string {
  const number = Object.keys(nats).indexOf(name);
  const isCarrier = Object.values(nats).some(({ behind }) => behind === name);
  return isCarrier ? `100.64.${number}.0/24` : `192.168.${number + 1}.0/24`;
}

/** Of a NAT's description, what belongs to its line, and what to its behaviour. */
function split<Special extends Partial<LineConditions>>(special: Special) {
  const { delayMs, jitterMs, loss, rateMbit, ...rest } = special;
  const all = Object.entries({ delayMs, jitterMs, loss, rateMbit }).filter(([, value]) => value !== undefined);
  return { line: Object.fromEntries(all) as Partial<LineConditions>, rest };
}
