/**
 * What the NAT does to one socket, from what several nodes see of it: one address for all (consistent), another port for each
 * (random), or not known yet. Source: hyperdht lib/nat.js; specification §13.1.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { FIREWALL } from "../wire/noise-payload.ts";

/** Samples that are wanted; from the third on there is a verdict. */
export const WANTED_SAMPLES = 4;
const LEAST_SAMPLES = 3;
/** Full: the verdict stands. */
const MAX_SAMPLES = 64;
/** A NAT whose ports lie so near each other takes one after another; of random ones three do so once in half a million times. */
const SEQUENCE_PORTS = 64;

interface Hits {
  readonly address: Address;
  hits: number;
}

export class NatClassifier {
  /** One of FIREWALL. */
  firewall: number;
  /** Where others may reach us: null while unknown; a random NAT's host has port 0. */
  addresses: readonly Address[] | null;
  readonly #isOpen: boolean;
  readonly #from: Address[] = [];
  /** By hits, most first; of equal hits the older first. */
  readonly #hosts: Hits[] = [];
  readonly #fulls: Hits[] = [];
  #isFrozen = false;

  /** `isOpen`: strangers reach this node, so no NAT is in the way. `mapped`: at this address, where that is not where they see it. */
  constructor(isOpen: boolean, mapped: Address | null = null) {
    this.#isOpen = isOpen;
    this.addresses = mapped && [mapped];
    this.firewall = isOpen ? FIREWALL.open : FIREWALL.unknown;
  }

  get samples(): number {
    return this.#from.length;
  }

  /** Whether more samples would change nothing. */
  get isSettled(): boolean {
    const { consistent, open } = FIREWALL;
    return this.firewall === consistent || this.firewall === open || this.samples >= WANTED_SAMPLES;
  }

  hasSampled(from: Address): boolean {
    return this.#from.some((known) => sameAddress(known, from));
  }

  /** The node at `from` sees us at `to`. */
  add(to: Address, from: Address): void {
    if (this.#from.length >= MAX_SAMPLES || this.hasSampled(from)) return;
    this.#from.push({ host: from.host, port: from.port });
    count(this.#hosts, { host: to.host, port: 0 });
    count(this.#fulls, { host: to.host, port: to.port });
    if (this.samples >= LEAST_SAMPLES && !this.#isFrozen) this.#classify();
  }

  /**
   * Nobody is left to ask: what the few have seen has to do. Differs: a HyperDHT gives up below three samples, and so in every network of
   * fewer nodes. One alone cannot tell a steady NAT from a random one; most are steady, and a wrong guess costs some probes.
   */
  presume(): void {
    if (this.firewall !== FIREWALL.unknown || this.samples === 0 || this.samples >= LEAST_SAMPLES || this.#isFrozen)
      return;
    this.firewall = this.#fulls.length === 1 ? FIREWALL.consistent : FIREWALL.random;
    this.addresses = [this.firewall === FIREWALL.consistent ? this.#fulls[0]!.address : this.#hosts[0]!.address];
  }

  /** From now on the verdict stays: the peer acts by it. */
  freeze(): void {
    this.#isFrozen = true;
  }

  #classify(): void {
    this.firewall = this.#isOpen ? FIREWALL.open : this.#verdict();
    if (this.firewall === FIREWALL.random) this.addresses = [this.#hosts[0]!.address];
    else if (this.firewall === FIREWALL.unknown) this.addresses = null;
    else if (this.firewall === FIREWALL.consistent) {
      this.addresses = this.#fulls.filter(({ hits }, i) => hits >= 2 || i < 2).map(({ address }) => address);
    }
  }

  /**
   * The same for the peer's ears. Differs: of a random NAT that takes one port after another the next one follows, with the host once
   * more; a HyperDHT looks at the host alone.
   */
  get toldAddresses(): readonly Address[] | null {
    return this.firewall === FIREWALL.random && this.addresses ? [...this.addresses, ...this.#next()] : this.addresses;
  }

  #next(): Address[] {
    const { host } = this.#hosts[0]!.address;
    const ports = this.#fulls.filter(({ address }) => address.host === host).map(({ address }) => address.port);
    const next = Math.max(...ports) + 1;
    const isSequence = ports.length >= LEAST_SAMPLES && next - Math.min(...ports) <= SEQUENCE_PORTS && next < 65_536;
    return isSequence ? [{ host, port: next }] : [];
  }

  #verdict(): number {
    const [first, second] = this.#fulls;
    const most = first!.hits;
    if (most >= 3) return FIREWALL.consistent;
    if (most === 1) return FIREWALL.random;
    if (this.#hosts.length === 1 && this.samples > LEAST_SAMPLES) return FIREWALL.random;
    if (this.#hosts.length > 1 && second!.hits >= 2) return FIREWALL.consistent;
    return this.samples > WANTED_SAMPLES ? FIREWALL.random : this.firewall;
  }
}

function count(list: Hits[], address: Address): void {
  const known = list.find((hits) => sameAddress(hits.address, address));
  if (known) known.hits++;
  else list.push({ address, hits: 1 });
  list.sort((a, b) => b.hits - a.hits);
}
