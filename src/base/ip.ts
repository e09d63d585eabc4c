/** IP addresses and prefixes: text ⇄ bytes. An address is 4 or 16 bytes in network order. Source: RFC 4291, RFC 5952. */
import { ip4Number } from "./ip4.ts";

/** An address and how many leading bits of it count. `bytes` may have bits set beyond them (an interface's address). */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** The 4 or 16 bytes of an address in text; null when it is not one. Zone ids (`%eth0`) are refused. */
export function parseIp(text: string): Uint8Array | null {
  return text.includes(":") ? parseIp6(text) : parseIp4(text);
}

/** `10.0.0.1/24`, `fd00::1/64`, or a bare address, which stands for all its bits; null when it is none of them. */
export function parsePrefix(text: string): Prefix | null {
  const [host = "", length, ...rest] = text.split("/");
  const bytes = parseIp(host);
  if (!bytes || rest.length > 0) return null;
  if (length === undefined) return { bytes, bits: bytes.length * 8 };
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > bytes.length * 8) return null;
  return { bytes, bits: Number(length) };
}

/** The address in text; IPv6 with its longest run of zeros shortened. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const run = longestZeroRun(groups);
  if (run.length < 2) return groups.join(":");
  return `${groups.slice(0, run.start).join(":")}::${groups.slice(run.start + run.length).join(":")}`;
}

export function formatPrefix({ bytes, bits }: Prefix): string {
  return `${formatIp(bytes)}/${bits}`;
}

/** The prefix with every bit beyond its length cleared: the network that an interface's address lies in. */
export function network({ bytes, bits }: Prefix): Prefix {
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff);
  return { bytes: masked, bits };
}

function parseIp4(text: string): Uint8Array | null {
  const ip = ip4Number(text);
  return ip < 0 ? null : Uint8Array.of(ip >>> 24, ip >>> 16, ip >>> 8, ip);
}

function parseIp6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map(parseGroups);
  if (!head || (halves.length === 2 && !tail)) return null;
  if (halves.length === 1) return head.length === 16 ? Uint8Array.from(head) : null;
  const zeros = 16 - head.length - tail!.length;
  return zeros >= 2 ? Uint8Array.from([...head, ...new Array<number>(zeros).fill(0), ...tail!]) : null;
}

/** The bytes of colon-separated groups, the last of which may be a dotted IPv4 address; null when malformed. */
function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    const dotted = i === groups.length - 1 && group.includes(".") ? parseIp4(group) : null;
    if (dotted) bytes.push(...dotted);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff);
    else return null;
  }
  return bytes.length <= 16 ? bytes : null;
}

function longestZeroRun(groups: string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === "0") length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
