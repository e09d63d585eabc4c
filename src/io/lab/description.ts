/** What a laboratory consists of, as a person writes it: README.md beside this shows it. Everything left out has a default. */
import { DnetError } from "../../base/error.ts";
import { parsePrefix } from "../../base/ip.ts";
import { ip4Number } from "../../base/ip4.ts";
import type { LineConditions } from "./line.ts";
import type { Dependence, NatBehaviour, PortAllocation } from "./nat-behaviour.ts";
import { NAT_KINDS, type NatKindName } from "./nat-kinds.ts";

/** Of its line to where it stands. */
type Line = { readonly [Name in keyof LineConditions]?: LineConditions[Name] };

export interface NetworkDescription extends Line {
  /** How many routers stand between two public addresses: a packet with a smaller TTL dies among them. */
  readonly hops?: number;
}

/** Beside its kind, what is special about it, in the words of `NatBehaviour`. */
export interface NatDescription extends Line, Partial<Omit<NatBehaviour, "pooling">> {
  readonly kind: NatKindName;
  /** The NAT that it stands behind; none: it has a public address. */
  readonly behind?: string;
  /** Its outside address. */
  readonly address?: string;
  /** The prefix of the network behind it. Two sites may have the same. */
  readonly inside?: string;
}

export interface HostDescription extends Line {
  /** The NAT that it stands behind; none: it has a public address. */
  readonly behind?: string;
  readonly address?: string;
}

export interface LabDescription {
  /** The lines of whatever has a public address, where it does not say otherwise. */
  readonly network?: NetworkDescription;
  readonly nats?: { readonly [name: string]: NatDescription };
  readonly hosts: { readonly [name: string]: HostDescription };
}

export const DEFAULT_HOPS = 10;
export const PUBLIC_LINE: LineConditions = { delayMs: 10, jitterMs: 0, loss: 0, rateMbit: null };
/** A cable within a site. */
export const INSIDE_LINE: LineConditions = { delayMs: 0.5, jitterMs: 0, loss: 0, rateMbit: null };

/** Each takes a TUN device and a namespace. */
const MAX_HOSTS = 64;
const MAX_NATS = 64;
/** A name is part of a namespace's, and of a command line. */
const NAME = /^[a-z][a-z0-9-]{0,23}$/;
const NAME_RULE = "a name of up to 24 of a-z, 0-9 and -, that begins with a letter";
/** What the public network is called where a NAT could be named. */
export const INTERNET = "internet";

type Check = (value: unknown) => boolean;
/** What a key takes, for the sentence that begins "expected ". */
type Rule = readonly [check: Check, expected: string];
type Rules = { readonly [key: string]: Rule };

const within =
  (low: number, high: number): Check =>
  (value) =>
    typeof value === "number" && value >= low && value <= high;
const oneOf = (words: readonly string[]): Rule => [(value) => words.includes(value as string), words.join(", ")];
const DEPENDENCES: readonly Dependence[] = ["endpoint-independent", "address-dependent", "address-and-port-dependent"];
const MS: Rule = [within(0, 60_000), "milliseconds from 0 to 60000"];
const BOOLEAN: Rule = [(value) => typeof value === "boolean", "true or false"];

export const LINE_RULES: { readonly [Name in keyof LineConditions]: Rule } = {
  delayMs: MS,
  jitterMs: MS,
  loss: [within(0, 1), "a share from 0 to 1, such as 0.02"],
  rateMbit: [(value) => value === null || within(0.001, 100_000)(value), "megabits a second above 0, or null"],
};
const PLACE_RULES: Rules = {
  behind: [(value) => typeof value === "string", "the name of a NAT"],
  address: [isIp4, "an IPv4 address, such as 192.31.196.7"],
};
const NETWORK_RULES: Rules = { ...LINE_RULES, hops: [isCount(0, 64), "a count from 0 to 64"] };
const HOST_RULES: Rules = { ...PLACE_RULES, ...LINE_RULES };
const NAT_RULES: Rules = {
  kind: oneOf(Object.keys(NAT_KINDS)),
  ...PLACE_RULES,
  inside: [isSite, "an IPv4 prefix with room for hosts, such as 192.168.7.0/24"],
  mapping: oneOf(DEPENDENCES),
  filtering: oneOf(DEPENDENCES),
  ports: [isAllocation, 'preserving, overloading, random, or { "sequential": STEP }'],
  expiryMs: [within(1, 86_400_000), "milliseconds from 1 to 86400000"],
  inboundRefreshes: BOOLEAN,
  hairpins: BOOLEAN,
  maxMappings: [isCount(1, 60_000), "a count from 1 to 60000"],
  ...LINE_RULES,
};

/** Throws DnetError that names the key, its value and what was expected. */
export function parseDescription(value: unknown): LabDescription {
  const all = object("the description", value);
  refuseUnknownKeys("", all, ["network", "nats", "hosts"]);
  if (all["network"] !== undefined) checkKeys("network", all["network"], NETWORK_RULES);
  const nats = named("nats", all["nats"] ?? {}, MAX_NATS);
  const hosts = named("hosts", all["hosts"] ?? {}, MAX_HOSTS);
  if (Object.keys(hosts).length === 0) throw flaw("hosts", all["hosts"], "at least one host");
  for (const [name, nat] of Object.entries(nats)) {
    checkKeys(`nats.${name}`, nat, NAT_RULES);
    if ((nat as { kind?: string }).kind === undefined)
      throw flaw(`nats.${name}.kind`, undefined, NAT_RULES["kind"]![1]);
  }
  for (const [name, host] of Object.entries(hosts)) {
    checkKeys(`hosts.${name}`, host, HOST_RULES);
    if (Object.hasOwn(nats, name)) throw flaw(`hosts.${name}`, name, "a name that no NAT has");
  }
  const description = all as unknown as LabDescription; // every key of it was just looked at
  for (const [name, nat] of Object.entries(description.nats ?? {})) checkNat(name, nat, description.nats!);
  for (const [name, { behind }] of Object.entries(description.hosts)) checkBehind(`hosts.${name}`, behind, nats);
  return description;
}

function checkNat(name: string, nat: NatDescription, nats: { readonly [name: string]: NatDescription }): void {
  checkBehind(`nats.${name}`, nat.behind, nats);
  const passed = new Set([name]);
  for (let at = nat.behind; at !== undefined; at = nats[at]?.behind) {
    if (passed.has(at)) throw flaw(`nats.${name}.behind`, nat.behind, "a NAT that does not stand behind this one");
    passed.add(at);
  }
  const mapping = nat.mapping ?? NAT_KINDS[nat.kind].behaviour.mapping;
  if (nat.ports === "overloading" && mapping !== "address-and-port-dependent") {
    // What comes in must tell the mappings of one port apart.
    throw flaw(`nats.${name}.mapping`, mapping, "address-and-port-dependent where ports is overloading");
  }
}

function checkBehind(path: string, behind: string | undefined, nats: object): void {
  if (behind === undefined || Object.hasOwn(nats, behind)) return;
  const names = Object.keys(nats).join(", ");
  throw flaw(`${path}.behind`, behind, names ? `the name of a NAT: ${names}` : "the name of a NAT, and nats has none");
}

function named(path: string, value: unknown, atMost: number): { readonly [name: string]: unknown } {
  const found = object(path, value);
  const names = Object.keys(found);
  if (names.length > atMost) throw flaw(path, names.length, `at most ${atMost} of them`);
  const bad = names.find((name) => !NAME.test(name) || name === INTERNET);
  if (bad !== undefined) throw flaw(path, bad, bad === INTERNET ? `a name other than ${INTERNET}` : NAME_RULE);
  return found;
}

function checkKeys(path: string, value: unknown, rules: Rules): void {
  const found = object(path, value);
  refuseUnknownKeys(`${path}.`, found, Object.keys(rules));
  for (const [key, given] of Object.entries(found)) {
    const [check, expected] = rules[key]!;
    if (!check(given)) throw flaw(`${path}.${key}`, given, expected);
  }
}

function refuseUnknownKeys(prefix: string, found: object, known: readonly string[]): void {
  const unknown = Object.keys(found).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw bad(`${prefix}${unknown} is not a key of a laboratory; expected ${known.join(", ")}`);
}

function object(path: string, value: unknown): { readonly [key: string]: unknown } {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as { [key: string]: unknown };
  throw flaw(path, value, "a JSON object");
}

function flaw(path: string, value: unknown, expected: string): DnetError {
  const shown = value === undefined ? "missing" : (JSON.stringify(value) ?? String(value));
  return bad(`${path} is ${shown.length > 80 ? `${shown.slice(0, 80)}...` : shown}; expected ${expected}`);
}

function bad(message: string): DnetError {
  return new DnetError("LAB_DESCRIPTION", message, {
    failure: "configuration",
    hint: "dnet lab presets random-cone, for one that is right",
  });
}

function isIp4(value: unknown): boolean {
  return typeof value === "string" && ip4Number(value) >= 0;
}

function isSite(value: unknown): boolean {
  const prefix = typeof value === "string" && value.includes("/") ? parsePrefix(value) : null;
  return prefix !== null && prefix.bytes.length === 4 && prefix.bits >= 8 && prefix.bits <= 29;
}

function isCount(low: number, high: number): Check {
  return (value) => Number.isInteger(value) && within(low, high)(value);
}

function isAllocation(value: unknown): value is PortAllocation {
  if (typeof value === "string") return ["preserving", "overloading", "random"].includes(value);
  if (typeof value !== "object" || value === null || Object.keys(value).join() !== "sequential") return false;
  const { sequential } = value as { sequential: unknown };
  return isCount(1, 1_000)(sequential) || isCount(-1_000, -1)(sequential);
}
