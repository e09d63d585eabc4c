/** The networks below the tunnels: ends that reach each other through one router. */
import type { Namespace } from "./namespaces.ts";
import type { Scene } from "./scene.ts";
import { newKeyPair, newSecret, type PeerText, type TunnelText } from "./tunnel-process.ts";

export const TUNNEL_PORT = 51_820;

/** End number i, from 1: 10.8.i.2/24 and fd08:i::2/64 on `ve0`; the router has .1 and ::1 on `ve<i>`. */
export interface Underlay {
  readonly router: Namespace;
  readonly ends: readonly Namespace[];
}

export const underlay4 = (end: number) => `10.8.${end}.2`;
export const underlay6 = (end: number) => `fd08:${end}::2`;
export const inner4 = (end: number) => `10.7.0.${end}`;
export const inner6 = (end: number) => `fd07::${end}`;

/** Segmentation is off on every cable, so that each datagram is one for the router and its rules. */
export function routedEnds(scene: Scene, count: number): Underlay {
  const router = scene.namespace();
  router.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  const ends = Array.from({ length: count }, (_, i) => {
    const end = scene.namespace();
    cable(scene, end, router, i + 1);
    return end;
  });
  return { router, ends };
}

function cable(scene: Scene, end: Namespace, router: Namespace, number: number): void {
  scene.lab.join(
    { namespace: end, name: "ve0", addresses: [`${underlay4(number)}/24`, `${underlay6(number)}/64`] },
    { namespace: router, name: `ve${number}`, addresses: [`10.8.${number}.1/24`, `fd08:${number}::1/64`] },
  );
  end.run("ip", "route", "add", "default", "via", `10.8.${number}.1`);
  end.run("ip", "-6", "route", "add", "default", "via", `fd08:${number}::1`);
  const off = ["tx-udp-segmentation", "off", "gro", "off", "gso", "off"];
  end.run("ethtool", "-K", "ve0", ...off);
  router.run("ethtool", "-K", `ve${number}`, ...off);
}

export interface PairOptions {
  readonly suite?: "dnet" | "wireguard";
  /** The version of IP that sealed packets travel over. */
  readonly over?: 4 | 6;
  readonly presharedKey?: boolean;
  /** Changes to either file. */
  readonly left?: Partial<TunnelText>;
  readonly right?: Partial<TunnelText>;
  readonly leftPeer?: Partial<PeerText>;
  readonly rightPeer?: Partial<PeerText>;
}

/** The two ends' files: end 1 knows where end 2 is, and end 2 learns it. */
export function pairTexts(options: PairOptions = {}): { left: TunnelText; right: TunnelText } {
  const { suite = "dnet", over = 4, presharedKey = false } = options;
  const keys = [newKeyPair(), newKeyPair()] as const;
  const secret = presharedKey ? { presharedKey: newSecret() } : {};
  const endpoint = over === 4 ? `${underlay4(2)}:${TUNNEL_PORT}` : `[${underlay6(2)}]:${TUNNEL_PORT}`;
  const text = (end: number, peer: PeerText): TunnelText => ({
    privateKey: keys[end - 1]!.privateKey,
    listenPort: TUNNEL_PORT,
    addresses: [`${inner4(end)}/24`, `${inner6(end)}/64`],
    peers: [peer],
  });
  const peer = (end: number): PeerText => ({
    publicKey: keys[end - 1]!.publicKey,
    allowed: [`${inner4(end)}/32`, `${inner6(end)}/128`],
    suite,
    ...secret,
  });
  return {
    left: { ...text(1, { ...peer(2), endpoint, ...options.leftPeer }), ...options.left },
    right: { ...text(2, { ...peer(1), ...options.rightPeer }), ...options.right },
  };
}
