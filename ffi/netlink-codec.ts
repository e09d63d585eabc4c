/**
 * rtnetlink messages: objects → bytes → objects. Sources: RFC 3549, rtnetlink(7), linux/netlink.h, linux/rtnetlink.h,
 * linux/if_link.h, linux/if_addr.h. Numbers are in native (little-endian) order, addresses in network order.
 *   nlmsghdr   16 bytes: length u32 (with the header), type u16, flags u16, sequence u32, port u32; messages begin at
 *              multiples of 4
 *   body       ifinfomsg 16, ifaddrmsg 8 or rtmsg 12 bytes, then attributes
 *   attribute  length u16 (with these 4 bytes), type u16, value; begins at a multiple of 4
 * The readers take any bytes: what does not fit its frame ends the reading there, and a short value reads as zeros.
 */
import { AF_INET, AF_INET6 } from "./sockaddr.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const NLMSG_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const NLA_TYPE_MASK = 0x3fff; // above it: nested, and network byte order

export const IFF_UP = 0x1;

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_AF_SPEC = 26;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;
const IFLA_GSO_MAX_SIZE = 41;
const IFLA_GSO_IPV4_MAX_SIZE = 63; // Linux 6.3

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02; // usable at once, without duplicate address detection

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_PREFSRC = 7;
const RTA_METRICS = 8;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTAX_MTU = 2;
const RTNEXTHOP_BYTES = 8; // struct rtnexthop: length u16, flags u8, hops u8, interface i32; then attributes

export const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
export const RTN_UNICAST = 1;

/** A network or an interface's address: 4 or 16 bytes, and how many leading bits count. */
export interface IpPrefix {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly flags: number;
  readonly mtu: number;
  /** "tun", "veth"...; empty for real cards. */
  readonly kind: string;
  readonly gsoMaxSize: number | null;
}

export interface InterfaceAddress extends IpPrefix {
  readonly index: number;
}

export interface Route extends IpPrefix {
  /** Where it leads; 0 when nowhere. Of several next hops, the first. */
  readonly ifindex: number;
  readonly gateway: Uint8Array | null;
  readonly metric: number;
  readonly table: number;
  /** 1 unicast, 2 local, 3 broadcast, 6 blackhole, 7 unreachable, 8 prohibit... (RTN_*). */
  readonly type: number;
  readonly prefSrc: Uint8Array | null;
  /** The MTU set on the route, or learned for this path; null: the interface's. */
  readonly mtu: number | null;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

type Attributes = ReadonlyMap<number, Uint8Array>;

export interface LinkChange {
  readonly index: number;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly gsoMaxSize?: number;
  /** "none": the kernel gives the interface no IPv6 address of its own accord, so nothing announces one. */
  readonly linkLocal?: "none";
}

export interface RouteChange extends IpPrefix {
  readonly index: number;
  readonly metric?: number;
  readonly gateway?: Uint8Array;
}

/** A whole message; `sequence` comes back in the answers. */
export function encodeMessage(type: number, flags: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(NLMSG_HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, NLMSG_HEADER_BYTES);
  return bytes;
}

/** `name` asks for one link by name; without it the body asks for the link `index`, or (0, in a dump) for all. */
export function encodeLink({ index, up, mtu, gsoMaxSize, linkLocal }: LinkChange, name?: string): Uint8Array {
  const head = new Uint8Array(16); // ifinfomsg: family u8, pad, type u16, index i32, flags u32, which of them count u32
  const view = new DataView(head.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, up ? IFF_UP : 0, true);
  view.setUint32(12, up === undefined ? 0 : IFF_UP, true);
  const noLinkLocal = attribute(IFLA_INET6_ADDR_GEN_MODE, Uint8Array.of(IN6_ADDR_GEN_MODE_NONE));
  return concat([
    head,
    name === undefined ? null : attribute(IFLA_IFNAME, new TextEncoder().encode(`${name}\0`)),
    mtu === undefined ? null : attribute(IFLA_MTU, u32(mtu)),
    gsoMaxSize === undefined ? null : attribute(IFLA_GSO_MAX_SIZE, u32(gsoMaxSize)),
    gsoMaxSize === undefined ? null : attribute(IFLA_GSO_IPV4_MAX_SIZE, u32(gsoMaxSize)),
    linkLocal === undefined ? null : attribute(IFLA_AF_SPEC, attribute(AF_INET6, noLinkLocal)),
  ]);
}

export function encodeAddress(index: number, { bytes, bits }: IpPrefix): Uint8Array {
  const is4 = bytes.length === 4;
  const head = new Uint8Array(8); // ifaddrmsg: family u8, bits u8, flags u8, scope u8, index u32
  head[0] = is4 ? AF_INET : AF_INET6;
  head[1] = bits;
  head[2] = is4 ? 0 : IFA_F_NODAD;
  new DataView(head.buffer).setUint32(4, index, true);
  return concat([
    head,
    attribute(IFA_LOCAL, bytes),
    attribute(IFA_ADDRESS, bytes),
    is4 ? null : attribute(IFA_FLAGS, u32(IFA_F_NODAD)),
  ]);
}

/** A unicast route of the main table. To remove one, its scope and origin are left open, so whoever made it. */
export function encodeRoute(route: RouteChange, purpose: "add" | "remove"): Uint8Array {
  const { bytes, bits, index, metric, gateway } = route;
  const onLink = bytes.length === 4 && !gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const adds = purpose === "add";
  return concat([
    rtmsg(
      bytes,
      bits,
      RT_TABLE_MAIN,
      adds ? RTPROT_STATIC : 0,
      adds ? onLink : RT_SCOPE_NOWHERE,
      adds ? RTN_UNICAST : 0,
    ),
    bits === 0 ? null : attribute(RTA_DST, bytes),
    attribute(RTA_OIF, u32(index)),
    gateway ? attribute(RTA_GATEWAY, gateway) : null,
    metric === undefined ? null : attribute(RTA_PRIORITY, u32(metric)),
  ]);
}

/** Asks which way a packet to `host` would go. */
export function encodeRouteQuery(host: Uint8Array): Uint8Array {
  return concat([rtmsg(host, host.length * 8, 0, 0, 0, 0), attribute(RTA_DST, host)]);
}

/** The body of a dump of one family's addresses or routes; 0 for both families. */
export function encodeDump(family: 0 | 4 | 6): Uint8Array {
  const head = new Uint8Array(12); // the longer of rtmsg and ifaddrmsg
  head[0] = family === 0 ? 0 : family === 4 ? AF_INET : AF_INET6;
  return head;
}

/** rtmsg: family, destination bits, source bits, TOS, table, protocol, scope, type: u8 each; flags u32. */
function rtmsg(host: Uint8Array, bits: number, table: number, protocol: number, scope: number, type: number) {
  const family = host.length === 4 ? AF_INET : AF_INET6;
  return Uint8Array.of(family, bits, 0, 0, table, protocol, scope, type, 0, 0, 0, 0);
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align4(ATTRIBUTE_HEADER_BYTES + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ATTRIBUTE_HEADER_BYTES + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, ATTRIBUTE_HEADER_BYTES);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function concat(parts: readonly (Uint8Array | null)[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => (part ? [...part] : [])));
}

/** The messages of one datagram from the kernel, up to the first that does not fit. */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + NLMSG_HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HEADER_BYTES || at + length > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + NLMSG_HEADER_BYTES, at + length),
    });
    at += align4(length);
  }
  return messages;
}

/** The errno of an NLMSG_ERROR or NLMSG_DONE body; 0 is success. */
export function decodeErrno(body: Uint8Array): number {
  return body.length < 4 ? 0 : Math.abs(viewOf(body).getInt32(0, true));
}

export function decodeLink(body: Uint8Array): Link | null {
  if (body.length < 16) return null;
  const view = viewOf(body);
  const attributes = decodeAttributes(body.subarray(16));
  const info = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? EMPTY);
  return {
    index: view.getInt32(4, true),
    name: text(attributes.get(IFLA_IFNAME)),
    flags: view.getUint32(8, true),
    mtu: number(attributes.get(IFLA_MTU)) ?? 0,
    kind: text(info.get(IFLA_INFO_KIND)),
    gsoMaxSize: number(attributes.get(IFLA_GSO_MAX_SIZE)),
  };
}

export function decodeAddress(body: Uint8Array): InterfaceAddress | null {
  if (body.length < 8) return null;
  const attributes = decodeAttributes(body.subarray(8));
  // On a point-to-point IPv4 link ADDRESS is the far end's, and LOCAL ours; IPv6 has ADDRESS alone.
  const bytes = host(body[0]!, attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS));
  return bytes && { index: viewOf(body).getUint32(4, true), bytes, bits: body[1]! };
}

export function decodeRoute(body: Uint8Array): Route | null {
  if (body.length < 12) return null;
  const family = body[0]!;
  if (family !== AF_INET && family !== AF_INET6) return null;
  const attributes = decodeAttributes(body.subarray(12));
  const hop = firstHop(attributes);
  const metrics = decodeAttributes(attributes.get(RTA_METRICS) ?? EMPTY);
  return {
    bytes: host(family, attributes.get(RTA_DST)) ?? new Uint8Array(family === AF_INET ? 4 : 16),
    bits: body[1]!,
    ifindex: hop.ifindex,
    gateway: host(family, hop.attributes.get(RTA_GATEWAY)),
    metric: number(attributes.get(RTA_PRIORITY)) ?? 0,
    table: number(attributes.get(RTA_TABLE)) ?? body[4]!,
    type: body[7]!,
    prefSrc: host(family, attributes.get(RTA_PREFSRC)),
    mtu: number(metrics.get(RTAX_MTU)),
  };
}

function firstHop(attributes: Attributes): { ifindex: number; attributes: Attributes } {
  const hops = attributes.get(RTA_MULTIPATH);
  if (!hops || hops.length < RTNEXTHOP_BYTES) return { ifindex: number(attributes.get(RTA_OIF)) ?? 0, attributes };
  const view = viewOf(hops);
  const end = Math.min(hops.length, view.getUint16(0, true));
  return { ifindex: view.getInt32(4, true), attributes: decodeAttributes(hops.subarray(RTNEXTHOP_BYTES, end)) };
}

function decodeAttributes(bytes: Uint8Array): Attributes {
  const view = viewOf(bytes);
  const attributes = new Map<number, Uint8Array>();
  for (let at = 0; at + ATTRIBUTE_HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER_BYTES || at + length > bytes.length) break;
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    attributes.set(type, bytes.subarray(at + ATTRIBUTE_HEADER_BYTES, at + length));
    at += align4(length);
  }
  return attributes;
}

/** A copy of the address, which must be as long as its family says. */
function host(family: number, bytes: Uint8Array | undefined): Uint8Array | null {
  const length = family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0;
  return bytes && length > 0 && bytes.length === length ? bytes.slice() : null;
}

function number(bytes: Uint8Array | undefined): number | null {
  return bytes && bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : null;
}

function text(bytes: Uint8Array | undefined): string {
  if (!bytes) return "";
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

const EMPTY = new Uint8Array(0);
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const align4 = (length: number) => (length + 3) & ~3;
