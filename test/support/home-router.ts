/**
 * A home's router: the kernel's NAT, which gives every destination another port and lets nobody in, and Debian's miniupnpd, which makes
 * exceptions by the protocols that a test leaves it. Miniupnpd takes PCP and NAT-PMP together, so one of them is kept away from it by the
 * first byte of their datagrams.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProtocolName } from "../../src/portmap/protocol.ts";
import type { Namespace } from "./namespaces.ts";
import type { Actor, Scene } from "./scene.ts";
import { until } from "./until.ts";

const PROGRAM_PATH = `${process.env["PATH"]}:/usr/sbin:/sbin`;
export const hasMiniupnpd = Bun.which("miniupnpd", { PATH: PROGRAM_PATH }) !== null;
/** For the name of a test that is skipped without it. */
export const needsMiniupnpd = hasMiniupnpd ? "" : " (skipped: needs miniupnpd-nftables)";

/** Its interfaces. */
export const LAN = "lan";
export const WAN = "wan";

const NAT = `
table inet filter {
  chain input {
    type filter hook input priority 0;
    iifname "${LAN}" udp dport { 1900, 5351 } counter
    jump dropped
  }
  chain dropped { }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "${LAN}" accept
    jump miniupnpd
  }
  chain miniupnpd { }
  chain prerouting {
    type nat hook prerouting priority -100;
    jump prerouting_miniupnpd
  }
  chain prerouting_miniupnpd { }
  chain postrouting {
    type nat hook postrouting priority 100;
    jump postrouting_miniupnpd
    oifname "${WAN}" ip protocol udp masquerade fully-random
    oifname "${WAN}" masquerade
  }
  chain postrouting_miniupnpd { }
}
`;

/** What keeps a protocol's datagrams away: the first byte is a PCP version, or NAT-PMP's. */
const KEPT_AWAY: { readonly [Protocol in ProtocolName]: string } = {
  PCP: "udp dport 5351 @th,64,8 2",
  "NAT-PMP": "udp dport 5351 @th,64,8 0",
  UPnP: "udp dport 1900",
};

export interface DaemonOptions {
  readonly speaks: readonly ProtocolName[];
  /** Of PCP, the longest that it grants. */
  readonly maxLifetimeS?: number;
  /** Poses as version 1 of a gateway device. */
  readonly isVersion1?: boolean;
  /** Its epoch is as old as the machine, and not as the daemon. */
  readonly isLongUp?: boolean;
}

export class HomeRouter {
  readonly namespace: Namespace;
  readonly #scene: Scene;
  #daemon: Actor | null = null;

  /** Its interfaces are there; `inside` is the LAN's prefix. */
  constructor(
    scene: Scene,
    namespace: Namespace,
    readonly inside: string,
  ) {
    this.#scene = scene;
    this.namespace = namespace;
    namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    this.reset();
  }

  /** No mapping, and nothing kept away. */
  reset(): void {
    this.#nft("flush ruleset");
    this.#nft(NAT);
  }

  /** Those that are not spoken, and nobody's answer: the router is silent. */
  async start({ speaks, maxLifetimeS = 86_400, isVersion1 = false, isLongUp = false }: DaemonOptions): Promise<void> {
    for (const [protocol, match] of Object.entries(KEPT_AWAY)) {
      if (!speaks.includes(protocol as ProtocolName)) this.#nft(`add rule inet filter dropped ${match} drop`);
    }
    const file = join(this.#scene.newDirectory(), "miniupnpd.conf");
    const settings = {
      ext_ifname: WAN,
      listening_ip: LAN,
      enable_natpmp: "yes",
      enable_upnp: "yes",
      secure_mode: "yes",
      system_uptime: isLongUp ? "yes" : "no",
      ipv6_disable: "yes",
      uuid: "50380df9-d7c6-4e2d-a0bb-b44102f6d4e4",
      force_igd_desc_v1: isVersion1 ? "yes" : "no",
      min_lifetime: 1,
      max_lifetime: maxLifetimeS,
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    const rules = [`allow 1024-65535 ${this.inside} 1024-65535`, "deny 0-65535 0.0.0.0/0 0-65535"];
    writeFileSync(file, [...lines, ...rules, ""].join("\n"));
    const daemon = this.#scene.start(this.namespace, ["miniupnpd", "-d", "-f", file, "-P", `${file}.pid`]);
    this.#daemon = daemon;
    await until("miniupnpd listens", () => daemon.stderr().includes("Listening for NAT-PMP/PCP traffic"));
  }

  /** Has it announce, at 224.0.0.1, for how long it has been up, and its address. */
  announce(): void {
    process.kill(this.#daemon!.pid, "SIGUSR1");
  }

  async stop(): Promise<void> {
    await this.#daemon?.end("SIGKILL");
    this.#daemon = null;
  }

  /** As the kernel has them: `1776 to 192.168.77.2:1776`. */
  mappings(): string[] {
    const rules = this.#nft("list chain inet filter prerouting_miniupnpd");
    return [...rules.matchAll(/dport (\d+) dnat ip to ([\d.:]+)/g)].map(([, port, to]) => `${port} to ${to}`);
  }

  /** Datagrams that came for it to one of the protocols' ports. */
  asked(): number {
    return Number(/counter packets (\d+)/.exec(this.#nft("list chain inet filter input"))?.[1] ?? 0);
  }

  #nft(words: string): string {
    const command = ["ip", "netns", "exec", this.namespace.name, "nft", "-f", "-"];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { stdin: Buffer.from(words) });
    if (exitCode !== 0) throw new Error(`nft: ${stderr.toString().trim()}`);
    return stdout.toString();
  }
}
