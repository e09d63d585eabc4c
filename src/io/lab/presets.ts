/** Laboratories that are ready to be used: two hosts that look for each other, and servers whom both can reach. */
import type { HostDescription, LabDescription, NatDescription } from "./description.ts";
import type { NatKindName } from "./nat-kinds.ts";

export interface Preset {
  readonly name: string;
  readonly summary: string;
  readonly description: LabDescription;
}

/** Enough of them that a program learns what kind of NAT it has. */
const SERVERS = { server1: {}, server2: {}, server3: {} };

type Hosts = { readonly [name: string]: HostDescription };
type Nats = { readonly [name: string]: NatDescription };

const preset = (name: string, summary: string, nats: Nats, hosts: Hosts): Preset => ({
  name,
  summary,
  description: { nats, hosts: { ...hosts, ...SERVERS } },
});

const BEHIND_HOMES: Hosts = { alice: { behind: "home-a" }, bob: { behind: "home-b" } };

function homes(a: NatKindName, b: NatKindName): Nats {
  return { "home-a": { kind: a }, "home-b": { kind: b } };
}

function sameNat(hairpins: boolean): Nats {
  return { home: { kind: "port-restricted", hairpins } };
}

function oneCarrier(hairpins: boolean): Nats {
  return {
    carrier: { kind: "port-restricted", hairpins },
    "home-a": { kind: "port-restricted", behind: "carrier" },
    "home-b": { kind: "port-restricted", behind: "carrier" },
  };
}

const BEHIND_HOME: Hosts = { alice: { behind: "home" }, bob: { behind: "home" } };

export const PRESETS: readonly Preset[] = [
  preset("open-open", "both have public addresses", {}, { alice: {}, bob: {} }),
  preset(
    "open-cone",
    "one is public, the other at home",
    { "home-b": { kind: "port-restricted" } },
    {
      alice: {},
      bob: { behind: "home-b" },
    },
  ),
  preset("full-cone", "both behind NATs that let anybody in", homes("full-cone", "full-cone"), BEHIND_HOMES),
  preset("cone-cone", "two ordinary homes", homes("port-restricted", "port-restricted"), BEHIND_HOMES),
  preset(
    "random-cone",
    "a symmetric NAT with random ports, and a home",
    homes("random", "port-restricted"),
    BEHIND_HOMES,
  ),
  preset(
    "random-random",
    "both symmetric with random ports: only a relay helps",
    homes("random", "random"),
    BEHIND_HOMES,
  ),
  preset(
    "sequential-cone",
    "a symmetric NAT with ports in sequence, and a home",
    homes("sequential", "port-restricted"),
    BEHIND_HOMES,
  ),
  preset("cgn", "two homes behind one carrier's NAT that turns packets round", oneCarrier(true), BEHIND_HOMES),
  preset("cgn-no-hairpin", "the same, and it does not", oneCarrier(false), BEHIND_HOMES),
  preset("same-nat", "both behind one home's NAT that turns packets round", sameNat(true), BEHIND_HOME),
  preset("same-nat-no-hairpin", "the same, and it does not", sameNat(false), BEHIND_HOME),
  preset(
    "blocked",
    "one behind a NAT that passes no UDP, and a home",
    homes("blocked", "port-restricted"),
    BEHIND_HOMES,
  ),
];
