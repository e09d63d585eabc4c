/**
 * The addresses of a dnet's members. Each member has one of IPv6 that follows from its key (a unique local address, RFC 4193),
 * and those that the owner gives: of IPv4 from the dnet's range, if it has one, or of IPv6 from the dnet's /48.
 */
import { sameBytes } from "../../base/bytes.ts";
import { network, type Prefix, parsePrefix } from "../../base/ip.ts";
import { sha256 } from "../../crypto/sha256.ts";

const ULA_DOMAIN = new TextEncoder().encode("dnet ula 1\0");
const MEMBER_DOMAIN = new TextEncoder().encode("dnet member address 1\0");
const ULA_BITS = 48;
/** fd00::/8 (RFC 4193 §3.1), then 40 bits that differ from dnet to dnet. */
const ULA = 0xfd;
const LARGEST_RANGE_BITS = 8;
/** Two addresses beside those of the network and the broadcast. */
const SMALLEST_RANGE_BITS = 30;
/** Private space (RFC 1918), and what carriers share (RFC 6598). */
const HOMES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map((text) => parsePrefix(text)!);

/** Where the IPv6 addresses of a dnet lie. */
export function ula48(dnet: Uint8Array): Prefix {
  const bytes = new Uint8Array(16);
  bytes[0] = ULA;
  bytes.set(sha256(ULA_DOMAIN, dnet).subarray(0, 5), 1);
  return { bytes, bits: ULA_BITS };
}

/** The address that a member has without anyone's giving it. 16 bytes. */
export function memberIp6(dnet: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const { bytes } = ula48(dnet);
  bytes.set(sha256(MEMBER_DOMAIN, dnet, publicKey).subarray(0, 10), ULA_BITS / 8);
  return bytes;
}

/** 10.x.0.0/16, where x differs from dnet to dnet: two of them on one machine mostly do not collide. */
export function defaultRange4(dnet: Uint8Array): Prefix {
  return { bytes: Uint8Array.of(10, dnet[0]!, 0, 0), bits: 16 };
}

/** Null for what no dnet may have. The bits beyond its length are cleared. */
export function parseRange4(text: string): Prefix | null {
  const prefix = parsePrefix(text);
  const range = prefix && network(prefix);
  return range && isRange4(range) ? range : null;
}

/** From /8 to /30, within private or shared space, and nothing set beyond its length. */
export function isRange4(range: Prefix): boolean {
  const { bytes, bits } = range;
  if (bytes.length !== 4 || bits < LARGEST_RANGE_BITS || bits > SMALLEST_RANGE_BITS) return false;
  return sameBytes(network(range).bytes, bytes) && HOMES.some((home) => bits >= home.bits && isWithin(home, bytes));
}

/** Whether a member of that dnet can have it. An IPv4 network's own address and its broadcast are nobody's. */
export function isInRange(dnet: Uint8Array, range4: Prefix | null, ip: Uint8Array): boolean {
  if (ip.length === 16) return isWithin(ula48(dnet), ip);
  if (!range4 || !isWithin(range4, ip)) return false;
  const host = number(ip) - number(range4.bytes);
  return host > 0 && host < 2 ** (32 - range4.bits) - 1;
}

/** Those that are not taken when they come up, lowest first. */
export function* freeIp4s(range4: Prefix, isTaken: (ip: Uint8Array) => boolean): Generator<Uint8Array, undefined> {
  const first = number(range4.bytes);
  const broadcast = first + 2 ** (32 - range4.bits) - 1;
  for (let next = first + 1; next < broadcast; next++) {
    const ip = Uint8Array.of(next >>> 24, next >>> 16, next >>> 8, next);
    if (!isTaken(ip)) yield ip;
  }
}

export function isWithin({ bytes, bits }: Prefix, ip: Uint8Array): boolean {
  return sameBytes(network({ bytes: ip, bits }).bytes, bytes);
}

function number([a = 0, b = 0, c = 0, d = 0]: Uint8Array): number {
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
