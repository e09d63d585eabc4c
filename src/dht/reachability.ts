/**
 * Whether strangers reach us, and so what we are to them. A node begins as *ephemeral*: it asks, answers and relays, but gives no id, so
 * nobody keeps it in a table. Once it knows its public address and that its port is open it may become *persistent*: it gives its
 * id and stores records. Source: dht-rpc index.js `_bootstrap`, `_updateNetworkState`, `_checkIfFirewalled`; specification §4.2.
 */
import type { Address } from "../base/address.ts";
import { sameBytes } from "../base/bytes.ts";
import type { Bootstrap } from "./bootstrap.ts";
import type { Contacts } from "./contacts.ts";
import { MappedAddress } from "./mapped-address.ts";
import type { NatSampler } from "./nat-sampler.ts";
import { nodeId } from "./peer.ts";
import { PortProbe, pingNat } from "./port-probe.ts";
import type { Query, QueryOwner } from "./query.ts";
import type { PendingRequest, Reply, Requester, Requests, SocketName } from "./requests.ts";

/** Ticks of 5 s without events before a node looks whether it can be persistent: 20 minutes; and before it looks again. */
export const STABLE_TICKS = 240;
export const MORE_STABLE_TICKS = 720;
/** A node that is to be persistent, and could not be, tries once a minute. */
const RETRY_TICKS = 12;

export interface ReachabilityOptions {
  readonly contacts: Contacts;
  readonly requests: Requests;
  readonly bootstrap: Bootstrap;
  /** True: stay ephemeral. False: become persistent while starting, if the address can be learnt. Null: when stable. */
  readonly isEphemeral: boolean | null;
  readonly isFirewalled: boolean;
  /** While starting, ask the first node that answers whether our port is open. */
  readonly quickFirewall: boolean;
  readonly stableTicks: number;
  /** The server socket's local port. */
  readonly port: () => number;
  /** Walks towards our own id, for this object. */
  readonly walk: (now: number, owner: QueryOwner) => void;
  readonly refresh: (now: number) => void;
  readonly onEvent: (event: "ready" | "persistent" | "ephemeral" | "natUpdate") => void;
}

type Phase = "idle" | "resolving" | "first-walk" | "first-probe" | "second-walk" | "ready";

export class Reachability implements Requester, QueryOwner {
  isEphemeral = true;
  isFirewalled: boolean;
  /** A way in that our router makes; it changes nothing of the above. */
  readonly mapped: MappedAddress;
  readonly #options: ReachabilityOptions;
  #phase: Phase = "idle";
  #stableTicks: number;
  #triedTicks = 0;
  /** The public host that was checked last; the same one is not checked again. */
  #checkedHost: string | null = null;
  #probe: PortProbe | null = null;
  #quickTest: "untried" | PendingRequest | "passed" | "off";

  constructor(options: ReachabilityOptions) {
    this.#options = options;
    this.isFirewalled = options.isFirewalled;
    this.mapped = new MappedAddress({ ...options, onChange: () => options.onEvent("natUpdate") });
    this.#stableTicks = options.stableTicks;
    const isQuick = options.isFirewalled && options.quickFirewall && options.isEphemeral !== false;
    this.#quickTest = isQuick ? "untried" : "off";
  }

  get isReady(): boolean {
    return this.#phase === "ready";
  }

  get #isAdaptive(): boolean {
    return this.#options.isEphemeral === null;
  }

  /** Begins to find the network: names first, then a walk towards ourselves. */
  start(now: number): void {
    const { bootstrap, contacts } = this.#options;
    bootstrap.addresses(now);
    if (bootstrap.isResolving && contacts.table.size === 0) this.#phase = "resolving";
    else this.#walk(now, "first-walk");
  }

  /** A name was resolved, or cannot be just now. */
  resolved(now: number): void {
    if (this.#phase === "resolving" && !this.#options.bootstrap.isResolving) this.#walk(now, "first-walk");
  }

  /** A tick of 5 s has passed. */
  tick(now: number): void {
    this.mapped.tick(now);
    if (!this.isReady || !this.isEphemeral) return;
    if (this.#options.isEphemeral === false) {
      // Differs: the reference tries just once to be what it was told to be.
      if (++this.#triedTicks % RETRY_TICKS === 0) this.#update(now, { onlyFirewall: false });
      return;
    }
    if (!this.#isAdaptive || --this.#stableTicks > 0) return;
    if (this.#checkedHost !== null && this.#checkedHost === this.#options.contacts.sampler.host) {
      this.#stableTicks = MORE_STABLE_TICKS;
    } else {
      this.#update(now, { onlyFirewall: false });
    }
  }

  /** After sleep nothing is sure: perhaps the machine was carried elsewhere. */
  wakeUp(now: number): void {
    this.mapped.check(now);
    this.#stableTicks = MORE_STABLE_TICKS;
    this.#checkedHost = null;
    if (!this.#isAdaptive || this.isEphemeral) return;
    this.isEphemeral = true;
    this.#options.onEvent("ephemeral");
  }

  /** Our address is another: whether strangers reach us there is to be seen. */
  moved(now: number): void {
    const { isFirewalled, isEphemeral, onEvent } = this.#options;
    this.mapped.check(now);
    if (!this.isReady) return;
    this.#checkedHost = null;
    this.#stableTicks = Math.min(this.#stableTicks, this.#options.stableTicks);
    this.isFirewalled = isFirewalled;
    if (!this.isEphemeral) {
      this.isEphemeral = true; // our id followed from the old one
      onEvent("ephemeral");
    }
    this.#update(now, { onlyFirewall: isEphemeral !== false });
  }

  /** A datagram arrived on that socket. */
  heard(socket: SocketName, from: Address): void {
    this.#probe?.heard(socket, from);
    this.mapped.heard(socket, from);
  }

  replied(now: number, _query: Query, reply: Reply): void {
    const { requests, port } = this.#options;
    if (this.#quickTest === "untried") this.#quickTest = pingNat(now, requests, reply.from, port(), this);
  }

  finished(now: number): void {
    const isForced = this.#options.isEphemeral === false;
    if (this.#phase === "second-walk" || (this.#quickTest !== "passed" && !isForced)) return this.#ready(now);
    this.#phase = "first-probe";
    this.#update(now, { onlyFirewall: !isForced });
  }

  answered(_now: number, request: PendingRequest): void {
    if (request === this.#quickTest) this.#quickTest = "passed";
  }

  failed(): void {
    // The quick test has not passed.
  }

  #walk(now: number, phase: "first-walk" | "second-walk"): void {
    this.#phase = phase;
    this.#options.walk(now, this);
  }

  #ready(now: number): void {
    this.#phase = "ready";
    if (!this.mapped.reached) this.mapped.check(now); // now there are nodes to ask
    this.#options.onEvent("ready");
  }

  /** Looks whether we can be persistent or, if so asked, no more than whether our port is open. */
  #update(now: number, { onlyFirewall }: { onlyFirewall: boolean }): void {
    const { sampler } = this.#options.contacts;
    const { host, port } = sampler;
    if (!this.isEphemeral || (onlyFirewall && !this.isFirewalled) || this.#probe) return this.#updated(now, false);
    if (!onlyFirewall) {
      this.#stableTicks = MORE_STABLE_TICKS;
      this.#checkedHost = host;
    }
    if (host === null || port === 0) return this.#updated(now, false);
    if (this.isFirewalled) this.#startProbe(now, { host, port }, onlyFirewall);
    else this.#adopt(now, sampler, { host, port }, onlyFirewall);
  }

  #startProbe(now: number, believed: Address, onlyFirewall: boolean): void {
    this.#probe = PortProbe.start(now, {
      ...this.#options,
      port: this.#options.port(),
      onDone: (at, found) => {
        this.#probe = null;
        if (found && found.host === this.#options.contacts.sampler.host) this.#adopt(at, found, believed, onlyFirewall);
        else this.#updated(at, false);
      },
    });
    if (!this.#probe) this.#updated(now, false);
  }

  /** Our port is open. */
  #adopt(now: number, found: NatSampler, believed: Address, onlyFirewall: boolean): void {
    const { contacts, onEvent } = this.#options;
    this.isFirewalled = false;
    const { host, port } = contacts.sampler;
    const isSteady = this.isEphemeral && host === believed.host && port === believed.port;
    if (!isSteady || found.host !== host || found.port === 0) return this.#updated(now, false);
    const id = nodeId({ host: found.host, port: found.port });
    if (!onlyFirewall) this.isEphemeral = false;
    if (found !== contacts.sampler) contacts.resample(found);
    if (!sameBytes(contacts.table.id, id)) {
      contacts.rekey(id);
      if (this.isReady) this.#options.refresh(now);
    }
    if (!this.isEphemeral) onEvent("persistent");
    this.#updated(now, true);
  }

  #updated(now: number, changed: boolean): void {
    if (this.#phase !== "first-probe") return;
    if (changed) this.#walk(now, "second-walk");
    else this.#ready(now);
  }
}
