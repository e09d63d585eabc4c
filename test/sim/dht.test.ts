/**
 * Networks of the product's own DHT nodes over simulated time: what becomes of them when the internet is as it is. Each test runs some
 * seeds; a failure says which.
 */
import { expect, test } from "bun:test";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import {
  announce,
  findNode,
  immutableGet,
  immutablePut,
  lookup,
  mutableGet,
  mutablePut,
} from "../../src/dht/operations.ts";
import { nodeId } from "../../src/dht/peer.ts";
import { finish, SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";
import { LINUX, RANDOM } from "./internet/nat-behaviour.ts";
import { TraceHash } from "./internet/trace-hash.ts";
import { populate } from "./population.ts";

const MINUTE_MS = 60_000;
const SEEDS = [1, 2, 3];
/** Between any two hosts whose lines have 25 ms. */
const ROUND_TRIP_MS = 100;

/** Fresh things to announce. */
function announcement(internet: Internet) {
  const random = internet.freshRandom();
  const keyPair = keyPairFromSeed(random.bytes(32));
  return { topic: random.bytes(32), keyPair, relayAddresses: [], bump: 0 };
}

function isFoundBy(internet: Internet, node: SimDhtNode, topic: Uint8Array): boolean {
  return finish(internet, node.walk(lookup(topic))).items.length > 0;
}

/** A node that joins as users' nodes do: adaptive, believed firewalled. */
function joiner(internet: Internet, network: readonly SimDhtNode[], host = internet.addHost()): SimDhtNode {
  return new SimDhtNode(internet, host, { bootstrap: [{ ...network[0]!.address, suggested: null }] });
}

test("NU-41 under 5 % loss and with nodes leaving, every announced key is found", () => {
  for (const seed of SEEDS) {
    const options = { loss: 0.05, leavingPerHour: 0.1, keys: 10, lookups: 200, lastsMs: 20 * MINUTE_MS };
    const { found, lookups, left } = populate({ seed, size: 120, ...options });
    expect({ seed, left, found }).toEqual({ seed, left: 4, found: lookups });
  }
}, 60_000);

test("the same seed gives the same course of events, datagram by datagram", () => {
  const run = (seed: number) => {
    const internet = new Internet({ seed, loss: 0.1, reordering: 0.05, duplication: 0.05 });
    const trace = new TraceHash();
    internet.carrier.observer = trace.observe;
    const network = simNetwork(internet, 30);
    finish(internet, network[3]!.walk(announce(announcement(internet))));
    internet.runFor(MINUTE_MS);
    return trace.digest;
  };
  expect(run(5)).toBe(run(5));
  expect(run(5)).not.toBe(run(6));
});

test("through loss, reordering and duplication values are stored and found", () => {
  for (const seed of SEEDS) {
    const internet = new Internet({ seed, loss: 0.2, reordering: 0.2, duplication: 0.2, jitterMs: 50 });
    const network = simNetwork(internet, 40);
    const value = internet.freshRandom().bytes(500);
    const keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
    const put = finish(internet, network[1]!.walk(immutablePut(value)));
    finish(internet, network[2]!.walk(mutablePut({ keyPair, seq: 1, value: value.subarray(0, 9) })));
    finish(internet, network[3]!.walk(mutablePut({ keyPair, seq: 2, value: value.subarray(0, 10) })));
    expect([seed, put.failure]).toEqual([seed, null]);
    const got = finish(internet, network[9]!.walk(immutableGet(put.query!.target)));
    expect(got.items[0]?.value.toHex()).toBe(value.toHex());
    const latest = finish(internet, network[8]!.walk(mutableGet(keyPair.publicKey, 0)));
    expect(Math.max(...latest.items.map(({ seq }) => seq))).toBe(2);
  }
});

test("OM-25 an announcement is found for 20 minutes and no longer, a value for 48 hours", () => {
  const internet = new Internet({ seed: 4 });
  const network = simNetwork(internet, 8);
  const announced = announcement(internet);
  finish(internet, network[1]!.walk(announce(announced)));
  const put = finish(internet, network[1]!.walk(immutablePut(Uint8Array.of(1, 2, 3))));
  const announcedAt = internet.now;
  internet.runFor(20 * MINUTE_MS - (internet.now - announcedAt) - 5_000);
  expect(isFoundBy(internet, network[2]!, announced.topic)).toBe(true);
  internet.runFor(10_000);
  expect(isFoundBy(internet, network[2]!, announced.topic)).toBe(false);
  expect(finish(internet, network[3]!.walk(immutableGet(put.query!.target))).items.length).toBeGreaterThan(0);
  internet.runFor(48 * 60 * MINUTE_MS);
  expect(finish(internet, network[3]!.walk(immutableGet(put.query!.target))).items).toEqual([]);
}, 60_000);

test("a network that was parted finds itself again when the parts can reach each other", () => {
  for (const seed of SEEDS) {
    const internet = new Internet({ seed });
    const network = simNetwork(internet, 60);
    const [west, east] = [network.slice(0, 30), network.slice(30)];
    internet.partition([west.map(({ host }) => host), east.map(({ host }) => host)]);
    internet.runFor(10 * MINUTE_MS);
    const announced = announcement(internet);
    finish(internet, east[4]!.walk(announce(announced)));
    expect([seed, isFoundBy(internet, west[4]!, announced.topic)]).toEqual([seed, false]);
    internet.heal();
    internet.runFor(15 * MINUTE_MS);
    finish(internet, east[4]!.walk(announce(announced)));
    for (const node of west) expect([seed, isFoundBy(internet, node, announced.topic)]).toEqual([seed, true]);
  }
}, 60_000);

test("a node that restarts while every bootstrap node is down rejoins by its saved list", () => {
  const internet = new Internet({ seed: 7 });
  const network = simNetwork(internet, 30);
  const [bootstrap, wanderer] = [network[0]!, network[9]!];
  const nodes = [...wanderer.node.contacts.table.nodes()].map(({ host, port }) => ({ host, port }));
  bootstrap.host.offline();
  wanderer.host.restart();
  wanderer.start({ nodes });
  internet.runUntil(() => wanderer.node.isReady, 30_000);
  const announced = announcement(internet);
  finish(internet, network[3]!.walk(announce(announced)));
  expect(isFoundBy(internet, wanderer, announced.topic)).toBe(true);
  // Whoever has no list, and whom nobody remembers, waits for the bootstrap node; then it joins at once.
  const stranger = joiner(internet, network);
  internet.runUntil(() => stranger.node.isReady, 60_000);
  internet.runFor(MINUTE_MS);
  expect(stranger.node.contacts.table.size).toBe(0);
  bootstrap.host.online();
  internet.runUntil(() => stranger.node.contacts.table.size >= 20, 30_000);
});

test("OM-31 a node learns what its NAT does: open, consistent or random", () => {
  const internet = new Internet({ seed: 8 });
  const network = simNetwork(internet, 30);
  const open = joiner(internet, network);
  const consistent = joiner(internet, network, internet.addHost({ behind: internet.addNat(LINUX) }));
  const random = joiner(internet, network, internet.addHost({ behind: internet.addNat(RANDOM) }));
  internet.runUntil(() => [open, consistent, random].every(({ node }) => node.isReady), 60_000);
  internet.runFor(MINUTE_MS);
  expect([open, consistent, random].map(({ node }) => node.firewall)).toEqual(["open", "consistent", "random"]);
  expect(open.node.remoteAddress).toEqual(open.address);
  expect(consistent.node.remoteAddress).toBeNull();
});

test("OM-26 a node becomes persistent after twenty uneventful minutes, and only if strangers reach it", () => {
  const internet = new Internet({ seed: 9 });
  const network = simNetwork(internet, 30);
  const open = joiner(internet, network);
  const natted = joiner(internet, network, internet.addHost({ behind: internet.addNat(LINUX) }));
  internet.runFor(19 * MINUTE_MS);
  expect([open.node.isEphemeral, natted.node.isEphemeral]).toEqual([true, true]);
  internet.runFor(2 * MINUTE_MS);
  expect([open.node.isEphemeral, natted.node.isEphemeral]).toEqual([false, true]);
  expect(open.node.id?.toHex()).toBe(nodeId(open.address).toHex());
  internet.runFor(120 * MINUTE_MS);
  expect(natted.node.isEphemeral).toBe(true);
  // By now others know it, so announcements reach it too.
  const { items } = finish(internet, network[4]!.walk(findNode(open.node.id!)));
  expect(items.some(({ from }) => from.host === open.host.address)).toBe(true);
}, 60_000);

test("OM-35 after sleep a node is ephemeral again, and finds the network at once", () => {
  const internet = new Internet({ seed: 10 });
  const network = simNetwork(internet, 30);
  const node = joiner(internet, network);
  internet.runFor(25 * MINUTE_MS);
  expect(node.node.isEphemeral).toBe(false);
  node.host.sleep(8 * 60 * MINUTE_MS);
  internet.runFor(8 * 60 * MINUTE_MS + 30_000);
  expect(node.events.slice(-2)).toContain("wakeup");
  expect(node.node.isEphemeral).toBe(true);
  const announced = announcement(internet);
  finish(internet, network[4]!.walk(announce(announced)));
  expect(isFoundBy(internet, node, announced.topic)).toBe(true);
}, 60_000);

test("a node whose NAT forgot its mappings, or got another address, goes on", () => {
  for (const seed of SEEDS) {
    const internet = new Internet({ seed });
    const network = simNetwork(internet, 30);
    const nat = internet.addNat(LINUX);
    const node = joiner(internet, network, internet.addHost({ behind: nat }));
    internet.runFor(5 * MINUTE_MS);
    for (const disturb of [() => nat.reboot(), () => nat.renumber()]) {
      disturb();
      const announced = announcement(internet);
      finish(internet, node.walk(announce(announced)));
      expect([seed, isFoundBy(internet, network[5]!, announced.topic)]).toEqual([seed, true]);
      internet.runFor(5 * MINUTE_MS);
      expect(isFoundBy(internet, node, announced.topic)).toBe(true);
    }
  }
});

test("half the nodes die at once, and the rest find each other's announcements", () => {
  for (const seed of SEEDS) {
    const internet = new Internet({ seed, loss: 0.02 });
    const network = simNetwork(internet, 80);
    for (const { host } of network.slice(40)) host.restart();
    internet.runFor(MINUTE_MS);
    const announced = announcement(internet);
    finish(internet, network[1]!.walk(announce(announced)));
    for (const node of network.slice(2, 12))
      expect([seed, isFoundBy(internet, node, announced.topic)]).toEqual([seed, true]);
  }
}, 60_000);

test("OM-37 on the public internet a stranger's first request costs it one round trip more, and then no more", () => {
  const internet = new Internet({ seed: 11, latencyMs: [25, 25] });
  const network = simNetwork(internet, 30, { isPublic: true });
  const [ask, target] = [network[0]!.address, internet.freshRandom().bytes(32)];
  const visitor = new SimDhtNode(internet, internet.addHost(), { isEphemeral: true });
  const { query, item } = findNode(target);
  const lasted = [1, 2, 3].map(() => {
    const walk = finish(internet, visitor.walk({ query: { ...query, nodes: [ask], onlyTheseNodes: true }, item }));
    return Math.round((walk.endedAt! - walk.startedAt) / ROUND_TRIP_MS);
  });
  expect(lasted).toEqual([2, 1, 1]);
});
