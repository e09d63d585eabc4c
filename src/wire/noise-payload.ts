/**
 * What both peers tell each other inside the two messages of their Noise handshake.
 *   version         uint   1; of any other version nothing more is read
 *   flags           uint
 *   error           uint   PAYLOAD_ERROR
 *   firewall        uint   FIREWALL
 *   holepunch       flag 1   id uint, then a count and so many pairs of relayAddress 6 ‖ peerAddress 6
 *   addresses4      flag 2   a count, then 6 bytes each; left out when there are none
 *   addresses6      flag 4   a count, then 18 bytes each; left out when there are none
 *   udx             flag 8   version uint 1, features uint (bit 0: reusableSocket; bit 6, dnet's own: roams), id uint, seq uint
 *   secretStream    flag 16  version uint 1
 *   relayThrough    flag 32  version uint 1, flags uint 0, publicKey 32, token 32
 *   relayAddresses  flag 64  a count, then 6 bytes each
 * Source: hyperdht 6.34 lib/messages.js `noisePayload`; specification §10.1. The inner versions are written and not looked at,
 * as there; bytes after the last field are ignored.
 */
import type { Address } from "../base/address.ts";
import { PUBLIC_KEY_BYTES } from "../base/public-key.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export const NOISE_PAYLOAD_VERSION = 1;
/** What a peer knows of its own NAT; in hole punch payloads too. */
export const FIREWALL = { unknown: 0, open: 1, consistent: 2, random: 3 } as const;
/** Why a peer refuses; in hole punch payloads too. */
export const PAYLOAD_ERROR = { none: 0, aborted: 1, versionMismatch: 2, tryLater: 3 } as const;

export interface NoisePayload {
  /** Other than NOISE_PAYLOAD_VERSION: all the rest is as if the peer had said nothing. */
  readonly version: number;
  readonly error: number;
  readonly firewall: number;
  readonly holepunch: HolepunchOffer | null;
  /** Where the peer may be reached directly: its public address, and those of its own network. */
  readonly addresses4: readonly Address[];
  /** The same by IPv6, of a dnet; a HyperDHT names none. */
  readonly addresses6: readonly Address[];
  readonly udx: UdxOffer | null;
  readonly secretStream: boolean;
  readonly relayThrough: RelayThrough | null;
  /** Nodes that the server can be reached through later; null when it says nothing of them. */
  readonly relayAddresses: readonly Address[] | null;
}

/** A server's: through which relays to talk of punching, each with the server's own address as that relay sees it. */
export interface HolepunchOffer {
  readonly id: number;
  readonly relays: readonly RelayPair[];
}

export interface RelayPair {
  readonly relayAddress: Address;
  readonly peerAddress: Address;
}

/** Where the sender expects the stream's packets. */
export interface UdxOffer {
  readonly reusableSocket: boolean;
  /** It is a dnet that stays with the connection when either end's address changes; HyperDHT has no such thing, and ignores the bit. */
  readonly roams: boolean;
  /** The sender's receiving stream, a u32. */
  readonly id: number;
  readonly seq: number;
}

/** A blind relay that the sender will pair on, under a token of 32 bytes. */
export interface RelayThrough {
  readonly publicKey: Uint8Array;
  readonly token: Uint8Array;
}

const HAS_HOLEPUNCH = 1;
const HAS_ADDRESSES4 = 2;
const HAS_ADDRESSES6 = 4;
const HAS_UDX = 8;
const HAS_SECRET_STREAM = 16;
const HAS_RELAY_THROUGH = 32;
const HAS_RELAY_ADDRESSES = 64;
const REUSABLE_SOCKET = 1;
const ROAMS = 64;
const INNER_VERSION = 1;

const TOKEN_BYTES = 32;
const MAX_UINT32 = 0xffff_ffff;
/** The reference sends three. */
const MAX_RELAYS = 64;
/** A peer names every address of its interfaces, and a host of containers has many; a datagram holds no more than these. */
const MAX_ADDRESSES = 320;

export function encodeNoisePayload(payload: Omit<NoisePayload, "version">): Uint8Array {
  const { holepunch, addresses4, addresses6, udx, secretStream, relayThrough, relayAddresses } = payload;
  const w = new Writer();
  w.uint(NOISE_PAYLOAD_VERSION);
  w.uint(flagsOf(payload));
  w.uint(payload.error);
  w.uint(payload.firewall);
  if (holepunch) writeHolepunchOffer(w, holepunch);
  if (addresses4.length > 0) w.array(addresses4, (address) => w.address4(address));
  if (addresses6.length > 0) w.array(addresses6, (address) => w.address6(address));
  if (udx) writeUdxOffer(w, udx);
  if (secretStream) w.uint(INNER_VERSION);
  if (relayThrough) writeRelayThrough(w, relayThrough);
  if (relayAddresses) w.array(relayAddresses, (address) => w.address4(address));
  return w.finish();
}

/** Returns null for anything but a whole payload within its bounds. Byte fields are views. */
export function decodeNoisePayload(bytes: Uint8Array): NoisePayload | null {
  const r = new Reader(bytes);
  const version = r.uint();
  if (r.ok && version !== NOISE_PAYLOAD_VERSION) return { version, ...SILENT };
  const flags = r.uint();
  const [error, firewall] = [r.uint(), r.uint()];
  const holepunch = flags & HAS_HOLEPUNCH ? readHolepunchOffer(r) : null;
  const addresses4 = flags & HAS_ADDRESSES4 ? r.array(MAX_ADDRESSES, () => r.address4()) : [];
  const addresses6 = flags & HAS_ADDRESSES6 ? r.array(MAX_ADDRESSES, () => r.address6()) : [];
  const udx = flags & HAS_UDX ? readUdxOffer(r) : null;
  const secretStream = (flags & HAS_SECRET_STREAM) !== 0;
  if (secretStream) r.uint(); // its version
  const relayThrough = flags & HAS_RELAY_THROUGH ? readRelayThrough(r) : null;
  const relayAddresses = flags & HAS_RELAY_ADDRESSES ? r.array(MAX_RELAYS, () => r.address4()) : null;
  if (!r.ok || (udx && udx.id > MAX_UINT32)) return null;
  const offers = { holepunch, addresses4, addresses6, udx, secretStream, relayThrough, relayAddresses };
  return { version, error, firewall, ...offers };
}

const SILENT: Omit<NoisePayload, "version"> = {
  error: PAYLOAD_ERROR.none,
  firewall: FIREWALL.unknown,
  holepunch: null,
  addresses4: [],
  addresses6: [],
  udx: null,
  secretStream: false,
  relayThrough: null,
  relayAddresses: null,
};

function flagsOf(payload: Omit<NoisePayload, "version">): number {
  return (
    (payload.holepunch ? HAS_HOLEPUNCH : 0) |
    (payload.addresses4.length > 0 ? HAS_ADDRESSES4 : 0) |
    (payload.addresses6.length > 0 ? HAS_ADDRESSES6 : 0) |
    (payload.udx ? HAS_UDX : 0) |
    (payload.secretStream ? HAS_SECRET_STREAM : 0) |
    (payload.relayThrough ? HAS_RELAY_THROUGH : 0) |
    (payload.relayAddresses ? HAS_RELAY_ADDRESSES : 0)
  );
}

function writeHolepunchOffer(w: Writer, { id, relays }: HolepunchOffer): void {
  w.uint(id).array(relays, ({ relayAddress, peerAddress }) => w.address4(relayAddress).address4(peerAddress));
}

function readHolepunchOffer(r: Reader): HolepunchOffer {
  const id = r.uint();
  const relays = r.array(MAX_RELAYS, () => ({ relayAddress: r.address4(), peerAddress: r.address4() }));
  return { id, relays };
}

function writeUdxOffer(w: Writer, { reusableSocket, roams, id, seq }: UdxOffer): void {
  w.uint(INNER_VERSION)
    .uint((reusableSocket ? REUSABLE_SOCKET : 0) | (roams ? ROAMS : 0))
    .uint(id)
    .uint(seq);
}

function readUdxOffer(r: Reader): UdxOffer {
  r.uint(); // its version
  const features = r.uint();
  const [reusableSocket, roams] = [(features & REUSABLE_SOCKET) !== 0, (features & ROAMS) !== 0];
  return { reusableSocket, roams, id: r.uint(), seq: r.uint() };
}

function writeRelayThrough(w: Writer, { publicKey, token }: RelayThrough): void {
  w.uint(INNER_VERSION).uint(0).fixed(publicKey).fixed(token);
}

function readRelayThrough(r: Reader): RelayThrough {
  r.uint(); // its version
  r.uint(); // its flags: there are none yet
  return { publicKey: r.fixed(PUBLIC_KEY_BYTES), token: r.fixed(TOKEN_BYTES) };
}
