/**
 * How a private dnet's bodies are kept from who is no member, and how its keys reach those who are.
 *
 * A sealed part is nonce 12 ‖ AES-256-GCM (NIST SP 800-38D) of it, tag included, under the epoch's key for that part, with what
 * it is of as associated data: a domain ‖ dnet 32 ‖ op u8 ‖ epoch u32 ‖ part u8. An empty part stays empty.
 * Nonces are drawn at random: an epoch's bodies are far fewer than the 2^32 that this is good for (SP 800-38D §8.3).
 *
 * A key is wrapped by an X25519 agreement (RFC 7748) between a key pair made for that body alone and the reader's Ed25519 key,
 * mapped to Curve25519; HKDF-SHA-256 of it, with the dnet's id as salt and a domain ‖ epoch u32 ‖ both public keys ‖ for a cloud
 * or relay its id as info, gives a tag of 16 bytes, by which the reader finds its own, and the key that wraps: AES-256-GCM with a
 * nonce of zeros, as that key is used once. Without that id it would not be: a cloud may name any member's key as its own.
 */
import { compareBytes, sameBytes } from "../../base/bytes.ts";
import type { Random } from "../../base/random.ts";
import { aes256Gcm } from "../../crypto/aead.ts";
import type { KeyPair } from "../../crypto/ed25519.ts";
import { dhPoint, dhScalar } from "../../crypto/ed25519-dh.ts";
import { hkdfSha256, hmacSha256 } from "../../crypto/hmac-sha256.ts";
import { X25519Key } from "../../crypto/x25519.ts";
import { Writer } from "../../wire/writer.ts";
import { type Body, EMPTY, encodeBody, type KeyForOne, WRAP_TAG_BYTES, type Wraps } from "./contents.ts";
import { deriveKey, NETWORK_KEY_BYTES, type NetworkKey } from "./network-key.ts";
import { TAG_BYTES } from "./operands.ts";
import { OPS, type OpName } from "./script.ts";

const PART_DOMAIN = new TextEncoder().encode("dnetdb part 1\0");
const WRAP_DOMAIN = new TextEncoder().encode("dnetdb wrap 1\0");
const SLOT = new TextEncoder().encode("slot");
const MEMBER = new TextEncoder().encode("member");
const NO_NONCE = new Uint8Array(aes256Gcm.nonceBytes);
const PARTS = { admission: 1, members: 2 } as const;
type Part = keyof typeof PARTS;

/** What the parts of one epoch are sealed with. */
export interface EpochKeys {
  readonly admission: Uint8Array;
  /** Null for who has the admission key alone. */
  readonly body: Uint8Array | null;
}

/** By epochs. */
export type EpochRing = ReadonlyMap<number, EpochKeys>;

export function epochKeys(dnet: Uint8Array, { key }: NetworkKey): EpochKeys {
  return { admission: deriveKey(dnet, key, "admission"), body: deriveKey(dnet, key, "body") };
}

/** A body of that dnet and op: sealed when there is a network key, otherwise in clear. */
export function sealBody(
  random: Random,
  dnet: Uint8Array,
  op: OpName,
  networkKey: NetworkKey | null,
  parts: { readonly open?: Uint8Array; readonly admission?: Uint8Array; readonly members?: Uint8Array },
): Uint8Array {
  const { open = EMPTY, admission = EMPTY, members = EMPTY } = parts;
  if (!networkKey) return encodeBody({ epoch: null, open, admission, members });
  const { epoch } = networkKey;
  const keys = epochKeys(dnet, networkKey);
  const seal = (part: Part, plaintext: Uint8Array): Uint8Array => {
    if (plaintext.length === 0) return EMPTY;
    const nonce = random.bytes(aes256Gcm.nonceBytes);
    const sealed = aes256Gcm.seal(
      keys[part === "members" ? "body" : part]!,
      nonce,
      plaintext,
      associated(dnet, op, epoch, part),
    );
    return new Writer().fixed(nonce).fixed(sealed).finish();
  };
  return encodeBody({ epoch, open, admission: seal("admission", admission), members: seal("members", members) });
}

/** What the part says; null when it is sealed and none of the keys opens it. */
export function openPart(body: Body, part: Part, dnet: Uint8Array, op: OpName, ring: EpochRing): Uint8Array | null {
  const bytes = body[part];
  if (body.epoch === null || bytes.length === 0) return bytes;
  const keys = ring.get(body.epoch);
  const key = part === "members" ? keys?.body : keys?.admission;
  if (!key || bytes.length < aes256Gcm.nonceBytes) return null;
  const [nonce, sealed] = [bytes.subarray(0, aes256Gcm.nonceBytes), bytes.subarray(aes256Gcm.nonceBytes)];
  return aes256Gcm.open(key, nonce, sealed, associated(dnet, op, body.epoch, part));
}

/** For one reader; null when its key is no point to agree with. */
export function wrapForOne(random: Random, at: WrapPlace, reader: Uint8Array, key: Uint8Array): KeyForOne | null {
  const ephemeral = new X25519Key(random.bytes(NETWORK_KEY_BYTES));
  const wrap = wrapFor(ephemeral, at, reader, key);
  return wrap && { ephemeral: ephemeral.publicKey, wrapped: wrap.wrapped };
}

export function unwrapForOne({ ephemeral, wrapped }: KeyForOne, at: WrapPlace, reader: KeyPair): Uint8Array | null {
  const secret = wrapSecret(ephemeral, at, reader);
  return secret && aes256Gcm.open(secret.key, NO_NONCE, wrapped, EMPTY);
}

/** Readers whose keys are no points to agree with, and those named twice, are left out. 110 µs a reader: 1.1 s for 10,000. */
export function wrapForAll(
  random: Random,
  at: WrapPlace,
  networkKey: Uint8Array,
  readers: readonly Uint8Array[],
  ovxs: readonly { readonly ovx: Uint8Array; readonly key: Uint8Array }[],
): Wraps {
  const ephemeral = new X25519Key(random.bytes(NETWORK_KEY_BYTES));
  const admission = deriveKey(at.dnet, networkKey, "admission");
  const distinct = new Map(readers.map((reader) => [reader.toHex(), reader]));
  const members = [...distinct.values()].flatMap((reader) => wrapFor(ephemeral, at, reader, networkKey) ?? []);
  const clouds = ovxs.flatMap(({ ovx, key }) => {
    const wrap = wrapFor(ephemeral, { ...at, ovx }, key, admission);
    return wrap ? [{ ovx, wrapped: wrap.wrapped }] : [];
  });
  return {
    ephemeral: ephemeral.publicKey,
    members: members.sort((a, b) => compareBytes(a.tag, b.tag)),
    ovxs: clouds.sort((a, b) => compareBytes(a.ovx, b.ovx)),
  };
}

/** The network key; null when it is not wrapped for this reader. */
export function unwrapMember({ ephemeral, members }: Wraps, at: WrapPlace, reader: KeyPair): Uint8Array | null {
  const secret = wrapSecret(ephemeral, at, reader);
  const wrap = secret && members.find(({ tag }) => sameBytes(tag, secret.tag));
  return wrap ? aes256Gcm.open(secret.key, NO_NONCE, wrap.wrapped, EMPTY) : null;
}

/** The admission key; null when it is not wrapped for this cloud or relay. */
export function unwrapOvx(
  { ephemeral, ovxs }: Wraps,
  at: WrapPlace,
  ovx: Uint8Array,
  reader: KeyPair,
): Uint8Array | null {
  const wrap = ovxs.find((each) => sameBytes(each.ovx, ovx));
  return wrap ? unwrapForOne({ ephemeral, wrapped: wrap.wrapped }, { ...at, ovx }, reader) : null;
}

/** What stands in private dnets for an address, or for a key. */
export interface Tag {
  readonly kind: "tag";
  /** 16 bytes. */
  readonly tag: Uint8Array;
}

/** What stands for an address in a private dnet's scripts. */
export function slotTag(slotKey: Uint8Array, ip: Uint8Array): Tag {
  return { kind: "tag", tag: hmacSha256(slotKey, SLOT, ip).subarray(0, TAG_BYTES) };
}

/** What stands for a member's key. */
export function memberTag(slotKey: Uint8Array, publicKey: Uint8Array): Tag {
  return { kind: "tag", tag: hmacSha256(slotKey, MEMBER, publicKey).subarray(0, TAG_BYTES) };
}

/** What a wrap is of. */
export interface WrapPlace {
  readonly dnet: Uint8Array;
  readonly epoch: number;
  /** The cloud or relay that it is for, if it is for one. */
  readonly ovx?: Uint8Array;
}

interface WrapSecret {
  readonly tag: Uint8Array;
  readonly key: Uint8Array;
}

function wrapFor(ephemeral: X25519Key, at: WrapPlace, reader: Uint8Array, key: Uint8Array) {
  const point = dhPoint(reader);
  const shared = point && ephemeral.agree(point.u);
  if (!shared) return null;
  const secret = secretOf(shared, at, ephemeral.publicKey, reader);
  return { tag: secret.tag, wrapped: aes256Gcm.seal(secret.key, NO_NONCE, key, EMPTY) };
}

function wrapSecret(ephemeral: Uint8Array, at: WrapPlace, { publicKey, secretKey }: KeyPair): WrapSecret | null {
  const shared = new X25519Key(dhScalar(secretKey)).agree(ephemeral);
  return shared && secretOf(shared, at, ephemeral, publicKey);
}

function secretOf(
  shared: Uint8Array,
  { dnet, epoch, ovx = EMPTY }: WrapPlace,
  ephemeral: Uint8Array,
  reader: Uint8Array,
): WrapSecret {
  const info = new Writer().fixed(WRAP_DOMAIN).u32(epoch).fixed(ephemeral).fixed(reader).fixed(ovx).finish();
  const bytes = hkdfSha256(shared, dnet, info, WRAP_TAG_BYTES + NETWORK_KEY_BYTES);
  return { tag: bytes.subarray(0, WRAP_TAG_BYTES), key: bytes.subarray(WRAP_TAG_BYTES) };
}

function associated(dnet: Uint8Array, op: OpName, epoch: number, part: Part): Uint8Array {
  return new Writer().fixed(PART_DOMAIN).fixed(dnet).u8(OPS[op].code).u32(epoch).u8(PARTS[part]).finish();
}
