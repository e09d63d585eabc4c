/**
 * What addresses are good for, and which of a peer's local ones may be on our own network.
 * Source: bogon 1 index.js; hyperdht 6.34 lib/connect.js `matchAddress`; specification §13.7.
 */
import type { Address } from "./address.ts";
import { parseIp } from "./ip.ts";
import { ip4Number } from "./ip4.ts";

const PRIVATE = networks(
  "10.0.0.0/8",
  "100.64.0.0/10", // between a carrier's NAT and its customers (RFC 6598)
  "127.0.0.0/8",
  "169.254.0.0/16", // link-local
  "172.16.0.0/12",
  "192.168.0.0/16",
);
const RESERVED = networks(
  "0.0.0.0/8",
  "192.0.0.0/24",
  "192.0.2.0/24", // this, 198.51.100 and 203.0.113 are for documentation
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4", // multicast
  "240.0.0.0/4",
);

/** Reachable only from within its own network. Each of the three is false for anything that is not IPv4. */
export function isPrivateAddress(host: string): boolean {
  return isWithin(PRIVATE, host);
}

/** Given to no host. */
export function isReservedAddress(host: string): boolean {
  return isWithin(RESERVED, host);
}

/** Nothing that the public internet routes. */
export function isBogon(host: string): boolean {
  return isPrivateAddress(host) || isReservedAddress(host);
}

/** An IPv6 address that the internet routes: of 2000::/3 (RFC 4291 §2.4), whatever the registries have made of parts of it. */
export function isGlobalIp6(host: string): boolean {
  const bytes = parseIp(host);
  return bytes?.length === 16 && (bytes[0]! & 0xe0) === 0x20;
}

/** Of `theirs`, all IPv4, the first that has most of its leading three octets in common with one of `mine`; null when none has any. */
export function matchAddress(mine: readonly Address[], theirs: readonly Address[]): Address | null {
  let best: Address | null = null;
  let mostShared = 0;
  for (const { host } of mine) {
    for (const address of theirs) {
      const shared = sharedOctets(host, address.host);
      if (shared > mostShared) [best, mostShared] = [address, shared];
    }
  }
  return best;
}

/** How many leading octets are equal: 0 to 3. */
function sharedOctets(a: string, b: string): number {
  const [ours, theirs] = [a.split(".", 3), b.split(".", 3)];
  const differing = ours.findIndex((octet, i) => octet !== theirs[i]);
  return differing < 0 ? 3 : differing;
}

interface Network {
  readonly start: number;
  readonly size: number;
}

function networks(...prefixes: string[]): Network[] {
  return prefixes.map((prefix) => {
    const [host = "", bits] = prefix.split("/");
    return { start: ip4Number(host), size: 2 ** (32 - Number(bits)) };
  });
}

function isWithin(ranges: Network[], host: string): boolean {
  const address = ip4Number(host);
  return ranges.some(({ start, size }) => address >= start && address < start + size);
}
