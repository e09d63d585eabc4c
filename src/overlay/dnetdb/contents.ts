/**
 * What stands beside the chain: bodies, and what is in them by op. Numbers are little-endian.
 *   form u8: 0 in clear, 1 sealed ‖ epoch u32, 0 in clear ‖ open ‖ admission ‖ members, each length u32 ‖ bytes
 * Of a private dnet's body everyone reads the open part, the attached clouds and relays the admission part too, and members
 * all. An empty part is empty when sealed too (`sealing.ts`). The parts, where they have anything:
 *   CREATE                  open: wraps (private)                        members: name ‖ range ‖ 0, or 1 ‖ slot key 32 (private)
 *   NODE, JOIN              open: key for one (private)  admission: public key 32  members: place
 *   INVITE                                                               members: place ‖ public key of the seed 32
 *   OVX                     open: key for one (private)
 *   KEY                     open: wraps  admission: the last epoch's admission key 32  members: its network key 32
 *   POLICY                                                               members: JSON, UTF-8
 *   OVX_CREATE, OVX_UPDATE  admission: kind u8, 1 a cloud, 2 a relay ‖ listed u8 ‖ addresses u8 ‖ each length u8 ‖ HOST:PORT
 *     name         length u8 ‖ UTF-8; length 0 for none
 *     range        bits u8 ‖ IPv4 4; all zeros for none
 *     place        length u8, 4 or 16 ‖ address ‖ name
 *     key for one  X25519 public key 32 ‖ wrapped 48
 *     wraps        X25519 public key 32 ‖ count u32 ‖ each tag 16 ‖ wrapped 48, by ascending tags
 *                  ‖ count u16 ‖ each ovx id 32 ‖ wrapped 48, by ascending ids
 * One meaning has one encoding; what is longer is refused.
 */
import { compareBytes } from "../../base/bytes.ts";
import { type Prefix, parseIp } from "../../base/ip.ts";
import { PUBLIC_KEY_BYTES } from "../../base/public-key.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { isRange4 } from "./addresses.ts";
import { ID_BYTES } from "./ids.ts";
import { SEED_BYTES } from "./invitation.ts";
import { NETWORK_KEY_BYTES } from "./network-key.ts";
import { OPERANDS } from "./operands.ts";

/** Larger than any list of members or policy of the sizes that dnet is made for. */
export const MAX_BODY_BYTES = 1 << 20;
export const WRAPPED_BYTES = NETWORK_KEY_BYTES + 16;
export const WRAP_TAG_BYTES = 16;
export const MAX_OVX_ADDRESSES = 16;
const SLOT_KEY_BYTES = 32;
const MAX_HOST_PORT_BYTES = 255;
const CLEAR = 0;
const SEALED = 1;
const KINDS = { ovc: 1, ovr: 2 } as const;

export const EMPTY = new Uint8Array(0);

export interface Body {
  /** By which the parts are sealed; null: in clear. */
  readonly epoch: number | null;
  readonly open: Uint8Array;
  readonly admission: Uint8Array;
  readonly members: Uint8Array;
}

export interface CreateContent {
  readonly name: string;
  /** Null: the members have IPv6 alone. */
  readonly range4: Prefix | null;
  /** 32 bytes: what a private dnet's tags are made by. Never another in all of its life. Null in a public one. */
  readonly slotKey: Uint8Array | null;
}

export interface Place {
  /** 4 or 16 bytes. */
  readonly ip: Uint8Array;
  readonly name: string | null;
}

export interface InviteContent extends Place {
  /** Of the seed that the invitation has: later network keys are wrapped to it. */
  readonly seedKey: Uint8Array;
}

export interface OvxContent {
  readonly kind: keyof typeof KINDS;
  /** Whether it may be named to strangers. */
  readonly isListed: boolean;
  /** HOST:PORT, the host an address or a name. */
  readonly addresses: readonly string[];
}

/** A key wrapped for one reader; in a join the network key, and after it the invitation's seed. */
export interface KeyForOne {
  /** An X25519 public key made for this alone. 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 48 bytes; in a join 80. */
  readonly wrapped: Uint8Array;
}

export interface Wraps {
  readonly ephemeral: Uint8Array;
  /** The network key. By ascending tags, which tell only its reader whose each is. */
  readonly members: readonly { readonly tag: Uint8Array; readonly wrapped: Uint8Array }[];
  /** The admission key. By ascending ids. */
  readonly ovxs: readonly { readonly ovx: Uint8Array; readonly wrapped: Uint8Array }[];
}

export function encodeBody({ epoch, open, admission, members }: Body): Uint8Array {
  const w = new Writer().u8(epoch === null ? CLEAR : SEALED).u32(epoch ?? 0);
  for (const part of [open, admission, members]) w.u32(part.length).fixed(part);
  return w.finish();
}

/** Null for anything but one whole body in its one encoding. The parts are views. */
export function decodeBody(bytes: Uint8Array): Body | null {
  if (bytes.length > MAX_BODY_BYTES) return null;
  return whole(bytes, (r) => {
    const [form, epoch] = [r.u8(), r.u32()];
    const [open, admission, members] = [r.fixed(r.u32()), r.fixed(r.u32()), r.fixed(r.u32())];
    if (form > SEALED || (form === CLEAR && epoch !== 0)) return null;
    return { epoch: form === SEALED ? epoch : null, open, admission, members };
  });
}

export function encodeCreate({ name, range4, slotKey }: CreateContent): Uint8Array {
  const w = new Writer();
  OPERANDS.name.write(w, name);
  w.u8(range4?.bits ?? 0).fixed(range4?.bytes ?? new Uint8Array(4));
  if (slotKey) w.u8(1).fixed(slotKey);
  else w.u8(0);
  return w.finish();
}

export function decodeCreate(part: Uint8Array): CreateContent | null {
  return whole(part, (r) => {
    const name = OPERANDS.name.read(r);
    const range4 = { bits: r.u8(), bytes: r.fixed(4).slice() };
    const isNone = range4.bits === 0 && range4.bytes.every((byte) => byte === 0);
    const hasKey = r.u8();
    const slotKey = hasKey === 1 ? r.fixed(SLOT_KEY_BYTES).slice() : null;
    if (!name || hasKey > 1 || !(isNone || isRange4(range4))) return null;
    return { name, range4: isNone ? null : range4, slotKey };
  });
}

export function encodePlace(place: Place): Uint8Array {
  const w = new Writer();
  writePlace(w, place);
  return w.finish();
}

export function decodePlace(part: Uint8Array): Place | null {
  return whole(part, readPlace);
}

export function encodeInvite(content: InviteContent): Uint8Array {
  const w = new Writer();
  writePlace(w, content);
  return w.fixed(content.seedKey).finish();
}

export function decodeInvite(part: Uint8Array): InviteContent | null {
  return whole(part, (r) => {
    const place = readPlace(r);
    const seedKey = r.fixed(PUBLIC_KEY_BYTES).slice();
    return place && { ...place, seedKey };
  });
}

export function encodeOvx({ kind, isListed, addresses }: OvxContent): Uint8Array {
  const w = new Writer()
    .u8(KINDS[kind])
    .u8(isListed ? 1 : 0)
    .u8(addresses.length);
  for (const address of addresses) {
    const bytes = new TextEncoder().encode(address);
    w.u8(bytes.length).fixed(bytes);
  }
  return w.finish();
}

export function decodeOvx(part: Uint8Array): OvxContent | null {
  return whole(part, (r) => {
    const [kind, listed, count] = [r.u8(), r.u8(), r.u8()];
    if (!r.ok || (kind !== KINDS.ovc && kind !== KINDS.ovr) || listed > 1 || count > MAX_OVX_ADDRESSES) return null;
    const addresses = Array.from({ length: count }, () => new TextDecoder().decode(r.fixed(r.u8())));
    const areGood = addresses.every(isHostPort) && new Set(addresses).size === count;
    return areGood ? { kind: kind === KINDS.ovc ? "ovc" : "ovr", isListed: listed === 1, addresses } : null;
  });
}

export function encodeKeyForOne({ ephemeral, wrapped }: KeyForOne): Uint8Array {
  return new Writer().fixed(ephemeral).fixed(wrapped).finish();
}

/** `isJoin`: of a join. */
export function decodeKeyForOne(part: Uint8Array, isJoin = false): KeyForOne | null {
  const wrappedBytes = isJoin ? WRAPPED_BYTES + SEED_BYTES : WRAPPED_BYTES;
  return whole(part, (r) => ({ ephemeral: r.fixed(PUBLIC_KEY_BYTES), wrapped: r.fixed(wrappedBytes) }));
}

export function encodeWraps({ ephemeral, members, ovxs }: Wraps): Uint8Array {
  const w = new Writer().fixed(ephemeral).u32(members.length);
  for (const { tag, wrapped } of members) w.fixed(tag).fixed(wrapped);
  w.u16(ovxs.length);
  for (const { ovx, wrapped } of ovxs) w.fixed(ovx).fixed(wrapped);
  return w.finish();
}

export function decodeWraps(part: Uint8Array): Wraps | null {
  return whole(part, (r) => {
    const ephemeral = r.fixed(PUBLIC_KEY_BYTES);
    const memberCount = r.u32();
    if (memberCount * (WRAP_TAG_BYTES + WRAPPED_BYTES) > r.remaining) return null;
    const members = Array.from({ length: memberCount }, () => ({
      tag: r.fixed(WRAP_TAG_BYTES),
      wrapped: r.fixed(WRAPPED_BYTES),
    }));
    const ovxCount = r.u16();
    if (ovxCount * (ID_BYTES + WRAPPED_BYTES) > r.remaining) return null;
    const ovxs = Array.from({ length: ovxCount }, () => ({ ovx: r.fixed(ID_BYTES), wrapped: r.fixed(WRAPPED_BYTES) }));
    const areAscending = isAscending(members.map(({ tag }) => tag)) && isAscending(ovxs.map(({ ovx }) => ovx));
    return areAscending ? { ephemeral, members, ovxs } : null;
  });
}

/** `HOST:PORT` or `[IPv6]:PORT`, the host an address or a DNS name (RFC 1123 §2.1), the port from 1 to 65535. */
export function isHostPort(text: string): boolean {
  const [, ip6, name = "", port] = /^(?:\[([0-9a-f:.]+)\]|([A-Za-z0-9._-]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  if (text.length > MAX_HOST_PORT_BYTES || !port || Number(port) > 65_535) return false;
  if (ip6) return parseIp(ip6)?.length === 16;
  // A name whose last label is all digits would be taken for an IPv4 address.
  const isName =
    name.split(".").every((label) => /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/.test(label)) && /[^0-9.][^.]*$/.test(name);
  return isName || parseIp(name) !== null;
}

/** What `read` finds, when it is all there is. */
function whole<Content>(bytes: Uint8Array, read: (r: Reader) => Content | null): Content | null {
  const r = new Reader(bytes);
  const content = read(r);
  return r.ok && r.remaining === 0 ? content : null;
}

function writePlace(w: Writer, { ip, name }: Place): void {
  w.u8(ip.length).fixed(ip);
  OPERANDS.name.write(w, name);
}

function readPlace(r: Reader): Place | null {
  const length = r.u8();
  if (length !== 4 && length !== 16) return null;
  const ip = r.fixed(length).slice();
  const name = OPERANDS.name.read(r);
  return name === undefined ? null : { ip, name };
}

function isAscending(items: readonly Uint8Array[]): boolean {
  return items.every((item, i) => i === 0 || compareBytes(items[i - 1]!, item) < 0);
}
