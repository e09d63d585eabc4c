/**
 * The hosts of a laboratory: network namespaces, each with one TUN device, `eth0`, whose other side we hold. Made with iproute2;
 * their names carry our pid. A device is made here, down and without an address, and then goes to its namespace for good.
 *
 * A guardian, a shell that waits for its stdin to end, removes it all: also when this process is killed.
 */
import { SyscallError } from "../../../ffi/libc.ts";
import { openTun, type Tun } from "../../../ffi/tun-linux.ts";
import { DnetError } from "../../base/error.ts";
import type { Placement } from "./router.ts";

const MTU = 1500;
/** Packets that wait in the device while we are busy; the kernel's 500 is less than one burst of a fast sender. */
const QUEUE = 4096;
export const INTERFACE = "eth0";

/**
 * Removes a file, its first argument, then the namespaces that the others name, after it ended what runs in them. It outlives
 * Ctrl-C.
 */
const GUARD = `trap '' INT TERM HUP
cat >/dev/null
rm -f "$1"
shift
for name; do
  [ -e "/run/netns/$name" ] || continue
  pids=$(ip netns pids "$name") && [ -n "$pids" ] && kill -KILL $pids
  ip netns delete "$name"
done`;

export interface LabHost {
  readonly name: string;
  readonly namespace: string;
  readonly tun: Tun;
}

export class LabNamespaces {
  readonly hosts: readonly LabHost[];
  readonly #guardian: ReturnType<typeof guard>;

  private constructor(hosts: readonly LabHost[], guardian: ReturnType<typeof guard>) {
    this.hosts = hosts;
    this.#guardian = guardian;
  }

  /**
   * Makes all of it or nothing; the file at `socketPath`, when there is one, goes with it. Throws DnetError: not root, no
   * iproute2, no TUN in this kernel.
   */
  static async make(
    names: readonly string[],
    placementOf: (host: string) => Placement,
    socketPath: string,
  ): Promise<LabNamespaces> {
    if (process.getuid?.() !== 0) {
      throw new DnetError("LAB_DENIED", "a laboratory is made of network namespaces and TUN devices, which need root", {
        failure: "permission",
        hint: "the same with sudo",
      });
    }
    if (!Bun.which("ip")) {
      throw new DnetError("LAB_NEEDS_IP", "there is no program ip, which makes network namespaces", {
        hint: "install iproute2",
      });
    }
    const guardian = guard(socketPath, names.map(namespaceName));
    const hosts: LabHost[] = [];
    try {
      for (const [i, name] of names.entries()) hosts.push(makeHost(name, `lab${process.pid}-${i}`));
      const lab = new LabNamespaces(hosts, guardian);
      for (const { name } of hosts) lab.place(name, placementOf(name));
      return lab;
    } catch (cause) {
      for (const { tun } of hosts) tun.close();
      await release(guardian);
      throw cause instanceof SyscallError ? setUpFailed(cause.message, cause) : cause;
    }
  }

  /** Gives the host's interface this address and no other; as a cable that is pulled and put elsewhere. */
  place(host: string, { address, gateway }: Placement): void {
    ip(
      ["-n", namespaceName(host)],
      ["link", "set", INTERFACE, "down"],
      ["address", "flush", "dev", INTERFACE],
      ["address", "add", address, "dev", INTERFACE],
      ["link", "set", INTERFACE, "up"],
      ["route", "add", "default", "via", gateway, "dev", INTERFACE],
    );
  }

  /** Ends every process inside, and removes everything. */
  async close(): Promise<void> {
    await release(this.#guardian);
    for (const { tun } of this.hosts) tun.close();
  }
}

/** `dnet-lab-4242-alice`. */
export function namespaceName(host: string): string {
  return `dnet-lab-${process.pid}-${host}`;
}

/** `device` is its interface's name until it is inside. */
function makeHost(name: string, device: string): LabHost {
  const namespace = namespaceName(name);
  ip([], ["netns", "add", namespace]);
  const tun = openTun(device, { vnetHeader: false, multiQueue: false });
  try {
    ip([], ["link", "set", device, "netns", namespace, "name", INTERFACE]);
    // The laboratory speaks IPv4 alone, so the kernel need not make up an IPv6 address and announce it.
    const settings = ["mtu", `${MTU}`, "txqueuelen", `${QUEUE}`, "addrgenmode", "none"];
    ip(["-n", namespace], ["link", "set", "lo", "up"], ["link", "set", INTERFACE, ...settings]);
  } catch (error) {
    tun.close();
    throw error;
  }
  return { name, namespace, tun };
}

/** In a session of its own, so that a terminal's Ctrl-C does not reach it. */
function guard(socketPath: string, namespaces: readonly string[]) {
  const command = ["sh", "-c", GUARD, "dnet-lab-guardian", socketPath, ...namespaces];
  return Bun.spawn(command, { detached: true, cwd: "/", stdio: ["pipe", "ignore", "ignore"] });
}

async function release(guardian: ReturnType<typeof guard>): Promise<void> {
  guardian.stdin.end();
  await guardian.exited;
}

/** Runs several commands of iproute2 in one process; the first that fails ends it. */
function ip(options: readonly string[], ...commands: readonly (readonly string[])[]): void {
  const stdin = Buffer.from(commands.map((words) => `${words.join(" ")}\n`).join(""));
  const { exitCode, stderr } = Bun.spawnSync(["ip", ...options, "-batch", "-"], { stdin });
  if (exitCode !== 0) throw setUpFailed(stderr.toString().trim());
}

function setUpFailed(message: string, cause?: unknown): DnetError {
  return new DnetError("LAB_SETUP", `the laboratory cannot be set up: ${message}`, {
    hint: "check that this kernel has /dev/net/tun and network namespaces: modprobe tun",
    cause,
  });
}
