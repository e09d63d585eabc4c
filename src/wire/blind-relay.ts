/**
 * The messages of the Protomux protocol `blind-relay`: two peers ask a third to join their streams under one token.
 *   pair, type 0    flags u8 (bit 0: isInitiator), token 32, id uint, seq uint
 *   unpair, type 1  flags u8, token 32
 * Source: blind-relay 1.6 index.js; specification §15. Bytes after the last field are ignored.
 */
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

export const BLIND_RELAY_PROTOCOL = "blind-relay";
/** The types of the channel's messages. */
export const BLIND_RELAY = { pair: 0, unpair: 1 } as const;

const IS_INITIATOR = 1;
const TOKEN_BYTES = 32;
const MAX_UINT32 = 0xffff_ffff;

export interface Pair {
  /** Which of the two ends of the pair the peer is. */
  readonly isInitiator: boolean;
  readonly token: Uint8Array;
  /** A UDX stream, u32: to the relay the peer's own, from the relay the one that leads to the other peer. */
  readonly id: number;
  readonly seq: number;
}

export function encodePair({ isInitiator, token, id, seq }: Pair): Uint8Array {
  return new Writer()
    .u8(isInitiator ? IS_INITIATOR : 0)
    .fixed(token)
    .uint(id)
    .uint(seq)
    .finish();
}

/** Returns null for anything but a whole message within its bounds. `token` is a view. */
export function decodePair(bytes: Uint8Array): Pair | null {
  const r = new Reader(bytes);
  const isInitiator = (r.u8() & IS_INITIATOR) !== 0;
  const token = r.fixed(TOKEN_BYTES);
  const [id, seq] = [r.uint(), r.uint()];
  return r.ok && id <= MAX_UINT32 ? { isInitiator, token, id, seq } : null;
}

export interface Unpair {
  readonly token: Uint8Array;
}

export function encodeUnpair({ token }: Unpair): Uint8Array {
  return new Writer().u8(0).fixed(token).finish();
}

/** Returns null for anything but a whole message. `token` is a view. */
export function decodeUnpair(bytes: Uint8Array): Unpair | null {
  const r = new Reader(bytes);
  r.u8(); // its flags: there are none yet
  const token = r.fixed(TOKEN_BYTES);
  return r.ok ? { token } : null;
}
