/** Address realms (RFC 2663 §2.1): within one, every address is somebody's alone. The public one, and one behind each NAT. */
import { assert } from "../../../src/base/assert.ts";
import { parsePrefix } from "../../../src/base/ip.ts";
import { ip4Number } from "../../../src/base/ip4.ts";
import type { SeededRandom } from "../../support/random.ts";
import type { Host } from "./host.ts";
import type { Nat } from "./nat.ts";

/** Who has an address: a host, or the outside of a NAT. */
export type Attachment = Host | Nat;

export interface RealmOptions {
  /** The NAT that stands between it and the realm outside; null for the public one. */
  readonly gateway: Nat | null;
  /** What a newcomer may be called, for ever: an address that is taken is passed over. */
  readonly addresses: Iterator<string>;
  /** How many routers stand between two of its members. */
  readonly hops: number;
  /** What crossing it takes, beside the lines of far ends. */
  readonly latencyMs: number;
}

const MAX_TRIES = 1 << 16;

export class Realm {
  readonly gateway: Nat | null;
  readonly hops: number;
  readonly latencyMs: number;
  #addresses: Iterator<string>;
  #members = new Map<string, Attachment>();

  constructor({ gateway, addresses, hops, latencyMs }: RealmOptions) {
    this.gateway = gateway;
    this.hops = hops;
    this.latencyMs = latencyMs;
    this.#addresses = addresses;
  }

  find(address: string): Attachment | undefined {
    return this.#members.get(address);
  }

  /** Gives the member `address`, or a free one, and returns it. */
  attach(member: Attachment, address = this.#freshAddress()): string {
    assert(ip4Number(address) >= 0, `${address} is an IPv4 address`);
    assert(!this.#members.has(address), `${address} is nobody's yet`);
    this.#members.set(address, member);
    return address;
  }

  detach(address: string): void {
    this.#members.delete(address);
  }

  #freshAddress(): string {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const { value } = this.#addresses.next();
      if (!this.#members.has(value)) return value;
    }
    throw new Error(`no address is free in a realm of ${this.#members.size} members`);
  }
}

/** Site prefixes: RFC 1918, and RFC 6598 behind a carrier's NAT. */
const PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16"].map(span);
/** Beside those, what no host on the Internet has: IANA's special-purpose registry, multicast and beyond. */
const RESERVED = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"],
  ...["198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"],
].map(span);

export function isPrivate(host: string): boolean {
  return isWithin(ip4Number(host), PRIVATE);
}

/** Public addresses as chance has it, so they share prefixes no more than real ones do. */
export function* publicAddresses(random: SeededRandom): Generator<string, never> {
  for (;;) {
    const number = random.uint32();
    if (!isWithin(number, PRIVATE) && !isWithin(number, RESERVED)) yield dotted(number);
  }
}

/** Round and round through the addresses of a site; its first is the gateway's own. */
export function* siteAddresses(prefix: string): Generator<string, never> {
  const { first, size } = span(prefix);
  assert(size >= 4, `${prefix} has room for a host beside the network, the gateway and broadcast`);
  for (let offset = 2; ; offset = offset + 2 < size ? offset + 1 : 2) yield dotted(first + offset);
}

function span(text: string): { first: number; size: number } {
  const prefix = parsePrefix(text);
  assert(prefix?.bytes.length === 4, `${text} is an IPv4 prefix`);
  const size = 2 ** (32 - prefix.bits);
  const number = ip4Number(prefix.bytes.join("."));
  return { first: number - (number % size), size };
}

function isWithin(number: number, spans: readonly { first: number; size: number }[]): boolean {
  return spans.some(({ first, size }) => number >= first && number < first + size);
}

function dotted(number: number): string {
  return `${number >>> 24}.${(number >>> 16) & 0xff}.${(number >>> 8) & 0xff}.${number & 0xff}`;
}
