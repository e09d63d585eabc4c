import { networkInterfaces } from "node:os";

/** Changes when an address of this machine comes or goes. */
export function networkFingerprint(): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`),
  );
  return addresses.sort().join(",");
}

/** The IPv4 addresses that a socket bound to `host` has on its own networks. Specification §10.1. */
export function localHosts(host: string): string[] {
  if (host !== "0.0.0.0") return [host];
  const all = Object.values(networkInterfaces()).flatMap((list = []) => list);
  const hosts = all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
  return hosts.length > 0 ? hosts : ["127.0.0.1"];
}
