/**
 * PEER_HANDSHAKE value: a Noise message on its way to a server and back, through nodes that know only addresses.
 *   flags         uint     bit 0: peerAddress follows, bit 1: relayAddress follows
 *   mode          uint     MODE: who sends it to whom
 *   noise         bytes    a message of `src/crypto/noise.ts`
 *   peerAddress   6 bytes  when bit 0 is set
 *   relayAddress  6 bytes  when bit 1 is set
 * Source: hyperdht 6.34 lib/messages.js `handshake`; specification §9. Bytes after the last field are ignored, so it may grow.
 */
import type { Address } from "../base/address.ts";
import { Reader } from "./reader.ts";
import { MAX_DATAGRAM_BYTES } from "./rpc.ts";
import { Writer } from "./writer.ts";

/** Of handshakes and hole punch messages alike. Only a reply travels in a response: all others are requests. */
export const MODE = {
  /** Client to relay, or to the server itself. */
  fromClient: 0,
  /** Server to the relay it was asked by. */
  fromServer: 1,
  /** Relay to the server, or to another relay. */
  fromRelay: 2,
  /** That other relay to the server. */
  fromSecondRelay: 3,
  /** Relay, or server, to client. */
  reply: 4,
} as const;

export interface RelayedHandshake {
  /** One of MODE, or a number that nobody knows. */
  readonly mode: number;
  readonly noise: Uint8Array;
  /** The client; in a reply the server, as the relay saw it, or null when the server itself replies. */
  readonly peerAddress: Address | null;
  /** The first relay, from the second to the server. */
  readonly relayAddress: Address | null;
}

const HAS_PEER_ADDRESS = 1;
const HAS_RELAY_ADDRESS = 2;
const MAX_NOISE_BYTES = MAX_DATAGRAM_BYTES;

export function encodeRelayedHandshake({ mode, noise, peerAddress, relayAddress }: RelayedHandshake): Uint8Array {
  const w = new Writer();
  w.uint((peerAddress ? HAS_PEER_ADDRESS : 0) | (relayAddress ? HAS_RELAY_ADDRESS : 0));
  w.uint(mode);
  w.bytes(noise);
  if (peerAddress) w.address4(peerAddress);
  if (relayAddress) w.address4(relayAddress);
  return w.finish();
}

/** Returns null for anything but a whole message within its bounds. `noise` is a view. */
export function decodeRelayedHandshake(bytes: Uint8Array): RelayedHandshake | null {
  const r = new Reader(bytes);
  const flags = r.uint();
  const [mode, noise] = [r.uint(), r.bytes(MAX_NOISE_BYTES)];
  const peerAddress = flags & HAS_PEER_ADDRESS ? r.address4() : null;
  const relayAddress = flags & HAS_RELAY_ADDRESS ? r.address4() : null;
  return r.ok ? { mode, noise, peerAddress, relayAddress } : null;
}
