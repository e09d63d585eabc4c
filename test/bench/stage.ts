/** Where one tool is measured: two machines, A and B, at the ends of one cable. All of it goes with the scene. */
import type { Namespace } from "../support/namespaces.ts";
import { PacketFilter } from "../support/packet-filter.ts";
import { Scene } from "../support/scene.ts";

/** Addresses on the cable. Both ends listen on the one port. */
export const UNDERLAY = { a: "10.77.0.1", b: "10.77.0.2" } as const;
/** Addresses in the tunnel. */
export const INNER = { a: "10.99.0.1", b: "10.99.0.2" } as const;
export const SIDES = ["a", "b"] as const;
export type Side = (typeof SIDES)[number];
export const TUNNEL_PORT = 51_820;
const CABLE = "cable0";

export interface Stage {
  readonly scene: Scene;
  readonly a: Namespace;
  readonly b: Namespace;
}

export function newStage(): Stage {
  const scene = new Scene();
  const [a, b] = [scene.namespace(), scene.namespace()];
  scene.lab.join(
    { namespace: a, name: CABLE, addresses: [`${UNDERLAY.a}/24`] },
    { namespace: b, name: CABLE, addresses: [`${UNDERLAY.b}/24`] },
  );
  return { scene, a, b };
}

/**
 * From here on each end loses one percent of the datagrams that it is sent. Segmentation goes off first, so that the kernel
 * cuts what leaves and single datagrams are lost, not trains of them.
 */
export function loseOnePercent({ a, b }: Stage): void {
  for (const namespace of [a, b]) {
    namespace.run("ethtool", "-K", CABLE, "tx-udp-segmentation", "off", "gso", "off", "gro", "off", "tso", "off");
    new PacketFilter(namespace).rule("input", `udp dport ${TUNNEL_PORT} numgen random mod 100 == 0 drop`);
  }
}
