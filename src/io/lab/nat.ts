/** What one NAT does to packets: a table for each protocol, all with the same behaviour. Holds no time and no network. */
import { ICMP, TCP, UDP } from "../datapath/packet.ts";
import type { Chance } from "./chance.ts";
import type { NatBehaviour } from "./nat-behaviour.ts";
import { NatMappings } from "./nat-mappings.ts";
import type { Packet, Translatable } from "./packet.ts";

const TCP_EXPIRY_MS = 7_440_000; // RFC 5382 REQ-5: two hours and four minutes
const ICMP_EXPIRY_MS = 60_000; // RFC 5508 REQ-2

export type NatRefusal =
  | "untranslatable" // a fragment, or of a protocol that it does not know
  | "udp-blocked"
  | "nat-full" // it has no room for one more mapping
  | "unmapped" // it knows no mapping of that port
  | "filtered"; // it knows it, and does not let that sender in

export class Nat {
  readonly behaviour: NatBehaviour;
  readonly #blocksUdp: boolean;
  readonly #tables: { readonly [protocol in Translatable]: NatMappings };

  constructor(behaviour: NatBehaviour, chance: Chance, { blocksUdp = false } = {}) {
    this.behaviour = behaviour;
    this.#blocksUdp = blocksUdp;
    this.#tables = {
      [UDP]: new NatMappings(behaviour, chance),
      [TCP]: new NatMappings({ ...behaviour, expiryMs: TCP_EXPIRY_MS, inboundRefreshes: true }, chance),
      [ICMP]: new NatMappings({ ...behaviour, expiryMs: ICMP_EXPIRY_MS }, chance),
    };
  }

  /** How many UDP mappings are alive. */
  mappings(now: number): number {
    return this.#tables[UDP].count(now);
  }

  /** Forgets every mapping. */
  reboot(): void {
    for (const table of Object.values(this.#tables)) table.forget();
  }

  /** Gives a packet that leaves a source at `address`; returns why it must not leave, or null. */
  translateOutwards(now: number, packet: Packet, address: string): NatRefusal | null {
    const table = this.#tableFor(packet);
    if (typeof table === "string") return table;
    const mapping = table.outbound(now, { ...packet.leaving(), pool: [address] });
    if (!mapping) return "nat-full";
    packet.setSource(mapping.outside);
    return null;
  }

  /** Gives a packet that has come to the outside address its destination inside; returns why it must not enter, or null. */
  translateInwards(now: number, packet: Packet): NatRefusal | null {
    const table = this.#tableFor(packet);
    if (typeof table === "string") return table;
    const { outside, remote } = packet.arriving();
    const mapping = table.inbound(now, outside, remote);
    if (typeof mapping === "string") return mapping;
    packet.setDestination(mapping.inside);
    return null;
  }

  #tableFor({ protocol }: Packet): NatMappings | NatRefusal {
    if (protocol === null) return "untranslatable";
    return protocol === UDP && this.#blocksUdp ? "udp-blocked" : this.#tables[protocol];
  }
}
