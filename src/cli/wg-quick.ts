/**
 * The configuration file of wg-quick(8) and wg(8): text → TunnelConfig. Differs: one key more, `Suite` in [Peer]; keys
 * that run commands or change the system beyond the interface are refused by name; so is what wg-quick passes over in
 * silence, such as two peers with the same prefix. No message holds a private or a preshared key.
 */
import { DnetError } from "../base/error.ts";
import { formatPrefix, network, type Prefix } from "../base/ip.ts";
import { X25519Key } from "../crypto/x25519.ts";
import { LEAST_MTU, type TunnelConfig, type TunnelPeerConfig } from "../io/tunnel-config.ts";
import { printable } from "./printable.ts";
import { type Entry, Problems, readSections, type Section } from "./wg-quick-sections.ts";
import {
  parseAddressPrefix,
  parseEndpoint,
  parseKeepalive,
  parseKey,
  parseListenPort,
  parseMtu,
  parseNonzeroKey,
  parseSuite,
  parseSuperPackets,
  type Value,
} from "./wg-quick-values.ts";

/** Larger files are refused: at 100 bytes a peer this is ten thousand peers. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * The interface's name that a file stands for: its base name without `.conf`; 15 characters is IFNAMSIZ (linux/if.h)
 * less its closing zero. Throws DnetError CONFIG_INVALID.
 */
export function tunnelNameOf(path: string): string {
  const base = path.split("/").at(-1) ?? "";
  const name = base.endsWith(".conf") ? base.slice(0, -".conf".length) : base;
  if (/^[A-Za-z0-9_=+.-]{1,15}$/.test(name) && name !== "." && name !== "..") return name;
  throw new DnetError("CONFIG_INVALID", `no interface can be named after the file ${JSON.stringify(printable(base))}`, {
    failure: "configuration",
    hint: "name the file NAME.conf, where NAME has 1 to 15 characters of A-Z a-z 0-9 _ = + . -",
  });
}

/** `path` names the interface, and the file in messages. Throws DnetError CONFIG_INVALID, having changed nothing. */
export function parseWgQuick(text: string, path: string): TunnelConfig {
  const name = tunnelNameOf(path);
  const problems = new Problems(path.split("/").at(-1)!);
  if (text.length > MAX_CONFIG_BYTES) throw problems.inFile(`is larger than ${MAX_CONFIG_BYTES} bytes`);
  const sections = readSections(text, problems);
  const [found, second] = sections.filter((section) => section.name === "Interface");
  if (!found) throw problems.inFile("expected an [Interface] section");
  if (second) throw problems.at(second.line, `[Interface] a second time; the first is on line ${found.line}`);
  const { value: privateKey } = required(found, "PrivateKey", parseNonzeroKey, problems);
  const addresses = readAddresses(found, problems);
  return {
    name,
    privateKey,
    listenPort: single(found, "ListenPort", parseListenPort, problems)?.value || null,
    mtu: readMtu(found, addresses, problems),
    addresses,
    peers: readPeers(
      sections.filter((section) => section.name === "Peer"),
      new X25519Key(privateKey),
      problems,
    ),
  };
}

function readAddresses(section: Section, problems: Problems): Prefix[] {
  const seen = new Map<string, Entry>();
  return list(section, "Address", parseAddressPrefix, problems).map(({ entry, value }) => {
    const text = formatPrefix(value);
    const before = seen.get(text);
    if (before) throw problems.entry(entry, `each address once; line ${before.line} has it already`);
    seen.set(text, entry);
    return value;
  });
}

function readMtu(section: Section, addresses: readonly Prefix[], problems: Problems): number | null {
  const mtu = single(section, "MTU", parseMtu, problems);
  if (!mtu) return null;
  if (mtu.value < LEAST_MTU[6] && addresses.some(({ bytes }) => bytes.length === 16)) {
    throw problems.entry(mtu.entry, `at least ${LEAST_MTU[6]} bytes, which IPv6 needs, because an Address is IPv6`);
  }
  return mtu.value;
}

function readPeers(sections: readonly Section[], ourKey: X25519Key, problems: Problems): TunnelPeerConfig[] {
  const keyLines = new Map<string, number>();
  const holders: Holders = new Map();
  return sections.map((section) => {
    const publicKey = readPublicKey(section, { ourKey, keyLines }, problems);
    const presharedKey = single(section, "PresharedKey", parseKey, problems)?.value;
    return {
      publicKey,
      presharedKey: presharedKey?.some((byte) => byte !== 0) ? presharedKey : null,
      allowedAddresses: readAllowed(section, holders, problems),
      endpoint: single(section, "Endpoint", parseEndpoint, problems)?.value ?? null,
      persistentKeepaliveSeconds: single(section, "PersistentKeepalive", parseKeepalive, problems)?.value ?? 0,
      suite: single(section, "Suite", parseSuite, problems)?.value ?? "wireguard",
      superPackets: single(section, "SuperPackets", parseSuperPackets, problems)?.value ?? true,
    };
  });
}

function readPublicKey(
  section: Section,
  { ourKey, keyLines }: { ourKey: X25519Key; keyLines: Map<string, number> },
  problems: Problems,
): Uint8Array {
  const { entry, value: publicKey } = required(section, "PublicKey", parseNonzeroKey, problems);
  const text = publicKey.toBase64();
  const before = keyLines.get(text);
  if (before) throw problems.entry(entry, `a key that no other peer has; line ${before} has it already`);
  if (text === ourKey.publicKey.toBase64()) throw problems.entry(entry, "the peer's key, and this is our own");
  if (!ourKey.agree(publicKey))
    throw problems.entry(entry, "a key that someone owns, and this is a point of low order");
  keyLines.set(text, entry.line);
  return publicKey;
}

/** By prefix in text: the peer that has it, and the line that says so. */
type Holders = Map<string, { section: Section; line: number }>;

/** A prefix that one peer names twice counts once; of one that two peers name, nobody could tell whose it is. */
function readAllowed(section: Section, holders: Holders, problems: Problems): Prefix[] {
  const allowed: Prefix[] = [];
  for (const { entry, value } of list(section, "AllowedIPs", parseAddressPrefix, problems)) {
    const prefix = network(value);
    const text = formatPrefix(prefix);
    const holder = holders.get(text);
    if (holder && holder.section !== section) {
      throw problems.entry(entry, `a prefix that no other peer has; line ${holder.line} gives ${text} to another`);
    }
    if (holder) continue;
    holders.set(text, { section, line: entry.line });
    allowed.push(prefix);
  }
  return allowed;
}

type Parse<T> = (text: string) => Value<T>;
type Parsed<T> = { readonly entry: Entry; readonly value: T };

function required<T>(section: Section, key: string, parse: Parse<T>, problems: Problems): Parsed<T> {
  const found = single(section, key, parse, problems);
  if (!found) throw problems.at(section.line, `[${section.name}] has no ${key}`);
  return found;
}

function single<T>(section: Section, key: string, parse: Parse<T>, problems: Problems): Parsed<T> | null {
  const entry = section.entries.get(key)?.[0];
  return entry ? parseEntry(entry, parse, problems) : null;
}

/** The values of all lines with this key, each a list with commas. */
function list<T>(section: Section, key: string, parse: Parse<T>, problems: Problems): Parsed<T>[] {
  const entries = section.entries.get(key) ?? [];
  const items = entries.flatMap((entry) => entry.value.split(",").map((item) => ({ ...entry, value: item.trim() })));
  return items.map((item) => parseEntry(item, parse, problems));
}

function parseEntry<T>(entry: Entry, parse: Parse<T>, problems: Problems): Parsed<T> {
  const result = parse(entry.value);
  if ("expected" in result) throw problems.entry(entry, result.expected);
  return { entry, value: result.value };
}
