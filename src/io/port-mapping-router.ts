/** The router in front of this machine, as the kernel knows it; and what that router announces. */
import { createSocket } from "node:dgram";
import { RouteSocket } from "../../ffi/netlink.ts";
import type { Address } from "../base/address.ts";
import { isPrivateAddress } from "../base/address-classes.ts";
import { formatIp } from "../base/ip.ts";
import { PCP_CLIENT_PORT } from "../wire/pcp.ts";

export interface DefaultRouter {
  readonly gateway: string;
  /** Ours, on the network that it is on. */
  readonly localHost: string;
}

/** PCP's anycast address: a packet there goes the way of all that leave our own network. Source: RFC 7723. */
const OUTSIDE = Uint8Array.of(192, 0, 0, 9);
const ALL_SYSTEMS = "224.0.0.1";

/**
 * The router that datagrams of a socket bound to `host` leave by; null when there is none, or it need not be asked: who has a public
 * address is behind no NAT.
 */
export function findRouter(host: string): DefaultRouter | null {
  const route = routeOutside();
  if (!route?.gateway || !route.prefSrc) return null;
  const [gateway, localHost] = [formatIp(route.gateway), formatIp(route.prefSrc)];
  const isOurs = host === "0.0.0.0" || host === localHost;
  return isOurs && isPrivateAddress(localHost) && !localHost.startsWith("127.") ? { gateway, localHost } : null;
}

/** Hears what routers announce on the network of `localHost`, until what it returns is called. Another program may have the port: then not. */
export function hearAnnouncements(
  localHost: string,
  onDatagram: (from: Address, datagram: Uint8Array) => void,
): () => void {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  socket.on("error", () => {});
  socket.on("message", (datagram, { address: host, port }) => onDatagram({ host, port }, datagram));
  socket.bind(PCP_CLIENT_PORT, ALL_SYSTEMS, () => socket.addMembership(ALL_SYSTEMS, localHost));
  return () => socket.close();
}

function routeOutside() {
  try {
    const netlink = new RouteSocket();
    try {
      return netlink.routeTo(OUTSIDE);
    } finally {
      netlink.close();
    }
  } catch {
    return null; // no way out, or a kernel that does not tell
  }
}
