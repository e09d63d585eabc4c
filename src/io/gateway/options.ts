/** The options of a gateway, checked before any socket opens: each refusal names the option, its value and what was expected. */
import type { Address } from "../../base/address.ts";
import { isBogon } from "../../base/address-classes.ts";
import { DnetError } from "../../base/error.ts";
import { ip4Number } from "../../base/ip4.ts";
import { type KeyPair, keyPairFromSeed } from "../../crypto/ed25519.ts";
import type { BootstrapNode } from "../../dht/bootstrap.ts";
import type { DhtNodeOptions } from "../../dht/node-options.ts";
import { STABLE_TICKS } from "../../dht/reachability.ts";
import { systemRandom } from "../entropy.ts";
import { messageCipher } from "../message-cipher.ts";
import { localHosts } from "./local-network.ts";

/** The port of bootstraps and gateways. HyperDHT's own is 49737. */
export const DEFAULT_PORT = 1776;
/** When a port is taken, so many after it are tried. */
const PORTS_TRIED = 5;

/** The public HyperDHT network: an address that each name had, and the name, which is asked when that does not answer. */
export const PUBLIC_BOOTSTRAP: readonly string[] = [
  "88.99.3.86@node1.hyperdht.org:49737",
  "142.93.90.113@node2.hyperdht.org:49737",
  "138.68.147.8@node3.hyperdht.org:49737",
];

/** Nodes of that network that are known not to work. Source: hyperdht 6.34 lib/constants.js; specification §4.4. */
const STRAY_NODES = new Set(["134.209.28.98:49738", "167.99.142.185:49738", "35.233.47.252:9400"]);
const STRAY_HOST = "150.136.142.116";

/** `host:port`, `address@host:port` to try an address before its name is resolved, an address, or a port of this machine. */
export type BootstrapEntry = string | number | Address;

export interface GatewayOptions {
  /** Left out: the public HyperDHT network. Empty: nobody, this node is alone until others come. */
  readonly bootstrap?: readonly BootstrapEntry[];
  /** Nodes that are in the routing table from the start, such as `nodes` of an earlier run. */
  readonly nodes?: readonly Address[];
  /** Default 1776; when it is taken, one of the next four, then any. [start, end) tries those. 0: any. */
  readonly port?: number | readonly [number, number];
  /** Where to bind. Default 0.0.0.0, all of this machine's addresses. */
  readonly host?: string;
  /** False: a port that is taken is an error. */
  readonly anyPort?: boolean;
  readonly keyPair?: KeyPair;
  /** 32 bytes from which the key pair follows. */
  readonly seed?: Uint8Array;
  /** Left out: become persistent when stable and reachable. False: as soon as the address is known. True: never. */
  readonly ephemeral?: boolean;
  /** Without it, `ephemeral` left out means never. */
  readonly adaptive?: boolean;
  /** Default true: believed unreachable until a probe shows otherwise. */
  readonly firewalled?: boolean;
  /** Probe already while starting, when the first node to answer gets through. Default true. */
  readonly quickFirewall?: boolean;
  /** Requests of one query at a time. Default 10. */
  readonly concurrency?: number;
  /** Requests sent within 750 ms. Default 80. */
  readonly maxWindow?: number;
  /** Milliseconds; longer delayed pings are ignored. Default 10,000. */
  readonly maxPingDelay?: number;
  /** Tell nodes that one they named does not answer. Default true. */
  readonly sendDownHints?: boolean;
  /** Of those, at most so many in 5 s; -1 for no limit. Default 50. */
  readonly downHintsRateLimit?: number;
  /** Ticks of 5 s without events until an adaptive node looks whether it can be persistent. Default 240: 20 minutes. */
  readonly stableTicks?: number;
  /** Records of each kind that are kept for others. Default 65,536 of peers and 32,768 values. */
  readonly maxSize?: number;
  /** Milliseconds that they are kept. Default 20 minutes and 48 hours. */
  readonly maxAge?: number;
  /** Milliseconds after which a connection that has nothing to say says so; 0 for never. Default 5,000. */
  readonly connectionKeepAlive?: number;
  /** False for a node that must be neither asked nor kept. */
  readonly filterNode?: (node: Address) => boolean;
  /**
   * Defend against the whole internet: see `DhtNodeOptions.isPublic`. Left out: true exactly when some bootstrap node, or our own
   * public address, may be on it.
   */
  readonly hardened?: boolean;
  /**
   * Ask the router in front of this machine, if there is one, to let strangers in to our port (PCP, NAT-PMP, UPnP), and no longer when
   * this ends. Left out: true where a bootstrap node may be on the public internet, unless `firewalled` is false.
   */
  readonly portMapping?: boolean;
  /**
   * Where UDP does not get out: the WebSocket address of a machine that carries it (`dnet dht proxy`), `ws://HOST:PORT`. It sees with
   * whom this one exchanges datagrams, not what is in them. It has to admit `keyPair`.
   */
  readonly via?: string;
}

export interface CheckedOptions {
  readonly host: string;
  readonly ports: readonly number[];
  readonly keyPair: KeyPair;
  readonly mapsPort: boolean;
  /** Null where sockets are this machine's own. */
  readonly via: string | null;
  readonly node: DhtNodeOptions;
}

type Kind = "boolean" | "function" | "bytes" | readonly [least: number, most: number];

const KINDS: { readonly [name in keyof GatewayOptions]-?: Kind | "special" } = {
  bootstrap: "special",
  nodes: "special",
  port: "special",
  host: "special",
  keyPair: "special",
  anyPort: "boolean",
  seed: "bytes",
  ephemeral: "boolean",
  adaptive: "boolean",
  firewalled: "boolean",
  quickFirewall: "boolean",
  concurrency: [1, 1000],
  maxWindow: [1, 10_000],
  maxPingDelay: [0, 600_000],
  sendDownHints: "boolean",
  downHintsRateLimit: [-1, 100_000],
  stableTicks: [1, 1_000_000],
  maxSize: [1, 10_000_000],
  maxAge: [1, 10 * 365 * 86_400_000],
  connectionKeepAlive: [0, 3_600_000],
  filterNode: "function",
  hardened: "boolean",
  portMapping: "boolean",
  via: "special",
};

/** Throws DnetError. `publicAddress` is a bootstrapper's own. */
export function checkOptions(options: GatewayOptions, publicAddress: Address | null, now: number): CheckedOptions {
  for (const name of Object.keys(options)) checkOption(name, options[name as keyof GatewayOptions]);
  const host = options.host ?? "0.0.0.0";
  if (ip4Number(host) < 0) throw refused("host", host, "an IPv4 address of this machine, or 0.0.0.0 for all");
  const bootstrap = (options.bootstrap ?? PUBLIC_BOOTSTRAP).map((entry) => parseBootstrap(entry));
  const mayBePublic = ({ host }: { readonly host: string }) => ip4Number(host) < 0 || !isBogon(host);
  const isFirewalled = options.firewalled ?? true;
  const keyPair = options.keyPair ?? keyPairFromSeed(options.seed ?? systemRandom.bytes(32));
  const { maxSize, maxAge } = options;
  const via = checkVia(options.via);
  return {
    host,
    ports: portsToTry(options),
    keyPair,
    mapsPort: via === null && (options.portMapping ?? (isFirewalled && bootstrap.some(mayBePublic))),
    via,
    node: {
      random: systemRandom,
      unixOriginMs: Date.now() - now,
      bootstrap,
      nodes: (options.nodes ?? []).map((node) => checkAddress("nodes", node)),
      isEphemeral: options.ephemeral ?? (options.adaptive === false ? true : null),
      isFirewalled,
      quickFirewall: options.quickFirewall ?? true,
      publicAddress,
      isPublic: options.hardened ?? [...bootstrap, ...(publicAddress ? [publicAddress] : [])].some(mayBePublic),
      concurrency: options.concurrency ?? 10,
      maxWindow: options.maxWindow ?? 80,
      maxPingDelayMs: options.maxPingDelay ?? 10_000,
      sendDownHints: options.sendDownHints ?? true,
      downHintsPerTick: options.downHintsRateLimit ?? 50,
      stableTicks: options.stableTicks ?? STABLE_TICKS,
      ...(maxSize === undefined ? {} : { maxSize }),
      ...(maxAge === undefined ? {} : { maxAgeMs: maxAge }),
      keepAliveMs: options.connectionKeepAlive ?? 5_000,
      messageCipher: messageCipher(),
      localHosts: () => (via === null ? localHosts(host) : []),
      admits: (node) => !isStray(node) && (options.filterNode?.(node) ?? true),
    },
  };
}

/** Where a bootstrap node says that strangers reach it. Throws DnetError for an address that nobody could reach. */
export function checkPublicAddress({ host, port }: Address): void {
  if (ip4Number(host ?? "") < 0 || host === "0.0.0.0") {
    throw new DnetError("BAD_OPTION", `host is ${host || "missing"}; a bootstrap node needs its own public address`, {
      failure: "configuration",
      hint: "the IPv4 address at which others reach this machine; not 0.0.0.0, nor ::",
    });
  }
  if (isPort(port)) return;
  throw new DnetError("BAD_OPTION", `port is ${port}; a bootstrap node needs a fixed one, from 1 to 65535`, {
    failure: "configuration",
  });
}

/** Throws DnetError, with the entry quoted. */
export function parseBootstrap(entry: BootstrapEntry): BootstrapNode {
  if (typeof entry !== "string") {
    const address = typeof entry === "number" ? { host: "127.0.0.1", port: entry } : entry;
    return { ...checkAddress("bootstrap", address), suggested: null };
  }
  const [, suggested = null, host = "", port = ""] = /^(?:([\d.]+)@)?([^:@\s]+):(\d{1,5})$/.exec(entry) ?? [];
  const isValid = isHost(host) && isPort(Number(port)) && (suggested === null || ip4Number(suggested) >= 0);
  if (!isValid) throw refused("bootstrap", entry, "HOST:PORT with an IPv4 address or a name, such as 192.0.2.1:1776");
  return { host, port: Number(port), suggested };
}

function checkVia(via: string | undefined): string | null {
  if (via === undefined) return null;
  if (typeof via === "string" && /^wss?:\/\/[^/\s]+\/?$/.test(via) && URL.canParse(via)) return via;
  throw refused("via", via, "ws://HOST:PORT or wss://HOST, as `dnet dht proxy` prints it");
}

function checkOption(name: string, value: unknown): void {
  const kind = (KINDS as { readonly [name: string]: Kind | "special" | undefined })[name];
  if (kind === undefined) {
    throw new DnetError("UNKNOWN_OPTION", `a gateway has no option ${JSON.stringify(name)}`, {
      failure: "configuration",
      hint: `one of: ${Object.keys(KINDS).join(", ")}`,
    });
  }
  if (value === undefined || kind === "special") return;
  if (kind === "bytes") {
    if (!(value instanceof Uint8Array && value.length === 32)) throw refused(name, "what was given", "32 bytes");
  } else if (typeof kind === "string") {
    if (typeof value !== kind) throw refused(name, value, `a ${kind}`);
  } else if (!Number.isInteger(value) || (value as number) < kind[0] || (value as number) > kind[1]) {
    throw refused(name, value, `an integer from ${kind[0]} to ${kind[1]}`);
  }
}

function portsToTry({ port = DEFAULT_PORT, anyPort = true }: GatewayOptions): number[] {
  const range = Array.isArray(port) ? (port as readonly number[]) : [port as number, (port as number) + PORTS_TRIED];
  const [start = -1, end = -1] = range;
  const isValid = Number.isInteger(start) && start >= 0 && start <= 65_535 && Number.isInteger(end) && end > start;
  if (!isValid) throw refused("port", port, "a port from 0 to 65535, or [start, end]");
  if (start === 0) return [0];
  if (!anyPort) return [start];
  const ports = Array.from({ length: Math.min(end, 65_536) - start }, (_, i) => start + i);
  return [...ports, 0];
}

function checkAddress(option: string, address: Address): Address {
  const { host, port } = address ?? {};
  if (typeof host === "string" && isHost(host) && isPort(port)) return { host, port };
  throw refused(option, address, "{ host, port } with a port from 1 to 65535");
}

/** An IPv4 address, or a name; not what looks like an address and is none. */
function isHost(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return ip4Number(host) >= 0;
  return host.length <= 253 && /^[a-zA-Z0-9_]([\w-]*\w)?(\.[a-zA-Z0-9_]([\w-]*\w)?)*\.?$/.test(host);
}

function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) > 0 && (port as number) <= 65_535;
}

function isStray({ host, port }: Address): boolean {
  return host === STRAY_HOST || STRAY_NODES.has(`${host}:${port}`);
}

function refused(option: string, value: unknown, expected: string): DnetError {
  const shown = typeof value === "string" ? value : JSON.stringify(value);
  return new DnetError("BAD_OPTION", `${option} is ${shown}; expected ${expected}`, { failure: "configuration" });
}
