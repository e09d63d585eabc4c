/**
 * The operands of scripts, each kind in binary and in text.
 *   id      32 bytes                                       base58
 *   name    length u8 ‖ UTF-8; 0 for one that is sealed    the name; `-`
 *   slot    4 ‖ IPv4 | 6 ‖ IPv6 | 0 ‖ tag 16               the address; `tag:` and hex
 *   member  1 ‖ public key 32 | 0 ‖ tag 16                 z-base-32; `tag:` and hex
 *   key     32 bytes                                       z-base-32
 *   epoch   u32                                            decimal
 *   moment  u64 ms since 1970; 0 for never                 decimal; `never`
 *   quota   u64 bytes; 0 for none                          decimal; `unlimited`
 * Tags stand in private dnets, where who is not a member learns neither addresses nor keys. Numbers are little-endian.
 */
import { formatIp, parseIp } from "../../base/ip.ts";
import { formatPublicKey, PUBLIC_KEY_BYTES, parsePublicKey } from "../../base/public-key.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { formatId, ID_BYTES, parseId } from "./ids.ts";

export const TAG_BYTES = 16;
const MAX_NAME_BYTES = 63;
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u;
const SEALED = "-";
const TAG = "tag:";
const IP4 = 4;
const IP6 = 6;
const KEY = 1;
const HIDDEN = 0;

/** A member's address in a public dnet; in a private one the same address always has the same tag, which tells nothing else. */
export type Slot =
  | { readonly kind: "address"; readonly ip: Uint8Array }
  | { readonly kind: "tag"; readonly tag: Uint8Array };

export type MemberReference =
  | { readonly kind: "key"; readonly publicKey: Uint8Array }
  | { readonly kind: "tag"; readonly tag: Uint8Array };

interface Operand<Value> {
  readonly write: (w: Writer, value: Value) => void;
  /** Undefined for what is none. */
  readonly read: (r: Reader) => Value | undefined;
  readonly format: (value: Value) => string;
  readonly parse: (text: string) => Value | undefined;
}

const id: Operand<Uint8Array> = {
  write: (w, value) => w.fixed(value),
  read: (r) => r.fixed(ID_BYTES).slice(),
  format: formatId,
  parse: (text) => parseId(text) ?? undefined,
};

/** Null: it is sealed in the body. */
const name: Operand<string | null> = {
  write(w, value) {
    const bytes = new TextEncoder().encode(value ?? "");
    w.u8(bytes.length).fixed(bytes);
  },
  read(r) {
    const bytes = r.fixed(r.u8());
    if (bytes.length === 0) return null;
    const text = new TextDecoder().decode(bytes);
    return isName(text) && new TextEncoder().encode(text).length === bytes.length ? text : undefined;
  },
  format: (value) => value ?? SEALED,
  parse: (text) => (text === SEALED ? null : isName(text) ? text : undefined),
};

const slot: Operand<Slot> = {
  write(w, value) {
    if (value.kind === "tag") w.u8(HIDDEN).fixed(value.tag);
    else w.u8(value.ip.length === 4 ? IP4 : IP6).fixed(value.ip);
  },
  read(r) {
    const kind = r.u8();
    if (kind === HIDDEN) return { kind: "tag", tag: r.fixed(TAG_BYTES).slice() };
    if (kind !== IP4 && kind !== IP6) return undefined;
    const ip = r.fixed(kind === IP4 ? 4 : 16).slice();
    return isMapped(ip) ? undefined : { kind: "address", ip };
  },
  format: (value) => (value.kind === "tag" ? formatTag(value.tag) : formatIp(value.ip)),
  parse(text) {
    const tag = parseTag(text);
    if (tag) return { kind: "tag", tag };
    const ip = parseIp(text);
    return ip && formatIp(ip) === text && !isMapped(ip) ? { kind: "address", ip } : undefined;
  },
};

const member: Operand<MemberReference> = {
  write(w, value) {
    if (value.kind === "tag") w.u8(HIDDEN).fixed(value.tag);
    else w.u8(KEY).fixed(value.publicKey);
  },
  read(r) {
    const kind = r.u8();
    if (kind === HIDDEN) return { kind: "tag", tag: r.fixed(TAG_BYTES).slice() };
    return kind === KEY ? { kind: "key", publicKey: r.fixed(PUBLIC_KEY_BYTES).slice() } : undefined;
  },
  format: (value) => (value.kind === "tag" ? formatTag(value.tag) : formatPublicKey(value.publicKey)),
  parse(text) {
    const tag = parseTag(text);
    if (tag) return { kind: "tag", tag };
    const publicKey = parseKey(text);
    return publicKey && { kind: "key", publicKey };
  },
};

const key: Operand<Uint8Array> = {
  write: (w, value) => w.fixed(value),
  read: (r) => r.fixed(PUBLIC_KEY_BYTES).slice(),
  format: formatPublicKey,
  parse: parseKey,
};

const epoch: Operand<number> = {
  write: (w, value) => w.u32(value),
  read: (r) => r.u32(),
  format: String,
  parse: (text) => parseDecimal(text, 0xffff_ffff),
};

/** Null: there is no end to it. */
function limit(word: string): Operand<number | null> {
  return {
    write: (w, value) => writeU64(w, value ?? 0),
    read(r) {
      const value = readU64(r);
      return value === 0 ? null : value;
    },
    format: (value) => (value === null ? word : String(value)),
    parse: (text) => (text === word ? null : parseDecimal(text, Number.MAX_SAFE_INTEGER) || undefined),
  };
}

export const OPERANDS = { id, name, slot, member, key, epoch, moment: limit("never"), quota: limit("unlimited") };
export type OperandKind = keyof typeof OPERANDS;
export type OperandValue<Kind extends OperandKind> =
  (typeof OPERANDS)[Kind] extends Operand<infer Value> ? Value : never;

/** A letter or digit, then also `.`, `_` and `-`: in any alphabet, in Unicode's composed form, at most 63 bytes. */
export function isName(text: string): boolean {
  return NAME.test(text) && text.normalize("NFC") === text && new TextEncoder().encode(text).length <= MAX_NAME_BYTES;
}

/** Up to 2^53 - 1. */
export function writeU64(w: Writer, value: number): void {
  w.u32(value % 2 ** 32).u32(Math.floor(value / 2 ** 32));
}

/** Undefined beyond 2^53 - 1. */
export function readU64(r: Reader): number | undefined {
  const low = r.u32();
  const value = r.u32() * 2 ** 32 + low;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** An IPv4 address in the form of IPv6 (RFC 4291 §2.5.5.2) would be a second form of the same address. */
function isMapped(ip: Uint8Array): boolean {
  return ip.length === 16 && ip.every((byte, i) => i >= 12 || byte === (i < 10 ? 0 : 0xff));
}

function parseKey(text: string): Uint8Array | undefined {
  const publicKey = parsePublicKey(text);
  return publicKey && formatPublicKey(publicKey) === text ? publicKey : undefined;
}

function formatTag(tag: Uint8Array): string {
  return `${TAG}${tag.toHex()}`;
}

function parseTag(text: string): Uint8Array | null {
  return new RegExp(`^${TAG}[0-9a-f]{${2 * TAG_BYTES}}$`).test(text)
    ? Uint8Array.fromHex(text.slice(TAG.length))
    : null;
}

function parseDecimal(text: string, most: number): number | undefined {
  const value = /^(0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  return value <= most ? value : undefined;
}

/** In binary, as scripts have it. */
export function operandBytes(kind: "slot" | "member", value: Slot | MemberReference): Uint8Array {
  const w = new Writer();
  OPERANDS[kind].write(w, value as never);
  return w.finish();
}

/** Of bytes that `operandBytes` made. */
export function operandOf<Kind extends "slot" | "member">(kind: Kind, bytes: Uint8Array): OperandValue<Kind> {
  return OPERANDS[kind].read(new Reader(bytes)) as OperandValue<Kind>;
}
