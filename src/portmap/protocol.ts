/** What the three protocols that a router may know have in common: each gets one mapping, keeps it, and gives it back. */
import type { Address } from "../base/address.ts";
import type { Random } from "../base/random.ts";
import type { HttpRequest } from "../wire/upnp.ts";

/**
 * Asked for, in seconds: renewed every ten minutes, which also makes it anew when a router restarted unheard; and gone soon after a
 * process that could not give it back. The RFCs suggest hours, for hosts that sleep.
 */
export const LIFETIME_S = 20 * 60;

export type ProtocolName = "PCP" | "NAT-PMP" | "UPnP";

/** The router, as the protocols see it. */
export interface RouterLink {
  /** The router's IPv4 address, on our side. */
  readonly gateway: string;
  /** Our UDP port, at the address that the router sees us at. */
  readonly internal: Address;
  readonly random: Random;
  /** Whether strangers could reach an outside address. */
  isUsable(host: string): boolean;
  send(to: Address, datagram: Uint8Array): void;
  /** Its answer, if any, comes by `responded`. */
  request(request: HttpRequest): void;
}

export interface Grant {
  /** Where strangers reach `internal`. */
  readonly external: Address;
  readonly lifetimeMs: number;
}

/** Each question ends with one call of one of the first two. */
export interface MappingOwner {
  granted(now: number, grant: Grant): void;
  /** There is no mapping: it was refused, or taken back, or nobody answered. */
  denied(now: number): void;
  /** The router has had its mappings for so long. */
  heardEpoch(now: number, epochS: number): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

export interface MappingProtocol {
  readonly name: ProtocolName;
  /** Asks for the mapping, or that it go on. */
  map(now: number): void;
  /** Takes it back, and also what was asked for and not yet answered. */
  unmap(now: number): void;
  /** A datagram from the router. */
  receive(now: number, datagram: Uint8Array): void;
  /** The answer to the last HTTP request; null when it failed. */
  responded(now: number, response: HttpResponse | null): void;
  advance(now: number): void;
  deadline(): number;
}
