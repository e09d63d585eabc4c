/**
 * A large network in simulated time: it forms, keys are announced, nodes leave, datagrams are lost, and lookups go on. What the
 * benchmark prints in a table for growing sizes, and a test asserts for a small one.
 */
import { sameBytes } from "../../src/base/bytes.ts";
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { announce, lookup } from "../../src/dht/operations.ts";
import { finish, type SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";

export interface PopulationOptions {
  readonly seed: number;
  readonly size: number;
  /** Of every datagram. */
  readonly loss: number;
  /** Of all nodes, spread over the hour. */
  readonly leavingPerHour: number;
  readonly keys: number;
  readonly lookups: number;
  /** How long lookups and departures go on. */
  readonly lastsMs: number;
}

export interface Population {
  readonly size: number;
  /** Until every node is persistent, in simulated milliseconds. */
  readonly formedMs: number;
  readonly lookups: number;
  /** Found the announced key. */
  readonly found: number;
  readonly meanHops: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanTableSize: number;
  readonly left: number;
  readonly deliveries: number;
  readonly wallSeconds: number;
}

/** A publisher announces again well before its record ends after 20 minutes. */
const ANNOUNCE_EVERY_MS = 10 * 60_000;
const HOUR_MS = 3_600_000;

interface Publication {
  readonly topic: Uint8Array;
  readonly keyPair: KeyPair;
  readonly publisher: SimDhtNode;
}

export function populate(options: PopulationOptions): Population {
  const startedAt = performance.now();
  const internet = new Internet({ seed: options.seed, loss: options.loss, jitterMs: 10 });
  const nodes = simNetwork(internet, options.size);
  const formedMs = internet.now;
  // Publishers stay: what a network owes them is that others leave.
  const publications = nodes.slice(1, 1 + options.keys).map((publisher) => publish(internet, publisher));
  const leaving = nodes.slice(1 + options.keys);
  const left = depart(internet, leaving, options);
  const hops: number[] = [];
  const latencies: number[] = [];
  let found = 0;
  const stay = nodes.slice(1, 1 + options.keys);
  for (let i = 0; i < options.lookups; i++) {
    const { topic, keyPair } = internet.random.pick(publications);
    const walk = finish(internet, internet.random.pick(stay).walk(lookup(topic)));
    const isFound = walk.items.some(({ peers }) => peers.some((peer) => sameBytes(peer.publicKey, keyPair.publicKey)));
    if (isFound) found++;
    hops.push(walk.query!.hops);
    latencies.push(walk.endedAt! - walk.startedAt);
    internet.runFor(options.lastsMs / options.lookups);
  }
  latencies.sort((a, b) => a - b);
  const tables = stay.map(({ node }) => node.contacts.table.size);
  return {
    size: options.size,
    formedMs,
    lookups: options.lookups,
    found,
    meanHops: mean(hops),
    p50Ms: latencies[Math.floor(latencies.length / 2)]!,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)]!,
    meanTableSize: mean(tables),
    left: left.count,
    deliveries: internet.carrier.delivered,
    wallSeconds: (performance.now() - startedAt) / 1000,
  };
}

function publish(internet: Internet, publisher: SimDhtNode): Publication {
  const random = internet.freshRandom();
  const publication = { topic: random.bytes(32), keyPair: keyPairFromSeed(random.bytes(32)), publisher };
  const { topic, keyPair } = publication;
  const again = () => {
    publisher.walk(announce({ topic, keyPair, relayAddresses: [], bump: 0 }));
    internet.after(ANNOUNCE_EVERY_MS, again);
  };
  finish(internet, publisher.walk(announce({ topic, keyPair, relayAddresses: [], bump: 0 })));
  internet.after(ANNOUNCE_EVERY_MS, again);
  return publication;
}

/** Nodes die without a word, evenly over the time. */
function depart(internet: Internet, nodes: SimDhtNode[], { leavingPerHour, size, lastsMs }: PopulationOptions) {
  const left = { count: 0 };
  const total = Math.floor((size * leavingPerHour * lastsMs) / HOUR_MS);
  for (let i = 0; i < Math.min(total, nodes.length); i++) {
    const node = nodes[i]!;
    internet.after((lastsMs * (i + 1)) / (total + 1), () => {
      node.host.restart(); // nothing is started again
      left.count++;
    });
  }
  return left;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
