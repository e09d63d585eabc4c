import { assert } from "../../../src/base/assert.ts";
import { NatMappings } from "../../../src/io/lab/nat-mappings.ts";
import type { Carrier } from "./carrier.ts";
import type { DropReason, Flight } from "./flight.ts";
import type { NatBehaviour } from "./nat-behaviour.ts";
import { Realm, siteAddresses } from "./realm.ts";

export interface NatSite {
  /** The realm that its outside addresses lie in. */
  readonly realm: Realm;
  /** The prefix of the site behind it. */
  readonly inside: string;
  /** How many routers stand between two hosts of the site, and what crossing it takes. */
  readonly insideHops: number;
  readonly insideLatencyMs: number;
}

/** A NAT: its outside addresses are attached to one realm, and it is the gateway of another. */
export class Nat {
  readonly realm: Realm;
  /** It stands at the near end of its hosts' lines, and has none of its own. */
  readonly link = null;
  /** Where the hosts behind it are attached. */
  readonly inside: Realm;
  readonly behaviour: NatBehaviour;
  #carrier: Carrier;
  #addresses: string[] = [];
  #mappings: NatMappings;

  /** Of `addresses`, an undefined one is drawn. */
  constructor(
    carrier: Carrier,
    { realm, inside, insideHops, insideLatencyMs }: NatSite,
    behaviour: NatBehaviour,
    addresses: readonly (string | undefined)[],
  ) {
    this.realm = realm;
    this.behaviour = behaviour;
    this.inside = new Realm({
      gateway: this,
      addresses: siteAddresses(inside),
      hops: insideHops,
      latencyMs: insideLatencyMs,
    });
    this.#carrier = carrier;
    this.#mappings = new NatMappings(behaviour, carrier.time.random);
    this.#take(addresses);
  }

  /** Its outside address, or the first of them. */
  get address(): string {
    return this.#addresses[0]!;
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** How many mappings are alive. */
  get mappings(): number {
    return this.#mappings.count(this.#carrier.time.now);
  }

  /** Forgets every mapping. */
  reboot(): void {
    this.#mappings.forget();
  }

  /** Has these outside addresses from now on, or as many new ones as before, and no mapping: those named the old ones. */
  renumber(...addresses: readonly string[]): void {
    const before = this.#addresses;
    this.#take(addresses.length > 0 ? addresses : before.map(() => undefined));
    for (const address of before) this.realm.detach(address);
    this.reboot();
  }

  /** Gives a datagram that leaves its outside address; returns why it must not leave, or null. */
  translateOutwards(flight: Flight): DropReason | null {
    if (--flight.ttl <= 0) return "ttl";
    const leaving = { inside: flight.from, remote: flight.to, pool: this.#addresses };
    const mapping = this.#mappings.outbound(this.#carrier.time.now, leaving);
    if (!mapping) return "nat-full";
    flight.from = mapping.outside;
    return null;
  }

  /** A datagram has come to one of its outside addresses. */
  arrive(flight: Flight): void {
    const carrier = this.#carrier;
    if (carrier.isCut(flight.sender, this)) return carrier.drop("partitioned", flight);
    if (!this.#addresses.includes(flight.to.host)) return carrier.drop("unreachable", flight);
    if (--flight.ttl <= 0) return carrier.drop("ttl", flight);
    const mapping = this.#mappings.inbound(carrier.time.now, flight.to, flight.from);
    if (typeof mapping === "string") return carrier.drop(mapping, flight);
    flight.to = mapping.inside;
    const target = this.inside.find(mapping.inside.host);
    if (!target) return carrier.drop("unreachable", flight);
    carrier.carry(flight, target, this.inside.latencyMs);
  }

  #take(addresses: readonly (string | undefined)[]): void {
    assert(addresses.length > 0, "a NAT has an outside address");
    this.#addresses = addresses.map((address) => this.realm.attach(this, address));
  }
}
