/** What replicas cost that share a store: all of it, one transaction, some. In memory, in simulated time. */
import { readFileSync, writeFileSync } from "node:fs";
import { VerifyAhead } from "../../src/io/verify/ahead.ts";
import { SeededRandom } from "../support/random.ts";
import { LATENCY_MS, Owner, Replicas } from "../support/replicas.ts";

const REPLICAS = 100;
const LINKS_EACH = 6;

export interface FullSync {
  readonly seconds: number;
  readonly sentBytes: number;
  /** Of the transactions and bodies themselves. */
  readonly heldBytes: number;
  /** How much more memory the process had at most than before, the new store included. */
  readonly peakBytes: number;
}

/** A dnet of so many members goes from one replica to one that has nothing. */
export function syncAll(members: number): FullSync {
  const net = new Replicas();
  const ahead = new VerifyAhead();
  const [home, away] = [net.add(), net.add({ ahead })];
  const { record } = write(net, home, members);
  Bun.gc(true);
  writeFileSync("/proc/self/clear_refs", "5"); // the peak begins anew (proc_pid_clear_refs(5))
  const before = memory("VmRSS");
  const began = performance.now();
  net.connect(home, away);
  net.run();
  const seconds = (performance.now() - began) / 1_000;
  const peakBytes = memory("VmHWM") - before;
  ahead.close();
  expectSame(net);
  return { seconds, sentBytes: sent(net), heldBytes: net.stores[away]!.bytesOf(record), peakBytes };
}

export interface Spread {
  /** Simulated, until the last has it. */
  readonly ms: number;
  readonly hops: number;
  /** To the farthest: no protocol needs fewer. */
  readonly leastHops: number;
  readonly bytesEach: number;
  readonly size: number;
}

/** One transaction among a hundred replicas, each with some links. */
export function spreadOne(seed: number): Spread {
  const random = new SeededRandom(seed);
  const net = new Replicas();
  while (net.stores.length < REPLICAS) net.add();
  const owner = write(net, 0, 50);
  for (let at = 0; at < REPLICAS; at++) {
    for (let i = 0; i < LINKS_EACH / 2; i++) {
      const to = i === 0 ? (at + 1) % REPLICAS : random.below(REPLICAS);
      if (to !== at && !net.isLinked(at, to)) net.connect(at, to);
    }
  }
  net.run(net.now + 60_000);
  expectSame(net);
  const [bytes, outputs, began] = [sent(net), net.outputs.length, net.now];
  const step = owner.add();
  net.submit(0, step);
  net.run(net.now + 10_000);
  expectSame(net);
  const heard = net.outputs.slice(outputs).filter(({ output }) => output.type === "news");
  const ms = Math.max(...heard.map(({ time }) => time)) - began;
  const leastHops = Math.max(...net.distances(0));
  const size = step.bytes.length + step.body!.length;
  return { ms, hops: ms / LATENCY_MS, leastHops, bytesEach: (sent(net) - bytes) / REPLICAS, size };
}

/** What goes over the wire for `news` transactions, to a replica that has all of the `held` before; their own bytes, and all. */
export function fetchNews(held: number, news: number): { readonly own: number; readonly all: number } {
  const net = new Replicas();
  const [home, away] = [net.add(), net.add()];
  const owner = write(net, home, held);
  net.connect(home, away);
  net.run();
  net.cut(home);
  let own = 0;
  for (let i = 0; i < news; i++) {
    const step = owner.add();
    net.submit(home, step);
    own += step.bytes.length + step.body!.length;
  }
  const before = sent(net);
  net.connect(home, away);
  net.run();
  expectSame(net);
  return { own, all: sent(net) - before };
}

function write(net: Replicas, at: number, members: number): Owner {
  const owner = new Owner(7);
  net.stores[at]!.atomically(() => {
    net.submit(at, ...owner.first);
    for (let i = 0; i < members; i++) net.submit(at, owner.add());
  });
  return owner;
}

function sent(net: Replicas): number {
  return net.sent.reduce((sum, { bytes }) => sum + bytes, 0);
}

function expectSame(net: Replicas): void {
  const states = new Set(net.stores.map((_, at) => net.state(at)));
  if (states.size > 1) throw new Error("the replicas have not come together");
}

/** A field of /proc/self/status, in bytes. */
function memory(field: "VmRSS" | "VmHWM"): number {
  const status = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)![1]) * 1_024;
}
