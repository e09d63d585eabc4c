/** A DHT in a laboratory: nodes of the real hyperdht on hosts of their own, and peers of either kind that join them. */
import type { Address } from "../../src/base/address.ts";
import type { HostDescription } from "../../src/io/lab/description.ts";
import type { Kind } from "./hyperdht-both.ts";
import { type HyperdhtNode, type HyperdhtOptions, HyperdhtProcess, PROGRAMS } from "./hyperdht-process.ts";
import type { RunningLab } from "./lab.ts";

const nameOf = (i: number) => `dht${i + 1}`;

/**
 * So many hosts for it, to be put among the laboratory's. Each is in a /24 of its own, since our tables keep no more than two nodes of
 * one; those are of 44.128.0.0/16, which radio amateurs have for tests and nobody routes.
 */
export function dhtHosts(count: number): { readonly [name: string]: HostDescription } {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [nameOf(i), { address: `44.128.${i + 1}.2` }]));
}

/** Starts `nodesEach` persistent nodes on each of `hosts` hosts; returns where to begin. They end with the laboratory. */
export async function startDht(
  lab: RunningLab,
  { hosts, nodesEach = 1 }: { readonly hosts: number; readonly nodesEach?: number },
): Promise<readonly Address[]> {
  const bootstrap: Address[] = [];
  for (let i = 0; i < hosts; i++) {
    const { address: host, namespace } = lab.host(nameOf(i));
    const process = await HyperdhtProcess.start({ netns: namespace.name });
    if (i === 0) {
      const first = await process.bootstrapper("first", { host, port: 49737 }, { host });
      bootstrap.push({ host, port: (await first.info()).serverPort! });
    }
    for (let n = 0; n < nodesEach; n++) {
      const node = await process.node(`node${n}`, { bootstrap, host, ephemeral: false, firewalled: false });
      await node.ready();
    }
  }
  return bootstrap;
}

/** A peer on a host of the laboratory, in a process of its own, that has found the network. */
export interface LabPeer extends AsyncDisposable {
  readonly process: HyperdhtProcess;
  readonly node: HyperdhtNode;
}

export async function joinDht(
  lab: RunningLab,
  host: string,
  kind: Kind,
  options: HyperdhtOptions & { readonly bootstrap: readonly Address[] },
): Promise<LabPeer> {
  const process = await HyperdhtProcess.start({ netns: lab.host(host).namespace.name, program: PROGRAMS[kind] });
  const node = await process.node("node", { host: "0.0.0.0", ...options });
  await node.ready();
  return { process, node, [Symbol.asyncDispose]: () => process.stop() };
}
