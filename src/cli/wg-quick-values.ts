/** The values of a wg-quick file, one function each: text → what it means, or what was expected instead. */
import { formatIp, type Prefix, parseIp, parsePrefix } from "../base/ip.ts";
import { LEAST_MTU, type TunnelEndpoint, type TunnelSuite } from "../io/tunnel-config.ts";

/** `expected` completes a sentence that begins "expected ". */
export type Value<T> = { readonly value: T } | { readonly expected: string };

/** 32 bytes in base64, as `wg genkey` prints them: 44 characters, the last of which is `=`. */
export function parseKey(text: string): Value<Uint8Array> {
  // The 43rd character carries four bits of the key and two that are zero: 16 of the 64 characters can stand there.
  if (!/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text)) return { expected: "a key: 44 characters of base64" };
  return { value: Uint8Array.fromBase64(text) };
}

/** A key that must not be all zeros: neither a secret nor a point on the curve is. */
export function parseNonzeroKey(text: string): Value<Uint8Array> {
  const key = parseKey(text);
  return "value" in key && key.value.every((byte) => byte === 0) ? { expected: "a key that is not all zeros" } : key;
}

/** 0, like leaving it out, lets the kernel choose. */
export function parseListenPort(text: string): Value<number> {
  return parseInteger(text, 0, 65535, "a UDP port, 0 to 65535");
}

export function parseMtu(text: string): Value<number> {
  return parseInteger(text, LEAST_MTU[4], 65535, `${LEAST_MTU[4]} to 65535 bytes`);
}

/** Seconds; 0 is off. */
export function parseKeepalive(text: string): Value<number> {
  return text.toLowerCase() === "off" ? { value: 0 } : parseInteger(text, 0, 65535, "off, or 0 to 65535 seconds");
}

export function parseSuite(text: string): Value<TunnelSuite> {
  const suite = text.toLowerCase();
  return suite === "wireguard" || suite === "dnet" ? { value: suite } : { expected: "wireguard or dnet" };
}

/** Whether super-packets are used while the path loses nothing. */
export function parseSuperPackets(text: string): Value<boolean> {
  const word = text.toLowerCase();
  return word === "auto" || word === "off" ? { value: word === "auto" } : { expected: "auto or off" };
}

/** The interface's own address (host bits kept), or an allowed one, with its prefix length. */
export function parseAddressPrefix(text: string): Value<Prefix> {
  const value = parsePrefix(text);
  if (value) return { value };
  const [host = ""] = text.split("/");
  const bytes = parseIp(host);
  if (bytes) return { expected: `an address with a prefix length of at most ${bytes.length * 8}` };
  if (host.includes("%")) return { expected: "an address without a zone (the part after %)" };
  return { expected: "an IPv4 or IPv6 address, with or without a prefix length" };
}

/** `192.0.2.1:51820`, `[2001:db8::1]:51820` or `name.example:51820`; the address comes back in canonical form. */
export function parseEndpoint(text: string): Value<TunnelEndpoint> {
  const [, bracketed, plain, portText = ""] = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) {
    const bare = parseIp(text);
    if (bare?.length === 16) return { expected: `[${formatIp(bare)}]:PORT; an IPv6 address goes into brackets` };
    return { expected: "HOST:PORT or [IPV6]:PORT" };
  }
  const port = parseInteger(portText, 1, 65535, "a port of 1 to 65535 after the colon");
  if ("expected" in port) return port;
  const bytes = parseIp(host);
  if (bracketed !== undefined && bytes?.length !== 16) {
    return { expected: `an IPv6 address in the brackets${host.includes("%") ? ", without a zone" : ""}` };
  }
  if (bytes) return { value: { host: formatIp(bytes), port: port.value } };
  return isHostName(host)
    ? { value: { host: host.toLowerCase(), port: port.value } }
    : { expected: "an IPv4 address or a DNS name before the colon" };
}

/** RFC 1123 §2.1, and underscores, which names in use do have. A last label of digits is a mistyped address. */
function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  const isLabel = (label: string) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label);
  return text.length <= 253 && labels.every(isLabel) && !/^\d+$/.test(labels.at(-1)!);
}

function parseInteger(text: string, least: number, most: number, expected: string): Value<number> {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least && value <= most ? { value } : { expected };
}
