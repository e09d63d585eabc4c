/** The NATs that a description names by one word. */
import { LINUX, type NatBehaviour, RANDOM, RFC_4787 } from "./nat-behaviour.ts";

export interface NatKind {
  /** For people, after the name. */
  readonly summary: string;
  readonly behaviour: NatBehaviour;
  /** No UDP passes, either way; TCP and pings do. */
  readonly blocksUdp?: true;
}

export const NAT_KINDS = {
  "full-cone": {
    summary: "one port for all destinations, and anybody may come in by it",
    behaviour: { ...RFC_4787, filtering: "endpoint-independent" },
  },
  "address-restricted": {
    summary: "one port for all destinations, and addresses that were sent to may come in",
    behaviour: { ...RFC_4787, filtering: "address-dependent" },
  },
  "port-restricted": {
    summary: "one port for all destinations, and addresses with ports that were sent to may come in",
    behaviour: RFC_4787,
  },
  sequential: {
    summary: "symmetric: each destination gets the next port",
    behaviour: { ...RANDOM, ports: { sequential: 1 } },
  },
  random: { summary: "symmetric: each destination gets a port by chance", behaviour: RANDOM },
  linux: { summary: "nftables masquerade: the inside port is kept until two hosts want it", behaviour: LINUX },
  blocked: { summary: "no UDP at all; TCP as port-restricted", behaviour: RFC_4787, blocksUdp: true },
} as const satisfies { readonly [name: string]: NatKind };

export type NatKindName = keyof typeof NAT_KINDS;

export function natKind(name: NatKindName): NatKind {
  return NAT_KINDS[name];
}
