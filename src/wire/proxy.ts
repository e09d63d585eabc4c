/**
 * UDP for those who have none: a client has sockets opened on another machine, and its datagrams carried there and back, each in a
 * binary message of a WebSocket. What is in them is sealed for others, and none of the proxy's business (OM-40).
 *   challenge  0  random 32                                     first, from the proxy
 *   hello      1  version u8 = 1 ‖ public key 32 ‖ signature 64  the client's only answer: of NS_PROXY ‖ random ‖ the Host it asked for
 *   open       2  socket u16                                    from the client
 *   opened     3  socket u16 ‖ port u16                          from the proxy, whose UDP port that is; 0: it could not be opened
 *   close      4  socket u16                                    from the client
 *   datagram   5  socket u16 ‖ address 6 ‖ hops u8 ‖ bytes       either way; hops 0 for as many as it takes
 * Numbers are little-endian. Source: this file.
 */
import type { Address } from "../base/address.ts";
import { PUBLIC_KEY_BYTES } from "../base/public-key.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const VERSION = 1;
const CHALLENGE = 0;
const HELLO = 1;
const OPEN = 2;
const OPENED = 3;
const CLOSE = 4;
const DATAGRAM = 5;

export const CHALLENGE_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** More than any datagram of the DHT or of a stream, and its frame. */
export const MAX_PROXY_MESSAGE_BYTES = 2_048;

export type ProxyMessage =
  | { readonly type: "challenge"; readonly random: Uint8Array }
  | { readonly type: "hello"; readonly publicKey: Uint8Array; readonly signature: Uint8Array }
  | { readonly type: "open" | "close"; readonly socket: number }
  | { readonly type: "opened"; readonly socket: number; readonly port: number }
  | {
      readonly type: "datagram";
      readonly socket: number;
      readonly address: Address;
      readonly hops: number;
      readonly bytes: Uint8Array;
    };

export function encodeProxyMessage(message: ProxyMessage): Uint8Array {
  const w = new Writer();
  switch (message.type) {
    case "challenge":
      return w.u8(CHALLENGE).fixed(message.random).finish();
    case "hello":
      return w.u8(HELLO).u8(VERSION).fixed(message.publicKey).fixed(message.signature).finish();
    case "open":
    case "close":
      return w
        .u8(message.type === "open" ? OPEN : CLOSE)
        .u16(message.socket)
        .finish();
    case "opened":
      return w.u8(OPENED).u16(message.socket).u16(message.port).finish();
    case "datagram": {
      const { socket, address, hops, bytes } = message;
      return w.u8(DATAGRAM).u16(socket).address4(address).u8(hops).fixed(bytes).finish();
    }
  }
}

/** Returns null for anything but one whole message. `bytes` is a view. */
export function decodeProxyMessage(bytes: Uint8Array): ProxyMessage | null {
  const r = new Reader(bytes);
  const message = read(r);
  return r.ok && r.remaining === 0 ? message : null;
}

function read(r: Reader): ProxyMessage | null {
  switch (r.u8()) {
    case CHALLENGE:
      return { type: "challenge", random: r.fixed(CHALLENGE_BYTES) };
    case HELLO: {
      const isKnown = r.u8() === VERSION;
      const hello = { publicKey: r.fixed(PUBLIC_KEY_BYTES), signature: r.fixed(SIGNATURE_BYTES) };
      return isKnown ? { type: "hello", ...hello } : null;
    }
    case OPEN:
      return { type: "open", socket: r.u16() };
    case OPENED:
      return { type: "opened", socket: r.u16(), port: r.u16() };
    case CLOSE:
      return { type: "close", socket: r.u16() };
    case DATAGRAM:
      return { type: "datagram", socket: r.u16(), address: r.address4(), hops: r.u8(), bytes: r.rest() };
    default:
      return null;
  }
}
