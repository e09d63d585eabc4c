/** IPv4 addresses as numbers: what tables are keyed by, and what prefixes are counted by. */
import type { Address } from "./address.ts";

/** The 32 bits of a dotted IPv4 address; -1 when it is not one. */
export function ip4Number(host: string): number {
  let value = 0;
  let octet = -1;
  let octets = 0;
  for (let i = 0; i <= host.length; i++) {
    const code = i === host.length ? DOT : host.charCodeAt(i);
    if (code === DOT) {
      if (octet < 0 || ++octets > 4) return -1;
      value = value * 256 + octet;
      octet = -1;
    } else {
      const digit = code - ZERO;
      if (digit < 0 || digit > 9 || octet === 0) return -1; // no leading zeros: some read them as octal
      octet = Math.max(0, octet) * 10 + digit;
      if (octet > 255) return -1;
    }
  }
  return octets === 4 ? value : -1;
}

/** One number below 2^48 for each IPv4 address and port; negative when the host is not IPv4. */
export function addressKey({ host, port }: Address): number {
  return ip4Number(host) * 65_536 + port;
}

/** The first 24 bits: what one network of the smallest usual size has in common. */
export function prefix24(host: string): number {
  return Math.floor(ip4Number(host) / 256);
}

const DOT = 0x2e;
const ZERO = 0x30;
