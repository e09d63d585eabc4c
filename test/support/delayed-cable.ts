/**
 * A cable between two namespaces on which every packet takes a while. Kernels without netem have none of their own, so a program
 * stands between two TUN devices:
 *   bun delayed-cable.ts NAMESPACE_A NAMESPACE_B DELAY_MS
 * makes the device `cable0` in both, prints a line, and carries packets until its stdin ends.
 */
import { Memory, monotonicMs } from "../../ffi/libc.ts";
import { POLLIN, Poller } from "../../ffi/poll.ts";
import { openTun, type Tun } from "../../ffi/tun-linux.ts";
import { Lines } from "../bench/lines.ts";
import { Namespace } from "./namespaces.ts";

export const CABLE = "cable0";
const MTU = 1500;
/** Packets under way in one direction. Full: further ones are lost. */
const SLOTS = 8192;

export interface DelayedCable {
  close(): Promise<void>;
}

/** Lays one; `addresses` with their lengths. `delayMs` is one way, to within a millisecond. */
export async function layDelayedCable(
  ends: readonly { readonly namespace: Namespace; readonly addresses: readonly string[] }[],
  delayMs: number,
): Promise<DelayedCable> {
  const names = ends.map(({ namespace }) => namespace.name);
  const command = [process.execPath, import.meta.path, ...names, `${delayMs}`];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  if ((await new Lines(child.stdout).next()) === null) throw new Error("the delayed cable did not start");
  for (const { namespace, addresses } of ends) {
    for (const address of addresses) namespace.run("ip", "address", "add", address, "dev", CABLE);
    namespace.run("ip", "link", "set", CABLE, "mtu", `${MTU}`, "up");
  }
  return {
    async close() {
      child.stdin.end();
      await child.exited;
    },
  };
}

/** One direction: a ring of packets, each with the moment it is due. */
class Direction {
  readonly #from: Tun;
  readonly #to: Tun;
  readonly #delayMs: number;
  readonly #memory = new Memory(SLOTS * MTU);
  readonly #lengths = new Uint16Array(SLOTS);
  readonly #dueAt = new Float64Array(SLOTS);
  #first = 0;
  #count = 0;

  constructor(from: Tun, to: Tun, delayMs: number) {
    this.#from = from;
    this.#to = to;
    this.#delayMs = delayMs;
  }

  get deadline(): number {
    return this.#count > 0 ? this.#dueAt[this.#first]! : Number.POSITIVE_INFINITY;
  }

  take(now: number): void {
    for (;;) {
      const slot = (this.#first + this.#count) % SLOTS;
      const length = this.#from.read(this.#memory.address + slot * MTU, MTU);
      if (length === 0) return;
      if (this.#count === SLOTS - 1) continue;
      this.#lengths[slot] = length;
      this.#dueAt[slot] = now + this.#delayMs;
      this.#count++;
    }
  }

  give(now: number): void {
    while (this.deadline <= now) {
      this.#to.write(this.#memory.address + this.#first * MTU, this.#lengths[this.#first]!);
      this.#first = (this.#first + 1) % SLOTS;
      this.#count--;
    }
  }
}

function carry(names: readonly string[], delayMs: number): void {
  const tuns = names.map((name) =>
    new Namespace(name).enter(() => openTun(CABLE, { vnetHeader: false, multiQueue: false })),
  );
  const [a, b] = tuns as [Tun, Tun];
  const directions = [new Direction(a, b, delayMs), new Direction(b, a, delayMs)];
  const poller = new Poller(3);
  for (const { fd } of tuns) poller.add(fd, POLLIN);
  const stdin = poller.add(0, POLLIN);
  console.log("ready");
  while (poller.ready(stdin) === 0) {
    const now = monotonicMs();
    poller.wait(Math.min(...directions.map(({ deadline }) => deadline)) - now);
    const then = monotonicMs();
    for (const direction of directions) {
      direction.take(then);
      direction.give(then);
    }
  }
}

if (import.meta.main) {
  carry(process.argv.slice(2, 4), Number(process.argv[4]));
}
