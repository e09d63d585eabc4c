/** A laboratory in real time: the router between the TUN devices of all hosts, and whoever disturbs it. */
import { Memory, monotonicMs, SyscallError } from "../../../ffi/libc.ts";
import { POLLIN, Poller } from "../../../ffi/poll.ts";
import { DnetError } from "../../base/error.ts";
import { systemChance } from "./chance.ts";
import { type LabEvent, labSocketPath, serveLab } from "./control.ts";
import { DEFAULT_HOPS, type LabDescription } from "./description.ts";
import { parseDisturbance } from "./disturbance.ts";
import { type LabHost, LabNamespaces } from "./namespaces.ts";
import { Router, type RouterCounters, type StationView } from "./router.ts";

export interface LabView {
  readonly schema: "dnet.lab/1";
  readonly pid: number;
  readonly hops: number;
  /** NATs before what stands behind them. */
  readonly stations: readonly (StationView & {
    /** Of a host, where its programs run; null for a NAT. */
    readonly namespace: string | null;
  })[];
  readonly counters: RouterCounters;
}

export interface LabRunOptions {
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly onReady: (view: LabView) => void;
}

const PACKET_BYTES = 65_536;
/** Of one host's, before the others have their turn. */
const PACKETS_PER_TURN = 64;
/**
 * How often signals and the control socket have their turn. The rest of the time this thread is in poll(): an event loop would
 * make packets wait for it, and a second thread would need an entry point of its own in the executable.
 */
const LOOK_UP_EVERY_MS = 5;

/** Makes a laboratory, runs it until the signal, and removes it. Throws DnetError when it cannot be made. */
export async function runLab(description: LabDescription, { signal, onReady }: LabRunOptions): Promise<void> {
  const router = new Router(description, systemChance);
  const names = Object.keys(description.hosts);
  const namespaces = await LabNamespaces.make(names, (host) => router.placementOf(host), labSocketPath(process.pid));
  try {
    const view = () => viewOf(router, namespaces, description.network?.hops ?? DEFAULT_HOPS);
    const control = serveLab({ view, disturb: (event) => disturb(router, namespaces, event) });
    try {
      onReady(view());
      await carry(router, namespaces.hosts, signal);
    } finally {
      await control.close();
    }
  } finally {
    await namespaces.close();
  }
}

function disturb(router: Router, namespaces: LabNamespaces, { name, event, words }: LabEvent): void {
  const disturbance = parseDisturbance(event, words);
  router.disturb(name, disturbance);
  const isPlaced = disturbance.event === "move" || disturbance.event === "renumber";
  const isHost = namespaces.hosts.some((host) => host.name === name);
  if (isPlaced && isHost) namespaces.place(name, router.placementOf(name));
}

function viewOf(router: Router, { hosts }: LabNamespaces, hops: number): LabView {
  const stations = router.stations(monotonicMs()).map((station) => {
    const host = hosts.find(({ name }) => name === station.name);
    return { ...station, namespace: host?.namespace ?? null };
  });
  return { schema: "dnet.lab/1", pid: process.pid, hops, stations, counters: router.counters };
}

async function carry(router: Router, hosts: readonly LabHost[], signal: AbortSignal): Promise<void> {
  const memory = new Memory(PACKET_BYTES);
  const poller = new Poller(hosts.length);
  const ends = hosts.map((host) => ({ ...host, slot: poller.add(host.tun.fd, POLLIN) }));
  const tuns = new Map(hosts.map(({ name, tun }) => [name, tun]));
  let lookUpAt = 0;
  while (!signal.aborted) {
    poller.wait(Math.min(router.deadline() - monotonicMs(), LOOK_UP_EVERY_MS));
    const now = monotonicMs();
    for (const { name, tun, slot } of ends) {
      if (poller.ready(slot) === 0) continue;
      for (let i = 0; i < PACKETS_PER_TURN; i++) {
        const length = readFrom({ name, tun }, memory);
        if (length === 0) break;
        router.receive(now, name, memory.bytes.slice(0, length));
      }
    }
    router.advance(now);
    for (const { host, packet } of router.drain()) {
      memory.bytes.set(packet);
      tuns.get(host)!.write(memory.address, packet.length); // refused while its interface is down: lost, as on a cable
    }
    if (now < lookUpAt) continue;
    await new Promise((resolve) => setImmediate(resolve));
    lookUpAt = now + LOOK_UP_EVERY_MS;
  }
}

function readFrom({ name, tun }: Pick<LabHost, "name" | "tun">, memory: Memory): number {
  try {
    return tun.read(memory.address, PACKET_BYTES);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new DnetError("LAB_BROKEN", `somebody has removed the host ${name}: ${cause.message}`, {
      hint: "dnet lab up, once more: it removes its namespaces itself",
      cause,
    });
  }
}
