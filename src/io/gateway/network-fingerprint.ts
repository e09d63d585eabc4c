import { networkInterfaces } from "node:os";

/** Changes when an address of this machine comes or goes. */
export function networkFingerprint(): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list.filter(({ internal }) => !internal).map(({ address }) => `${name} ${address}`),
  );
  return addresses.sort().join(",");
}
