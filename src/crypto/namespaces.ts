/**
 * What is put before a signature's or a hash's input, so that nothing made for one purpose passes for another. 32 bytes each.
 * The index is the command's number in `hyperswarm/dht`, and a running one in `hyperswarm/secret-stream`.
 * Source: hypercore-crypto 3.7 index.js `namespace`; hyperdht 6.34 lib/constants.js; specification §2.
 */
import { blake2b256 } from "./blake2b.ts";

export const NS_PEER_HANDSHAKE = namespace("hyperswarm/dht", 0);
export const NS_PEER_HOLEPUNCH = namespace("hyperswarm/dht", 1);
export const NS_ANNOUNCE = namespace("hyperswarm/dht", 4);
export const NS_UNANNOUNCE = namespace("hyperswarm/dht", 5);
export const NS_MUTABLE_PUT = namespace("hyperswarm/dht", 6);
export const NS_PLUGIN = namespace("hyperswarm/dht", 10);

export const NS_INITIATOR = namespace("hyperswarm/secret-stream", 0);
export const NS_RESPONDER = namespace("hyperswarm/secret-stream", 1);
export const NS_SEND = namespace("hyperswarm/secret-stream", 2);

/** Of dnet alone: messages about the way that a connection takes. */
export const NS_PATH = namespace("dnet/path", 0);
/** Of dnet alone: what a client signs for a proxy. */
export const NS_PROXY = namespace("dnet/proxy", 0);

/** The hash of the name's hash and `index`, one byte. */
export function namespace(name: string, index: number): Uint8Array {
  return blake2b256(blake2b256(new TextEncoder().encode(name)), Uint8Array.of(index));
}
