/** What both ends of a proxy hold to: which datagrams it carries, and what a client signs. */
import { NS_PROXY } from "../../crypto/namespaces.ts";
import { MAX_PROXY_MESSAGE_BYTES } from "../../wire/proxy.ts";
import { REQUEST, RESPONSE } from "../../wire/rpc.ts";
import { isUdxPacket } from "../../wire/udx.ts";

const FRAME_BYTES = 16;

/** A message of the DHT, a packet of a stream or a probe: a proxy is no way to reach anything else. */
export function isCarried(datagram: Uint8Array): boolean {
  if (datagram.length > MAX_PROXY_MESSAGE_BYTES - FRAME_BYTES) return false;
  return datagram.length <= 1 || datagram[0] === REQUEST || datagram[0] === RESPONSE || isUdxPacket(datagram);
}

/** `host`: as the client names the proxy, so that nobody in between can pass the signature on to another. */
export function proxySignable(random: Uint8Array, host: string): Uint8Array {
  return new Uint8Array(Buffer.concat([NS_PROXY, random, new TextEncoder().encode(host)]));
}
