import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Machine } from "../../../src/base/machine.ts";
import { Internet } from "../../sim/internet/internet.ts";
import { LINUX } from "../../sim/internet/nat-behaviour.ts";
import type { SeededRandom } from "../../support/random.ts";

const PORT = 7;
const PERIOD_MS = 1000;
const [PING, PONG] = [1, 2];

interface Send {
  readonly to: Address;
  readonly datagram: Uint8Array;
}

/** Pings one of `others` each second, and answers pings. */
class Pinger implements Machine<Send> {
  pongs = 0;
  #dueAt: number;
  #outputs: Send[] = [];

  constructor(
    readonly random: SeededRandom,
    readonly others: readonly Address[],
  ) {
    this.#dueAt = random.between(0, PERIOD_MS);
  }

  receive(from: Address, [kind]: Uint8Array): void {
    if (kind === PING) this.#outputs.push({ to: from, datagram: Uint8Array.of(PONG) });
    else this.pongs++;
  }

  advance(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = now + PERIOD_MS;
    this.#outputs.push({ to: this.random.pick(this.others), datagram: Uint8Array.of(PING) });
  }

  deadline(): number {
    return this.#dueAt;
  }

  drain(): Send[] {
    return this.#outputs.splice(0);
  }
}

test("10,000 hosts, a tenth of them behind NATs, ping each other for 20 seconds", () => {
  const internet = new Internet({ seed: 1 });
  for (let i = 0; i < 9_000; i++) internet.addHost();
  const others = internet.hosts.map(({ address }) => ({ host: address, port: PORT }));
  for (let i = 0; i < 1_000; i++) internet.addHost({ behind: internet.addNat(LINUX) });
  const pingers = internet.hosts.map((host) => {
    const machine = new Pinger(internet.freshRandom(), others);
    const socket = host.bind(PORT);
    const running = host.drive(machine, ({ to, datagram }) => socket.send(to, datagram));
    socket.onDatagram((from, datagram) => running.input(() => machine.receive(from, datagram)));
    return machine;
  });
  internet.runFor(20 * PERIOD_MS);
  for (const pinger of pingers) expect(pinger.pongs).toBeGreaterThanOrEqual(19);
  expect(internet.carrier.delivered).toBeGreaterThan(390_000);
  expect(internet.carrier.dropped).toEqual({});
}, 60_000);
