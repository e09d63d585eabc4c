import { Carrier } from "./carrier.ts";
import { Host } from "./host.ts";
import { FAIR, type Link, type LinkConditions } from "./link.ts";
import { Nat } from "./nat.ts";
import { type NatBehaviour, RFC_4787 } from "./nat-behaviour.ts";
import { type Attachment, publicAddresses, Realm } from "./realm.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface InternetOptions extends Partial<LinkConditions> {
  readonly seed: number;
  /** Between which two a host's line is drawn; a path has two lines, and there and back makes four. */
  readonly latencyMs?: readonly [low: number, high: number];
  /** How many routers stand between two public addresses. */
  readonly coreHops?: number;
}

export interface HostOptions {
  /** For messages; its address unless given. */
  readonly name?: string;
  /** The NAT it stands behind; none: it has a public address. */
  readonly behind?: Nat;
  /** A free one unless given. */
  readonly address?: string;
  /** What is special about its line. */
  readonly link?: Partial<Link>;
}

export interface NatOptions extends Partial<NatBehaviour> {
  /** The NAT that it stands behind, as a home router behind its carrier's. */
  readonly behind?: Nat;
  /** Outside addresses, or how many to draw. */
  readonly addresses?: readonly string[] | number;
  /** The site's prefix; one that no other site has unless given. Sites may share one, as in the wild. */
  readonly inside?: string;
  readonly insideHops?: number;
  readonly insideLatencyMs?: number;
}

/**
 * A small Internet over virtual time: hosts with lines to a public core, NATs with sites behind them, and all that goes wrong.
 * The same seed and the same calls give the same course of events, datagram by datagram. README.md beside this shows how.
 */
export class Internet extends VirtualTime {
  /** The weather of every line that has none of its own; it may change while time runs. */
  readonly conditions: LinkConditions;
  readonly hosts: Host[] = [];
  readonly nats: Nat[] = [];
  /** What becomes of datagrams: counters, `observer`, `dropWhen`. */
  readonly carrier: Carrier;
  #latencyMs: readonly [low: number, high: number];
  #core: Realm;

  constructor({ seed, latencyMs = [5, 50], coreHops = 10, ...conditions }: InternetOptions) {
    super(seed);
    this.conditions = { ...FAIR, ...conditions };
    this.carrier = new Carrier(this, this.conditions);
    this.#latencyMs = latencyMs;
    this.#core = new Realm({
      gateway: null,
      addresses: publicAddresses(this.freshRandom()),
      hops: coreHops,
      latencyMs: 0,
    });
  }

  addHost({ behind, link, ...named }: HostOptions = {}): Host {
    const realm = behind?.inside ?? this.#core;
    const latencyMs = this.random.between(...this.#latencyMs);
    const host = new Host(this.carrier, { core: this.#core, realm, link: { latencyMs, ...link }, ...named });
    this.hosts.push(host);
    return host;
  }

  addNat(options: NatOptions = {}): Nat {
    const { behind, addresses = 1, inside, insideHops = 0, insideLatencyMs = 1, ...behaviour } = options;
    const site = {
      realm: behind?.inside ?? this.#core,
      inside: inside ?? `10.${this.nats.length >> 8}.${this.nats.length & 0xff}.0/24`,
      insideHops,
      insideLatencyMs,
    };
    const outside = typeof addresses === "number" ? new Array<undefined>(addresses).fill(undefined) : addresses;
    const nat = new Nat(this.carrier, site, { ...RFC_4787, ...behaviour }, outside);
    this.nats.push(nat);
    return nat;
  }

  /** Attachments of different groups do not reach each other; who is in none reaches all. A NAT stands for all behind it. */
  partition(groups: readonly (readonly Attachment[])[]): void {
    this.carrier.partition(groups);
  }

  heal(): void {
    this.carrier.heal();
  }
}
