/**
 * Keeps a listening server findable: announced at the three nodes nearest to the hash of its key, which then lead clients to it and are
 * pinged every 3 s, so that a NAT keeps the way open. Source: hyperdht lib/announcer.js; specification §8.
 *
 * Differs: the pings' answers tell our address, so a change of it is announced within seconds; and a run that failed is tried again
 * soon, not after five minutes.
 */
import { type Address, sameAddress } from "../base/address.ts";
import { addressKey } from "../base/ip4.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import type { KeyPair } from "../crypto/ed25519.ts";
import { COMMAND } from "../wire/dht.ts";
import { INTERNAL, RPC_ERROR } from "../wire/rpc.ts";
import { findPeer, sendAnnounce } from "./operations.ts";
import type { Query, QueryFailure, QueryOptions, QueryOwner } from "./query.ts";
import type { Outgoing, PendingRequest, Reply, Requester, Requests } from "./requests.ts";

/** Nodes that lead to a server. */
export const RELAYS = 3;
const PING_EVERY_MS = 3_000;
/** Five minutes of pings, then the walk is done anew: nearer nodes may have come. */
const PINGS = 100;
/** After a run that no node took: soon, then less so. */
const RETRY_MS = [1_000, 2_000, 4_000, 8_000];
/** A relay that sees us elsewhere each time makes us walk once in so long, not with every ping. */
const MOVE_EVERY_MS = 15_000;
/** A lost ping is no change; two in a row are. */
const PING_RETRIES = 1;

/** A node that leads to us, and where it sees us. */
export interface ServerRelay {
  readonly relayAddress: Address;
  readonly peerAddress: Address;
}

export interface AnnouncerOptions {
  readonly keyPair: KeyPair;
  readonly requests: Requests;
  readonly query: (now: number, options: QueryOptions, owner: QueryOwner) => Query;
  /** A run is over: the relays are those of `relays`. Told after every run that at least one node took. */
  readonly onAnnounced: (now: number) => void;
  /** `close` is done: the nodes that could be told have forgotten us. */
  readonly onClosed: (now: number) => void;
}

type Phase = "idle" | "walking" | "announcing" | "holding" | "closing" | "closed";

export class Announcer implements Requester, QueryOwner {
  readonly target: Uint8Array;
  /** Those of the last run, nearest first; at most RELAYS. */
  relays: readonly ServerRelay[] = [];
  readonly #options: AnnouncerOptions;
  #phase: Phase = "idle";
  #query: Query | null = null;
  /** Of the runs before: handshakes may still come through those. */
  #earlier: readonly ServerRelay[] = [];
  #announced: ServerRelay[] = [];
  readonly #pending = new Map<PendingRequest, Reply | ServerRelay>();
  /** Relays of the run before that are to forget us: asked for a token first. */
  readonly #leaving = new Map<PendingRequest, ServerRelay>();
  #pings = 0;
  #answered = 0;
  #failures = 0;
  #movedAt = -Infinity;
  #dueAt = Infinity;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
    this.target = blake2b256(options.keyPair.publicKey);
  }

  /** Begins a run, unless one is under way: at the start, and when the network changed. */
  refresh(now: number): void {
    if (this.#phase !== "idle" && this.#phase !== "holding") return;
    this.#forget(now);
    this.#phase = "walking";
    this.#dueAt = Infinity;
    const { query } = findPeer(this.target);
    const nodes = this.#query?.closestReplies.map(({ from }) => from) ?? [];
    this.#query = this.#options.query(now, nodes.length > 0 ? { ...query, nodes } : query, this);
  }

  /** Something speaks for it that our address is another: asks the relays now, whose answers tell. */
  check(now: number): void {
    if (this.#phase === "holding" && this.#pending.size === 0) this.#dueAt = now;
  }

  /** Whether a datagram from `address` may come from a node that leads to us: now, or a run or two ago. */
  isRelay(address: Address): boolean {
    return [...this.relays, ...this.#earlier].some(({ relayAddress }) => sameAddress(relayAddress, address));
  }

  /** Takes the announcement back, then `onClosed`. */
  close(now: number): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    // Those that were just asked may have us already.
    const asked = this.#phase === "announcing" ? [...this.#pending.values()].map(relayOf) : [];
    const unique = new Map([...this.relays, ...this.#announced, ...asked].map((each) => [keyOf(each), each]));
    this.#query?.cancel(now);
    this.#forget(now);
    this.#phase = "closing";
    this.#dueAt = Infinity;
    for (const relay of unique.values()) this.#leave(now, relay);
    this.relays = [];
    this.#closedMaybe(now);
  }

  replied(): void {
    // The nearest are taken when the walk is over.
  }

  finished(now: number, query: Query, _failure: QueryFailure | null): void {
    this.#phase = "announcing";
    this.#announced = [];
    const { keyPair, requests } = this.#options;
    const announcement = { topic: this.target, keyPair, relayAddresses: [], bump: 0 };
    for (const reply of query.closestReplies.slice(0, RELAYS)) {
      const outgoing = sendAnnounce("announce", announcement, reply);
      if (outgoing) this.#pending.set(requests.start(now, outgoing, this), reply);
    }
    this.#announcedMaybe(now);
  }

  answered(now: number, request: PendingRequest, reply: Reply): void {
    const leaving = this.#leaving.get(request);
    if (leaving) return this.#onLeaving(now, request, leaving, reply);
    const asked = this.#pending.get(request);
    this.#pending.delete(request);
    if (!asked) return;
    if ("relayAddress" in asked) return this.#onPong(now, asked, reply);
    if (reply.error === RPC_ERROR.none) this.#announced.push(relayOf(asked));
    this.#announcedMaybe(now);
  }

  failed(now: number, request: PendingRequest): void {
    if (this.#leaving.delete(request)) return this.#closedMaybe(now);
    if (!this.#pending.delete(request)) return;
    if (this.#phase === "announcing") this.#announcedMaybe(now);
    else if (this.#phase === "holding") this.#pingedMaybe(now);
  }

  advance(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = Infinity;
    if (this.relays.length === 0 || this.#pings >= PINGS) this.refresh(now);
    else this.#ping(now);
  }

  deadline(): number {
    return this.#dueAt;
  }

  #announcedMaybe(now: number): void {
    if (this.#phase !== "announcing" || this.#pending.size > 0) return;
    const before = this.relays;
    const stays = ({ relayAddress }: ServerRelay) =>
      this.#announced.some((relay) => sameAddress(relay.relayAddress, relayAddress));
    const left = before.filter((relay) => !stays(relay));
    this.#earlier = [...left, ...this.#earlier].slice(0, 2 * RELAYS);
    this.relays = this.#announced;
    this.#phase = "holding";
    this.#pings = 0;
    if (this.relays.length === 0) {
      this.#dueAt = now + RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)]!;
      return;
    }
    this.#failures = 0;
    this.#dueAt = now + PING_EVERY_MS;
    for (const relay of left) this.#leave(now, relay);
    this.#options.onAnnounced(now);
  }

  #ping(now: number): void {
    this.#pings++;
    this.#answered = 0;
    for (const relay of this.relays) {
      const outgoing = { to: relay.relayAddress, isInternal: true, command: INTERNAL.ping, retries: PING_RETRIES };
      this.#pending.set(this.#options.requests.start(now, outgoing, this), relay);
    }
  }

  #onPong(now: number, relay: ServerRelay, reply: Reply): void {
    if (this.#phase !== "holding") return;
    if (!sameAddress(reply.to, relay.peerAddress) && now >= this.#movedAt + MOVE_EVERY_MS) {
      this.#movedAt = now;
      return this.refresh(now); // it leads to where we were
    }
    this.#answered++;
    this.#pingedMaybe(now);
  }

  #pingedMaybe(now: number): void {
    if (this.#pending.size > 0) return;
    if (this.#answered < this.relays.length) this.refresh(now);
    else this.#dueAt = now + PING_EVERY_MS;
  }

  /** Asks a relay for a token, to take our announcement back. */
  #leave(now: number, relay: ServerRelay): void {
    const outgoing = { to: relay.relayAddress, isInternal: false, command: COMMAND.findPeer, target: this.target };
    this.#leaving.set(this.#options.requests.start(now, outgoing, this), relay);
  }

  #onLeaving(now: number, request: PendingRequest, relay: ServerRelay, reply: Reply): void {
    this.#leaving.delete(request);
    const { keyPair, requests } = this.#options;
    const announcement = { topic: this.target, keyPair, relayAddresses: [], bump: 0 };
    const outgoing: Outgoing | null = reply.value ? sendAnnounce("unannounce", announcement, reply) : null;
    if (outgoing) this.#leaving.set(requests.start(now, outgoing, this), relay);
    else this.#closedMaybe(now);
  }

  #closedMaybe(now: number): void {
    if (this.#phase !== "closing" || this.#leaving.size > 0) return;
    this.#phase = "closed";
    this.#options.onClosed(now);
  }

  #forget(now: number): void {
    for (const request of this.#pending.keys()) this.#options.requests.forget(now, request);
    this.#pending.clear();
  }
}

/** The node that was asked to announce us, and where it saw us when it gave its token. */
function relayOf(asked: Reply | ServerRelay): ServerRelay {
  if ("relayAddress" in asked) return asked;
  const { host, port } = asked.from;
  return { relayAddress: { host, port }, peerAddress: asked.to };
}

function keyOf({ relayAddress }: ServerRelay): number {
  return addressKey(relayAddress);
}
