/** The network below the tunnel: how wide the way to a peer is, and which interface leads there when the tunnel's own routes do not count. */
import { IFF_UP, type Route, RouteSocket, RouteWatcher, RT_TABLE_MAIN, RTN_UNICAST } from "../../ffi/netlink.ts";
import type { UdpSocket } from "../../ffi/udp-linux.ts";
import { network, parseIp } from "../base/ip.ts";

export class Underlay {
  readonly #netlink = new RouteSocket();
  readonly #watcher = new RouteWatcher();

  /** The largest IP packet that the way to `host` takes, as far as this machine knows; null when there is no way. */
  mtuTo(host: string): number | null {
    const route = this.#routeTo(host);
    return route && (route.mtu ?? this.#netlink.linkByIndex(route.ifindex)?.mtu ?? null);
  }

  /** Whether links, addresses or routes have changed since the last call. */
  hasChanged(): boolean {
    return this.#watcher.drain().length > 0;
  }

  /**
   * Keeps sealed packets from entering the tunnel that made them: where a route of the tunnel's own covers a peer's address, the socket
   * leaves by the interface that would lead there without it. This outlives nothing, unlike a routing rule.
   */
  avoid(tunnelIndex: number, sockets: readonly UdpSocket[], hosts: readonly string[]): void {
    for (const socket of sockets) {
      const ours = hosts.filter((host) => host.includes(":") === (socket.family === 6));
      const captured = ours.find((host) => this.#routeTo(host)?.ifindex === tunnelIndex);
      socket.bindToInterface(captured === undefined ? 0 : this.#interfaceTo(captured, tunnelIndex));
    }
  }

  close(): void {
    this.#watcher.close();
    this.#netlink.close();
  }

  /** The interface of the longest, then cheapest, route to `host` that is not the tunnel's; 0 when there is none. */
  #interfaceTo(host: string, tunnelIndex: number): number {
    const bytes = parseIp(host)!;
    const isUp = ({ ifindex }: Route) => ((this.#netlink.linkByIndex(ifindex)?.flags ?? 0) & IFF_UP) !== 0;
    const [best] = this.#netlink
      .routes(bytes.length === 4 ? 4 : 6)
      .filter(({ table, type }) => table === RT_TABLE_MAIN && type === RTN_UNICAST)
      .filter(({ ifindex }) => ifindex !== 0 && ifindex !== tunnelIndex)
      .filter((route) => isWithin(bytes, route) && isUp(route))
      .sort((a, b) => b.bits - a.bits || a.metric - b.metric);
    return best?.ifindex ?? 0;
  }

  #routeTo(host: string): Route | null {
    const bytes = parseIp(host);
    if (!bytes) return null;
    try {
      return this.#netlink.routeTo(bytes);
    } catch {
      return null; // unreachable just now
    }
  }
}

function isWithin(host: Uint8Array, { bytes, bits }: Route): boolean {
  return Buffer.compare(network({ bytes: host, bits }).bytes, network({ bytes, bits }).bytes) === 0;
}
