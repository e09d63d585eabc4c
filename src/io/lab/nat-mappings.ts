import type { Address } from "../../base/address.ts";
import { assert } from "../../base/assert.ts";
import type { Chance } from "./chance.ts";
import type { Dependence, NatBehaviour } from "./nat-behaviour.ts";

export interface Mapping {
  readonly inside: Address;
  readonly outside: Address;
  /** Whom it was made for. */
  readonly remote: Address;
  readonly insideKey: string;
  readonly outsideKey: string;
  expiresAt: number;
}

/** A datagram on its way out. */
export interface Leaving {
  readonly inside: Address;
  readonly remote: Address;
  /** The NAT's outside addresses. */
  readonly pool: readonly string[];
}

const FIRST_PORT = 1024; // a lower inside port is not preserved
const PORTS = 65_536 - FIRST_PORT;
const FIRST_PURGE = 64;
const FINENESS: readonly Dependence[] = ["endpoint-independent", "address-dependent", "address-and-port-dependent"];

/** The table of one NAT: which inside address has which outside address, and who may come in by it. */
export class NatMappings {
  #behaviour: NatBehaviour;
  #random: Chance;
  #byInside = new Map<string, Mapping>();
  #byOutside = new Map<string, Mapping>();
  /**
   * Until when a remote end may come in by an outside address; kept only where filters are finer than mappings, for
   * otherwise whom a mapping was made for says all. None outlasts its mapping: each use sets both.
   */
  #permits = new Map<string, number>();
  #keepsPermits: boolean;
  #pairs = new Map<string, string>();
  #nextPort: number;
  #purgeAtSize = FIRST_PURGE;

  constructor(behaviour: NatBehaviour, random: Chance) {
    const overloads = behaviour.ports === "overloading";
    assert(
      !overloads || behaviour.mapping === "address-and-port-dependent",
      "a NAT that overloads ports maps by address and port: what comes in must tell the mappings of a port apart",
    );
    this.#behaviour = behaviour;
    this.#random = random;
    this.#keepsPermits = FINENESS.indexOf(behaviour.filtering) > FINENESS.indexOf(behaviour.mapping);
    this.#nextPort = FIRST_PORT + random.below(PORTS);
  }

  /** How many are alive. */
  count(now: number): number {
    this.#purge(now);
    return this.#byInside.size;
  }

  forget(): void {
    for (const table of [this.#byInside, this.#byOutside, this.#permits, this.#pairs]) table.clear();
  }

  /** The mapping for a datagram that leaves, made when there is none; null when there is no room. */
  outbound(now: number, leaving: Leaving): Mapping | null {
    const insideKey = `${textOf(leaving.inside)}>${partOf(leaving.remote, this.#behaviour.mapping)}`;
    const mapping = this.#alive(now, this.#byInside.get(insideKey)) ?? this.#create(now, leaving, insideKey);
    if (mapping) this.#use(now, mapping, leaving.remote);
    return mapping;
  }

  /** The mapping for a datagram that comes to `outside`, or why there is none for it. */
  inbound(now: number, outside: Address, remote: Address): Mapping | "unmapped" | "filtered" {
    const mapping = this.#alive(now, this.#byOutside.get(this.#outsideKey(outside, remote)));
    if (!mapping) return "unmapped";
    if (!this.#admits(now, mapping, remote)) return "filtered";
    if (this.#behaviour.inboundRefreshes) this.#use(now, mapping, remote);
    return mapping;
  }

  #admits(now: number, mapping: Mapping, remote: Address): boolean {
    if (this.#keepsPermits) return now < (this.#permits.get(this.#permitKey(mapping, remote)) ?? now);
    const { filtering } = this.#behaviour;
    if (filtering === "endpoint-independent") return true;
    return (
      remote.host === mapping.remote.host && (filtering === "address-dependent" || remote.port === mapping.remote.port)
    );
  }

  #use(now: number, mapping: Mapping, remote: Address): void {
    mapping.expiresAt = now + this.#behaviour.expiryMs;
    if (!this.#keepsPermits) return;
    this.#permits.set(this.#permitKey(mapping, remote), mapping.expiresAt);
    this.#purgeIfGrown(now);
  }

  #create(now: number, leaving: Leaving, insideKey: string): Mapping | null {
    const { maxMappings } = this.#behaviour;
    this.#purgeIfGrown(now);
    if (this.#byInside.size >= maxMappings && this.count(now) >= maxMappings) return null;
    const outside = this.#freeAddress(now, leaving);
    if (!outside) return null;
    const { inside, remote } = leaving;
    const outsideKey = this.#outsideKey(outside, remote);
    const mapping = { inside, outside, remote, insideKey, outsideKey, expiresAt: now };
    this.#byInside.set(insideKey, mapping);
    this.#byOutside.set(outsideKey, mapping);
    return mapping;
  }

  #freeAddress(now: number, { inside, remote, pool }: Leaving): Address | null {
    const host = this.#outsideHost(inside.host, pool);
    const firstPort = this.#firstPort(inside.port);
    for (let tries = 0; tries < PORTS; tries++) {
      const outside = { host, port: wrapped(firstPort + tries) };
      if (this.#alive(now, this.#byOutside.get(this.#outsideKey(outside, remote)))) continue;
      this.#nextPort = outside.port;
      return outside;
    }
    return null;
  }

  #outsideHost(insideHost: string, pool: readonly string[]): string {
    if (this.#behaviour.pooling === "arbitrary") return this.#random.pick(pool);
    const paired = this.#pairs.get(insideHost) ?? pool[this.#pairs.size % pool.length]!;
    this.#pairs.set(insideHost, paired);
    return paired;
  }

  #firstPort(insidePort: number): number {
    const { ports } = this.#behaviour;
    if (ports === "random") return FIRST_PORT + this.#random.below(PORTS);
    if (ports === "preserving" || ports === "overloading") return insidePort;
    return this.#nextPort + ports.sequential;
  }

  #alive(now: number, mapping: Mapping | undefined): Mapping | undefined {
    if (!mapping || now < mapping.expiresAt) return mapping;
    this.#byInside.delete(mapping.insideKey);
    this.#byOutside.delete(mapping.outsideKey);
    return undefined;
  }

  /** Looks through the tables whenever they have doubled, so what expired unseen does not pile up. */
  #purgeIfGrown(now: number): void {
    if (this.#byInside.size + this.#permits.size < this.#purgeAtSize) return;
    this.#purge(now);
    this.#purgeAtSize = Math.max(FIRST_PURGE, 2 * (this.#byInside.size + this.#permits.size));
  }

  #purge(now: number): void {
    for (const mapping of this.#byInside.values()) this.#alive(now, mapping);
    for (const [key, until] of this.#permits) if (now >= until) this.#permits.delete(key);
  }

  #outsideKey(outside: Address, remote: Address): string {
    return this.#behaviour.ports === "overloading" ? `${textOf(outside)}<${textOf(remote)}` : textOf(outside);
  }

  #permitKey({ outsideKey }: Mapping, remote: Address): string {
    return `${outsideKey} ${partOf(remote, this.#behaviour.filtering)}`;
  }
}

/** Of a remote address, the part that the NAT looks at. */
function partOf(remote: Address, dependence: Dependence): string {
  if (dependence === "endpoint-independent") return "";
  return dependence === "address-dependent" ? remote.host : textOf(remote);
}

function textOf({ host, port }: Address): string {
  return `${host}:${port}`;
}

function wrapped(port: number): number {
  return FIRST_PORT + ((port - FIRST_PORT + PORTS) % PORTS);
}
