import { networkInterfaces } from "node:os";
import { isGlobalIp6 } from "../../base/address-classes.ts";

/** Somewhere on the internet, and nobody in particular. */
const ANYWHERE = { hostname: "2000::1", port: 9 };

/**
 * Calls `onChange` when an address of this machine has come or gone, or the way to the internet by IPv6, looking each `everyMs`, until
 * what it returns is called: that the machine came to another network shows on no socket. (That it slept shows on the clock.)
 */
export function watchNetwork(everyMs: number, onChange: () => void): () => void {
  let network: string | null = null;
  let isOver = false;
  const look = async () => {
    const last = network;
    network = await networkFingerprint();
    if (last !== null && network !== last && !isOver) onChange();
  };
  void look();
  const timer = setInterval(look, everyMs);
  return () => {
    isOver = true;
    clearInterval(timer);
  };
}

/** The IPv4 addresses that a socket bound to `host` has on its own networks. Specification §10.1. */
export function localHosts(host: string): string[] {
  if (host !== "0.0.0.0") return [host];
  const all = Object.values(networkInterfaces()).flatMap((list = []) => list);
  const hosts = all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
  return hosts.length > 0 ? hosts : ["127.0.0.1"];
}

/**
 * The IPv6 address that this machine sends to the internet from, as its kernel chooses it (RFC 6724 §5); null when it has none there.
 * Nothing is sent; it costs 20 µs. Others of its addresses would be of no use: a firewall lets in what comes from where was sent to.
 */
export async function internetHost6(): Promise<string | null> {
  try {
    const socket = await Bun.udpSocket({ hostname: "::", connect: ANYWHERE });
    const { address } = socket.address;
    socket.close();
    return isGlobalIp6(address) ? address : null;
  } catch {
    return null; // no route there, or no IPv6
  }
}

/** An address of IPv6 is of use a second or two after it has come: when it is known to be nobody else's (RFC 4862 §5.4). */
async function networkFingerprint(): Promise<string> {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`),
  );
  return [...addresses.sort(), await internetHost6()].join(",");
}
