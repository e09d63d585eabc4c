/** Two machines, each a network namespace, a dnet in each, and packets through real TUN devices. Needs root. */
import { existsSync } from "node:fs";
import { isRoot, Lab, type Namespace } from "../support/namespaces.ts";
import { ensurePrograms } from "../support/packages.ts";
import { Scene } from "../support/scene.ts";
import { ping, transfer } from "../support/traffic.ts";
import { DNET, ensureBuilt, newKeyPair, TunnelProcess, wgQuickText } from "../support/tunnel-process.ts";
import { rateText, type Story, spanText } from "./story.ts";

const CABLE = "cable0";
const PORT = 51_820;
/** Addresses of the documentation networks (RFC 5737) on the cable, private ones (RFC 1918) in the tunnel. */
const OUTER = ["192.0.2.1", "192.0.2.2"] as const;
const INNER = ["10.7.0.1", "10.7.0.2"] as const;
const TRANSFER_SECONDS = 3;
const TRANSFER_BYTES = 200_000_000;
const HASHED_BYTES = 20_000_000;

/** Why there can be no real interfaces here and what would help; null when there can. */
export function networkObstacle(): { what: string; remedy: string } | null {
  if (!isRoot) return { what: "network namespaces and TUN devices need root", remedy: "sudo npm run demo" };
  const missing = ensurePrograms(["ip", "ping"]);
  if (missing.length > 0) {
    return { what: `there is no ${missing.join(" and no ")}`, remedy: "install iproute2 and iputils-ping" };
  }
  if (!existsSync("/dev/net/tun")) {
    return { what: "there is no /dev/net/tun", remedy: "modprobe tun, or give the container that device" };
  }
  const lab = new Lab();
  try {
    lab.namespace();
    return null;
  } catch (error) {
    return { what: (error as Error).message, remedy: "run where CAP_SYS_ADMIN and CAP_NET_ADMIN are granted" };
  } finally {
    lab.close();
  }
}

export async function tunnelScene(story: Story): Promise<void> {
  story.step("Build dnet, one executable without anything beside it");
  story.command("npm run build");
  const startedAt = performance.now();
  ensureBuilt();
  story.say(`dist/dnet is there after ${spanText(performance.now() - startedAt)}`);

  const scene = new Scene();
  try {
    const machines = [scene.namespace(), scene.namespace()] as const;
    story.step("Make two machines, which are namespaces of this kernel, and a cable between them");
    const ends = machines.map((namespace, i) => ({ namespace, name: CABLE, addresses: [`${OUTER[i]}/24`] }));
    scene.lab.join(ends[0]!, ends[1]!);
    story.say(`${machines[0].name} and ${machines[1].name}; they know each other as ${OUTER.join(" and ")}`);
    const tunnels = configure(story, scene, machines);
    await bringUp(story, tunnels, machines);
    await showPing(story, scene, machines);
    await showTransfer(story, scene, machines);
    await showStatus(story, scene, tunnels[0]!);
    await takeDown(story, tunnels);
  } finally {
    await scene.close();
  }
  story.good("The tunnel, the cable and both machines are gone; nothing of this machine was changed.");
}

function configure(story: Story, scene: Scene, machines: readonly Namespace[]): TunnelProcess[] {
  story.step("Give each a key pair and a file in the format of wg-quick");
  story.command("dnet tunnel genkey | tee private.key | dnet tunnel pubkey");
  const keys = machines.map(() => newKeyPair());
  const texts = machines.map((_, i) => ({
    privateKey: keys[i]!.privateKey,
    listenPort: PORT,
    addresses: [`${INNER[i]}/24`],
    peers: [
      {
        publicKey: keys[1 - i]!.publicKey,
        allowed: [`${INNER[1 - i]}/32`],
        endpoint: `${OUTER[1 - i]}:${PORT}`,
        suite: "dnet" as const,
      },
    ],
  }));
  story.say(`dnet0.conf of ${machines[0]!.name}:`);
  story.output(wgQuickText({ ...texts[0]!, privateKey: "(hidden)" }));
  return texts.map((text, i) => new TunnelProcess(scene, machines[i]!, text));
}

async function bringUp(story: Story, tunnels: readonly TunnelProcess[], machines: readonly Namespace[]): Promise<void> {
  story.step("Bring dnet up on both");
  story.command("dnet tunnel up dnet0.conf");
  const startedAt = performance.now();
  await Promise.all(tunnels.map((tunnel) => tunnel.up()));
  story.say(`both are up after ${spanText(performance.now() - startedAt)}`, "");
  const [left, right] = machines.map(({ name }, i) => {
    return { lines: [name, `dnet0  ${INNER[i]}`, `${CABLE} ${OUTER[i]}:${PORT}`] };
  });
  story.picture(left!, right!, { tunnel: "IP packets", carrier: "UDP, sealed with AES-256-GCM" });
}

async function showPing(story: Story, scene: Scene, [left]: readonly Namespace[]): Promise<void> {
  story.step("Ping the far end through the tunnel");
  story.command(`ping -c 5 ${INNER[1]}`);
  const { answered, output } = await ping(scene, left!, INNER[1], { count: 5 });
  story.output(
    output
      .split("\n")
      .filter((line) => /time=|rtt/.test(line))
      .join("\n"),
  );
  if (answered !== 5) throw new Error(`only ${answered} of 5 pings came back`);
  story.say("the first one waited for the handshake");
}

async function showTransfer(story: Story, scene: Scene, machines: readonly Namespace[]): Promise<void> {
  const [left, right] = machines;
  story.step("Send data over TCP through the tunnel");
  const { sent, received } = await transfer(left!, right!, INNER[1], HASHED_BYTES);
  if (sent.hash !== received.hash) throw new Error("what arrived is not what was sent");
  story.say(`${HASHED_BYTES / 1e6} MB arrived as they were sent: SHA-256 ${received.hash.slice(0, 16)}… at both ends`);
  const isInstalled = ensurePrograms(["iperf3"]).length === 0;
  const rate = isInstalled ? await iperf(story, scene, left!, right!) : await timeTransfer(left!, right!);
  story.good(`${rateText(rate)}, with both machines on this computer's ${navigator.hardwareConcurrency} cores`);
}

/** Bits a second by iperf3. */
async function iperf(story: Story, scene: Scene, left: Namespace, right: Namespace): Promise<number> {
  story.command(`iperf3 -c ${INNER[1]} -t ${TRANSFER_SECONDS}`);
  const server = scene.start(right, ["iperf3", "-s", "-1", "--forceflush", "-B", INNER[1]]);
  await server.stdout[Symbol.asyncIterator]().next(); // it listens
  const { stdout } = await scene.run(left, ["iperf3", "-c", INNER[1], "-t", `${TRANSFER_SECONDS}`, "-J"]);
  const report = JSON.parse(stdout) as { error?: string; end?: { sum_received: { bits_per_second: number } } };
  if (!report.end) throw new Error(`iperf3: ${report.error}`);
  return report.end.sum_received.bits_per_second;
}

/** The same by a sender and a receiver of our own, which hash all of it meanwhile. */
async function timeTransfer(left: Namespace, right: Namespace): Promise<number> {
  const startedAt = performance.now();
  await transfer(left, right, INNER[1], TRANSFER_BYTES);
  return (TRANSFER_BYTES * 8) / ((performance.now() - startedAt) / 1000);
}

async function showStatus(story: Story, scene: Scene, { namespace, name, environment }: TunnelProcess): Promise<void> {
  story.step(`Ask ${namespace.name}'s dnet how it is`);
  story.command(`dnet tunnel show ${name}`);
  story.output((await scene.run(namespace, [DNET, "tunnel", "show", name], environment)).stdout);
}

async function takeDown(story: Story, tunnels: readonly TunnelProcess[]): Promise<void> {
  story.step("Take it all down");
  story.command("dnet tunnel down dnet0");
  for (const tunnel of tunnels) {
    await tunnel.down();
    const links = tunnel.namespace.run("ip", "-brief", "link");
    if (links.includes(tunnel.name)) throw new Error(`${tunnel.name} is still in ${tunnel.namespace.name}`);
  }
}
