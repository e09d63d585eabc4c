/**
 * What was done to reach a peer, step by step: for whoever asks why a path is relayed, slow, or not there. A fixed vocabulary, and a
 * bound on how much of it is kept.
 */
import type { Address } from "../base/address.ts";
import { FIREWALL, type NoisePayload } from "../wire/noise-payload.ts";
import type { Holepuncher } from "./holepuncher.ts";
import type { Reason } from "./reasons.ts";

/** Each with what it says, before the address and the details that belong to it. */
export const STEPS = {
  search: "looks for nodes that know the key",
  ask: "asks a node that leads to the peer",
  silent: "that node did not answer, or not with the peer's words",
  heard: "the peer heard of us, through a relay of its own or straight from us",
  agreed: "both have the keys; the peer is seen at",
  candidate: "the peer names an address of its own",
  direct: "sends straight to",
  wait: "waits for the peer to come to us",
  lan: "both are behind one address: tries the peer in its own network, at",
  nat: "our NAT",
  "peer-nat": "the peer's NAT",
  punch: "both send probes",
  busy: "enough punches at random NATs are under way; tries again later",
  probe: "a probe came from",
  relay: "asks a relay to join us",
  relayed: "joined by the relay at",
  "relay-lost": "the relay is gone, or did not join us",
  upgraded: "moved from the relay to a direct path, to",
  unconfirmed: "nothing came by the new path: stays with, or goes back to, the one it had",
  moved: "the peer is now at",
  lost: "nothing comes by this path any more: looks for another",
  failed: "no direct path",
} as const;

export type Step = keyof typeof STEPS;

export interface TraceEntry {
  /** Since the attempt began. */
  readonly atMs: number;
  readonly step: Step;
  readonly address: Address | null;
  readonly detail: string | null;
}

/** Full: the oldest steps but the first ten make room. */
const MAX_ENTRIES = 100;
const KEPT_FIRST = 10;

export class Trace {
  readonly entries: TraceEntry[] = [];
  /** Why there is no direct path; null while there is, or may be, one. */
  reason: Reason | null = null;
  readonly #startedAt: number;

  constructor(now: number) {
    this.#startedAt = now;
  }

  note(now: number, step: Step, address: Address | null = null, detail: string | null = null): void {
    if (this.entries.length >= MAX_ENTRIES) this.entries.splice(KEPT_FIRST, 1);
    const at = address && { host: address.host, port: address.port };
    this.entries.push({ atMs: now - this.#startedAt, step, address: at, detail });
  }

  /** Where the peer says that it may be. */
  candidates(now: number, { addresses4, addresses6 }: NoisePayload): void {
    for (const address of [...addresses4, ...addresses6]) this.note(now, "candidate", address);
  }

  /** What the NATs of both sides do, as far as is known. */
  nats(now: number, { nat, remoteFirewall, remoteAddresses }: Holepuncher): void {
    this.#nat(now, "nat", nat.firewall, nat.addresses?.[0] ?? null);
    this.#nat(now, "peer-nat", remoteFirewall, remoteAddresses[0] ?? null);
  }

  fail(now: number, reason: Reason): void {
    this.reason = reason;
    this.note(now, "failed", null, reason);
  }

  /** `firewall`: one of FIREWALL. Where that was said before, once is enough. */
  #nat(now: number, step: "nat" | "peer-nat", firewall: number, address: Address | null): void {
    const detail = NAT_TEXT[firewall] ?? null;
    const last = this.entries.findLast((entry) => entry.step === step);
    if (last?.detail !== detail) this.note(now, step, address, detail);
  }
}

const NAT_TEXT: { readonly [firewall: number]: string } = {
  [FIREWALL.unknown]: "not known yet",
  [FIREWALL.open]: "none: everyone reaches it",
  [FIREWALL.consistent]: "one address for every destination",
  [FIREWALL.random]: "another port for every destination",
};
