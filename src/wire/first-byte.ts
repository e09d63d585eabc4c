/**
 * One UDP port carries several protocols; the first byte tells which. Source: the tunnel's messages (`tunnel.ts`, and
 * `src/io/datapath/frames.ts`), the DHT's (`rpc.ts`), libudx's magic byte, HyperDHT's punch probes.
 *   0x01, 0x02, 0x04   WireGuard: handshakes, data         0x80–0x8f   the tunnel between two dnets
 *   0x03               WireGuard's cookie reply, which has 64 bytes and three zeros behind the first; else a request of the DHT
 *   0x13               a response of the DHT               0xff        a UDX packet
 *   0x00               a punch probe
 */
import { REQUEST, RESPONSE } from "./rpc.ts";
import { COOKIE_REPLY_BYTES } from "./tunnel.ts";

export type Protocol = "tunnel" | "dht" | "udx" | "probe";

const LAST_WIREGUARD = 4;
const FIRST_DNET = 0x80;
const LAST_DNET = 0x8f;
const UDX = 0xff;
const PROBE = 0x00;

/** Null for a datagram of no protocol that we know, and for none at all. */
export function protocolOf(datagram: Uint8Array): Protocol | null {
  const [first = -1, second, third, fourth] = datagram;
  if (first === PROBE) return "probe";
  if (first === UDX) return "udx";
  if (first === RESPONSE) return "dht";
  if (first === REQUEST) {
    const isCookieReply = datagram.length === COOKIE_REPLY_BYTES && second === 0 && third === 0 && fourth === 0;
    return isCookieReply ? "tunnel" : "dht";
  }
  return (first > 0 && first <= LAST_WIREGUARD) || (first >= FIRST_DNET && first <= LAST_DNET) ? "tunnel" : null;
}
