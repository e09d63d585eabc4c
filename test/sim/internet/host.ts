import { DnetError } from "../../../src/base/error.ts";
import type { Machine } from "../../../src/base/machine.ts";
import type { Drive } from "../../../src/io/drive.ts";
import type { Carrier } from "./carrier.ts";
import type { Flight } from "./flight.ts";
import type { Link } from "./link.ts";
import { MachineDrive } from "./machine-drive.ts";
import type { Nat } from "./nat.ts";
import type { Realm } from "./realm.ts";
import { SimSocket } from "./socket.ts";

/** Where Linux takes a port from when none is asked for (net.ipv4.ip_local_port_range). */
const EPHEMERAL = { low: 32_768, high: 61_000 };

type RunningMachine = Pick<MachineDrive<unknown>, "lookAgain" | "stop">;

/** One computer: an address, a line, sockets, and the machines that run on it. */
export class Host {
  readonly name: string;
  readonly link: Link;
  /** Fixes how the delay of its line wanders. */
  readonly jitterSeed: number;
  #carrier: Carrier;
  #core: Realm;
  #realm: Realm;
  #address: string;
  #isOnline = true;
  #asleepUntil = Number.NEGATIVE_INFINITY;
  #sockets = new Map<number, SimSocket>();
  #drives = new Set<RunningMachine>();

  /** Only `Internet.addHost` makes one. */
  constructor(
    carrier: Carrier,
    { core, realm, address, name, link }: { core: Realm; realm: Realm; address?: string; name?: string; link: Link },
  ) {
    this.link = link;
    this.jitterSeed = carrier.time.random.uint32();
    this.#carrier = carrier;
    this.#core = core;
    this.#realm = realm;
    this.#address = realm.attach(this, address);
    this.name = name ?? this.#address;
  }

  get realm(): Realm {
    return this.#realm;
  }

  /** Its own address: a private one behind a NAT. */
  get address(): string {
    return this.#address;
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  get isAsleep(): boolean {
    return this.#carrier.time.now < this.#asleepUntil;
  }

  /** Why it neither sends nor receives now; null when it does. */
  get obstacle(): "asleep" | "offline" | null {
    if (this.isAsleep) return "asleep";
    return this.#isOnline ? null : "offline";
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Opens a socket on all its addresses; port 0 stands for a free one. Throws DnetError when the port is taken. */
  bind(port = 0): SimSocket {
    const chosen = port === 0 ? this.#freePort() : port;
    if (this.#sockets.has(chosen)) {
      throw new DnetError("PORT_IN_USE", `UDP port ${chosen} is already used on ${this.name}`);
    }
    const socket = new SimSocket(this.#carrier, this, chosen);
    this.#sockets.set(chosen, socket);
    return socket;
  }

  /** Runs a machine here, as `drive` of src/io/drive.ts does in real time; it rings at its deadline to the fraction. */
  drive<Output>(machine: Machine<Output>, onOutput: (output: Output) => void): Drive {
    const drive = new MachineDrive(this.#carrier.time, this, machine, onOutput);
    this.#drives.add(drive);
    return drive;
  }

  /** Pulls the cable: the machines go on. */
  offline(): void {
    this.#isOnline = false;
  }

  online(): void {
    this.#isOnline = true;
  }

  /** Closes the lid for `ms`: no machine advances and no datagram is kept; then all is as before, but for the clock. */
  sleep(ms: number): void {
    const { time } = this.#carrier;
    this.#asleepUntil = Math.max(this.#asleepUntil, time.now + ms);
    time.at(this.#asleepUntil, () => {
      if (!this.isAsleep) for (const drive of [...this.#drives]) drive.lookAgain();
    });
  }

  /** Goes to a public address, a free one when none is named, or behind a NAT. Sockets stay bound, and send from there. */
  move(to?: string | Nat): void {
    const [realm, address] = typeof to === "object" ? [to.inside, undefined] : [this.#core, to];
    const [oldRealm, oldAddress] = [this.#realm, this.#address];
    this.#address = realm.attach(this, address);
    this.#realm = realm;
    oldRealm.detach(oldAddress);
  }

  /** Whatever ran here is gone: sockets close, drives stop. It wakes if it slept. */
  restart(): void {
    for (const socket of [...this.#sockets.values()]) socket.close();
    for (const drive of [...this.#drives]) drive.stop();
    this.#asleepUntil = Number.NEGATIVE_INFINITY;
  }

  arrive(flight: Flight): void {
    if (this.#carrier.isCut(flight.sender, this)) return this.#carrier.drop("partitioned", flight);
    if (flight.to.host !== this.#address) return this.#carrier.drop("unreachable", flight);
    const { obstacle } = this;
    if (obstacle) return this.#carrier.drop(obstacle, flight);
    const socket = this.#sockets.get(flight.to.port);
    if (!socket) return this.#carrier.drop("closed", flight);
    socket.receive(flight);
  }

  release(port: number): void {
    this.#sockets.delete(port);
  }

  forget(drive: RunningMachine): void {
    this.#drives.delete(drive);
  }

  #freePort(): number {
    const { random } = this.#carrier.time;
    const ports = EPHEMERAL.high - EPHEMERAL.low;
    const first = random.below(ports);
    for (let tries = 0; tries < ports; tries++) {
      const port = EPHEMERAL.low + ((first + tries) % ports);
      if (!this.#sockets.has(port)) return port;
    }
    throw new DnetError("PORT_IN_USE", `every UDP port of ${this.name} is used`);
  }
}
