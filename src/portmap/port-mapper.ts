/**
 * Has the router in front of us let strangers in at one UDP port: asks by PCP, then NAT-PMP, then UPnP, keeps what it gets, and gives
 * it back. It holds no socket: whoever does sends its datagrams from the address `internal.host`, and makes its HTTP requests.
 *
 *   searching ── granted ──► mapped ── not renewed until its end ──► searching
 *       └────── none of the three ──► waiting ── 20 minutes, or another network ──► searching
 */
import { type Address, sameAddress } from "../base/address.ts";
import { isBogon } from "../base/address-classes.ts";
import { ip4Number } from "../base/ip4.ts";
import type { Machine } from "../base/machine.ts";
import { type Random, randomUint32 } from "../base/random.ts";
import { decodeNatPmpResponse } from "../wire/nat-pmp.ts";
import { decodePcpResponse, PCP_PORT } from "../wire/pcp.ts";
import type { HttpRequest } from "../wire/upnp.ts";
import { NatPmp } from "./nat-pmp.ts";
import { Pcp } from "./pcp.ts";
import {
  type Grant,
  type HttpResponse,
  LIFETIME_S,
  type MappingOwner,
  type MappingProtocol,
  type ProtocolName,
  type RouterLink,
} from "./protocol.ts";
import { Upnp } from "./upnp.ts";

/** A router that let nobody in may do so later; by then what a process before us left behind has ended, too. */
const SEARCH_AGAIN_MS = LIFETIME_S * 1_000;
/** A renewal that was not answered is tried again at half of what is left. A router is not asked anew sooner than this. */
const LEAST_RENEWAL_MS = 10_000;
/** What a router grants for longer or shorter is treated as if it were for so long: it is renewed daily at least, and is no burden. */
const LIFETIME_BOUNDS_MS = { least: 2 * LEAST_RENEWAL_MS, most: 24 * 3_600_000 };
/** Whoever hears that a router restarted waits up to so long, so that not all ask it at once. Source: RFC 6887 §8.5. */
const RESTART_SPREAD_MS = 5_000;

export interface PortMapperOptions {
  readonly random: Random;
  /** The router's IPv4 address, on our side. */
  readonly gateway: string;
  /** Our UDP port, at the address that the router sees us at. */
  readonly internal: Address;
  /** Only an outside address that the public internet routes is of use: with a private one there is another NAT in front. */
  readonly isPublic: boolean;
}

export interface Mapping extends Grant {
  readonly protocol: ProtocolName;
}

export type PortMapperOutput =
  | { readonly type: "send"; readonly to: Address; readonly datagram: Uint8Array }
  /** Its answer is wanted within a second, by `responded`. */
  | { readonly type: "http"; readonly id: number; readonly request: HttpRequest }
  /** There is one, or another than before. */
  | { readonly type: "mapped"; readonly mapping: Mapping }
  | { readonly type: "lost" }
  /** Nothing more will come. */
  | { readonly type: "released" };

type Phase = "searching" | "mapped" | "waiting" | "releasing" | "released";

export class PortMapper implements Machine<PortMapperOutput>, MappingOwner {
  readonly #options: PortMapperOptions;
  readonly #router: RouterLink;
  #phase: Phase = "searching";
  /** Those that are still to be tried. */
  #untried: MappingProtocol[] = [];
  #protocol: MappingProtocol | null = null;
  #mapping: Mapping | null = null;
  /** Mapped: when it is renewed next, and when it ends. Waiting: when it is looked for again. */
  #dueAt = Infinity;
  #endsAt = Infinity;
  /** When the router last let strangers in, or was last given up. */
  #settledAt = -Infinity;
  #epoch: { readonly at: number; readonly epochS: number } | null = null;
  #requests = 0;
  #outputs: PortMapperOutput[] = [];

  /** Begins to ask. */
  constructor(now: number, options: PortMapperOptions) {
    this.#options = options;
    const { gateway, internal, random } = options;
    this.#router = {
      gateway,
      internal,
      random,
      isUsable: (host) => this.#isUsable(host),
      send: (to, datagram) => void this.#outputs.push({ type: "send", to, datagram }),
      request: (request) => void this.#outputs.push({ type: "http", id: ++this.#requests, request }),
    };
    this.#search(now);
  }

  /** Something about our network is another: the mapping may be gone, or to be had now. */
  refresh(now: number): void {
    if (this.#phase !== "mapped" && this.#phase !== "waiting") return;
    this.#dueAt = Math.min(this.#dueAt, Math.max(now, this.#settledAt + LEAST_RENEWAL_MS));
  }

  /** Takes the mapping back; `released` comes within a second. What has not been granted yet is taken back without waiting. */
  release(now: number): void {
    if (this.#phase === "releasing" || this.#phase === "released") return;
    const isMapped = this.#phase === "mapped";
    this.#phase = "releasing";
    this.#dueAt = Infinity;
    this.#protocol?.unmap(now);
    if (!isMapped) this.#released();
  }

  /** A datagram came to the socket that ours leave from. */
  receive(now: number, from: Address, datagram: Uint8Array): void {
    if (from.host === this.#options.gateway) this.#protocol?.receive(now, datagram);
  }

  /** A datagram came to PCP_CLIENT_PORT: the router has restarted, perhaps, or has another address outside. */
  announced(now: number, from: Address, datagram: Uint8Array): void {
    if (from.host !== this.#options.gateway || from.port !== PCP_PORT || this.#phase !== "mapped") return;
    const said = decodePcpResponse(datagram) ?? decodeNatPmpResponse(datagram);
    const isElsewhere = said?.type === "address" && said.host !== this.#mapping?.external.host;
    if (!said || !(isElsewhere || this.#hasRestarted(now, said.epochS))) return;
    this.#epoch = { at: now, epochS: said.epochS };
    this.#dueAt = Math.min(this.#dueAt, now + (randomUint32(this.#options.random) % RESTART_SPREAD_MS));
  }

  /** The answer to the HTTP request of that number; null when it failed. */
  responded(now: number, id: number, response: HttpResponse | null): void {
    if (id === this.#requests) this.#protocol?.responded(now, response);
  }

  advance(now: number): void {
    this.#protocol?.advance(now);
    if (now < this.#dueAt) return;
    if (this.#phase === "waiting") this.#search(now);
    else if (now < this.#endsAt) this.#renew(now);
    else this.#lose(now);
  }

  deadline(): number {
    return Math.min(this.#dueAt, this.#protocol?.deadline() ?? Infinity);
  }

  drain(): PortMapperOutput[] {
    return this.#outputs.splice(0);
  }

  granted(now: number, { external, lifetimeMs }: Grant): void {
    if (this.#phase === "releasing") return this.#released();
    const { least, most } = LIFETIME_BOUNDS_MS;
    const lastsMs = Math.min(most, Math.max(least, lifetimeMs));
    this.#phase = "mapped";
    this.#settledAt = now;
    this.#endsAt = now + lastsMs;
    this.#dueAt = now + lastsMs / 2;
    const before = this.#mapping;
    this.#mapping = { external, lifetimeMs: lastsMs, protocol: this.#protocol!.name };
    if (before && sameAddress(before.external, external)) return;
    this.#outputs.push({ type: "mapped", mapping: this.#mapping });
  }

  denied(now: number): void {
    if (this.#phase === "releasing") return this.#released();
    if (this.#phase === "searching") return this.#tryNext(now);
    const leftMs = (this.#endsAt - now) / 2;
    this.#dueAt = Math.min(this.#endsAt, now + Math.max(LEAST_RENEWAL_MS, leftMs));
  }

  heardEpoch(now: number, epochS: number): void {
    this.#epoch = { at: now, epochS };
  }

  #search(now: number): void {
    this.#phase = "searching";
    this.#dueAt = Infinity;
    this.#epoch = null;
    const protocols = [Pcp, NatPmp, Upnp];
    this.#untried = protocols.map((Protocol) => new Protocol(this.#router, this));
    this.#tryNext(now);
  }

  #tryNext(now: number): void {
    this.#protocol = this.#untried.shift() ?? null;
    if (this.#protocol) return this.#protocol.map(now);
    this.#phase = "waiting";
    this.#settledAt = now;
    this.#dueAt = now + SEARCH_AGAIN_MS;
  }

  #renew(now: number): void {
    this.#dueAt = this.#endsAt;
    this.#protocol!.map(now);
  }

  #lose(now: number): void {
    this.#mapping = null;
    this.#outputs.push({ type: "lost" });
    this.#search(now);
  }

  #released(): void {
    if (this.#phase === "released") return;
    this.#phase = "released";
    this.#protocol = null;
    this.#outputs.push({ type: "released" });
  }

  #isUsable(host: string): boolean {
    return ip4Number(host) > 0 && !(this.#options.isPublic && isBogon(host));
  }

  /** Whether its clock and ours disagree by more than they may drift. Source: RFC 6887 §8.5. */
  #hasRestarted(now: number, epochS: number): boolean {
    if (!this.#epoch) return false;
    const oursS = (now - this.#epoch.at) / 1_000;
    const theirsS = epochS - this.#epoch.epochS;
    return theirsS < -1 || oursS + 2 < (theirsS * 15) / 16 || theirsS + 2 < (oursS * 15) / 16;
  }
}
