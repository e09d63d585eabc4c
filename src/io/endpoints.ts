/** Endpoints that are host names: resolved at the start, and again when their peer has been silent. */
import { lookup } from "node:dns/promises";
import { type Address, sameAddress } from "../base/address.ts";
import { formatIp, parseIp } from "../base/ip.ts";
import type { TunnelEndpoint } from "./tunnel-config.ts";

const RESOLVE_WITHIN_MS = 5_000;

/** Null when the name does not resolve just now. */
export async function resolveEndpoint({ host, port }: TunnelEndpoint): Promise<Address | null> {
  const literal = parseIp(host);
  if (literal) return { host: formatIp(literal), port };
  const bytes = await resolve(host, 0);
  return bytes && { host: formatIp(bytes), port };
}

/** The IPv4 address of a name; null when it has none just now. */
export async function resolveIp4(host: string): Promise<string | null> {
  const bytes = await resolve(host, 4);
  return bytes && formatIp(bytes);
}

async function resolve(host: string, family: 0 | 4): Promise<Uint8Array | null> {
  const late = new Promise<null>((done) => setTimeout(() => done(null), RESOLVE_WITHIN_MS).unref());
  const found = await Promise.race([lookup(host, { family }).catch(() => null), late]);
  return found && parseIp(found.address);
}

/** A peer that is known by name, and what the name meant last. */
export class NamedEndpoint {
  #last: Address | null;

  constructor(
    readonly endpoint: TunnelEndpoint,
    resolved: Address | null,
  ) {
    this.#last = resolved;
  }

  get isName(): boolean {
    return parseIp(this.endpoint.host) === null;
  }

  /** The new address when the name has one that differs from the last; otherwise null. */
  async refresh(): Promise<Address | null> {
    const now = await resolveEndpoint(this.endpoint);
    if (!now || (this.#last && sameAddress(now, this.#last))) return null;
    this.#last = now;
    return now;
  }
}
