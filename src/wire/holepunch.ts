/**
 * PEER_HOLEPUNCH value: two peers agree on a punching round, through relays that cannot read `payload`.
 *   flags        uint     bit 0: peerAddress follows
 *   mode         uint     MODE of `handshake.ts`
 *   id           uint     the server's slot for this handshake; 0 on the way back
 *   payload      bytes    nonce 24 ‖ sealed HolepunchPayload
 *   peerAddress  6 bytes  when bit 0 is set
 * Source: hyperdht 6.34 lib/messages.js `holepunch`; specification §9. Bytes after the last field are ignored, so it may grow.
 */
import type { Address } from "../base/address.ts";
import { Reader } from "./reader.ts";
import { MAX_DATAGRAM_BYTES } from "./rpc.ts";
import { Writer } from "./writer.ts";

export interface RelayedHolepunch {
  readonly mode: number;
  readonly id: number;
  readonly payload: Uint8Array;
  /** From the client and in a reply: the server, as the relay sees it. Between relay and server: the client. */
  readonly peerAddress: Address | null;
}

const HAS_PEER_ADDRESS = 1;
const MAX_PAYLOAD_BYTES = MAX_DATAGRAM_BYTES;

export function encodeRelayedHolepunch({ mode, id, payload, peerAddress }: RelayedHolepunch): Uint8Array {
  const w = new Writer();
  w.uint(peerAddress ? HAS_PEER_ADDRESS : 0);
  w.uint(mode);
  w.uint(id);
  w.bytes(payload);
  if (peerAddress) w.address4(peerAddress);
  return w.finish();
}

/** Returns null for anything but a whole message within its bounds. `payload` is a view. */
export function decodeRelayedHolepunch(bytes: Uint8Array): RelayedHolepunch | null {
  const r = new Reader(bytes);
  const flags = r.uint();
  const [mode, id, payload] = [r.uint(), r.uint(), r.bytes(MAX_PAYLOAD_BYTES)];
  const peerAddress = flags & HAS_PEER_ADDRESS ? r.address4() : null;
  return r.ok ? { mode, id, payload, peerAddress } : null;
}
