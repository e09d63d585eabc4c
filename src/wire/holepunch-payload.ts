/**
 * What two peers tell each other in one round of hole punching, sealed before it travels.
 *   flags          uint     bit 0: connected, bit 1: punching, the others as below
 *   error          uint     PAYLOAD_ERROR of `noise-payload.ts`
 *   firewall       uint     FIREWALL, as well
 *   round          uint     at most 252: the reference has one byte for it
 *   addresses      flag 4   a count, then 6 bytes each
 *   remoteAddress  flag 8   6 bytes
 *   token          flag 16  32 bytes
 *   remoteToken    flag 32  32 bytes
 * Source: hyperdht 6.34 lib/messages.js `holepunchPayload`; specification §13.6. Bytes after the last field are ignored.
 */
import type { Address } from "../base/address.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export interface HolepunchPayload {
  readonly error: number;
  readonly firewall: number;
  readonly round: number;
  readonly connected: boolean;
  readonly punching: boolean;
  /** Where the sender's probes will come from; port 0 stands for any. null when it does not know yet. */
  readonly addresses: readonly Address[] | null;
  /** Where the client has sent a probe already, so that one from there comes through at once. Servers say null. */
  readonly remoteAddress: Address | null;
  /** Only the sender can check it: for the receiver to give back. */
  readonly token: Uint8Array | null;
  /** The receiver's own token, given back: proof that its last message arrived. */
  readonly remoteToken: Uint8Array | null;
}

const CONNECTED = 1;
const PUNCHING = 2;
const HAS_ADDRESSES = 4;
const HAS_REMOTE_ADDRESS = 8;
const HAS_TOKEN = 16;
const HAS_REMOTE_TOKEN = 32;

const TOKEN_BYTES = 32;
/** The reference sends four, one for each sample of its NAT. */
const MAX_ADDRESSES = 64;

export function encodeHolepunchPayload(payload: HolepunchPayload): Uint8Array {
  const { addresses, remoteAddress, token, remoteToken } = payload;
  const w = new Writer();
  w.uint(flagsOf(payload));
  w.uint(payload.error);
  w.uint(payload.firewall);
  w.uint(payload.round);
  if (addresses) w.array(addresses, (address) => w.address4(address));
  if (remoteAddress) w.address4(remoteAddress);
  if (token) w.fixed(token);
  if (remoteToken) w.fixed(remoteToken);
  return w.finish();
}

/** Returns null for anything but a whole payload within its bounds. Byte fields are views. */
export function decodeHolepunchPayload(bytes: Uint8Array): HolepunchPayload | null {
  const r = new Reader(bytes);
  const flags = r.uint();
  const [error, firewall, round] = [r.uint(), r.uint(), r.uint()];
  const [connected, punching] = [(flags & CONNECTED) !== 0, (flags & PUNCHING) !== 0];
  const addresses = flags & HAS_ADDRESSES ? r.array(MAX_ADDRESSES, () => r.address4()) : null;
  const remoteAddress = flags & HAS_REMOTE_ADDRESS ? r.address4() : null;
  const token = flags & HAS_TOKEN ? r.fixed(TOKEN_BYTES) : null;
  const remoteToken = flags & HAS_REMOTE_TOKEN ? r.fixed(TOKEN_BYTES) : null;
  if (!r.ok) return null;
  return { error, firewall, round, connected, punching, addresses, remoteAddress, token, remoteToken };
}

function flagsOf(payload: HolepunchPayload): number {
  return (
    (payload.connected ? CONNECTED : 0) |
    (payload.punching ? PUNCHING : 0) |
    (payload.addresses ? HAS_ADDRESSES : 0) |
    (payload.remoteAddress ? HAS_REMOTE_ADDRESS : 0) |
    (payload.token ? HAS_TOKEN : 0) |
    (payload.remoteToken ? HAS_REMOTE_TOKEN : 0)
  );
}
