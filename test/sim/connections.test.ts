/**
 * Servers and clients behind every kind of NAT, over simulated time: who reaches whom, how soon, and why not. A connection counts when a
 * word was said and answered.
 */
import { expect, test } from "bun:test";
import { connect, listen } from "../support/sim-connection.ts";
import { SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";
import type { Nat } from "./internet/nat.ts";
import { LINUX, type NatBehaviour, RANDOM, RFC_4787 } from "./internet/nat-behaviour.ts";

const SEEDS = [1, 2, 3];

/** Kinds of places to stand in; null is a public address. */
const KINDS = {
  open: null,
  cone: { ...RFC_4787, filtering: "address-and-port-dependent" },
  linux: LINUX,
  random: RANDOM,
} satisfies { readonly [name: string]: Partial<NatBehaviour> | null };
type Kind = keyof typeof KINDS;

/** How soon a path is open at 40 ms of round trip: a search, a handshake through a relay, and what the NATs ask for. */
const WITHIN_MS: { readonly [pair: string]: number } = {
  "random cone": 40_000,
  "random linux": 40_000,
  "cone random": 40_000,
  "linux random": 40_000,
};
const USUALLY_WITHIN_MS = 500;

class World {
  readonly internet: Internet;
  readonly #network: SimDhtNode[];

  constructor(seed: number, loss = 0) {
    this.internet = new Internet({ seed, latencyMs: [10, 10], loss });
    this.#network = simNetwork(this.internet, 30);
  }

  nat(kind: Kind): Nat | null {
    const behaviour = KINDS[kind];
    return behaviour && this.internet.addNat(behaviour);
  }

  /** A node that has joined, behind `nat` or with a public address. */
  join(nat: Nat | null): SimDhtNode {
    const bootstrap = [{ ...this.#network[0]!.address, suggested: null }];
    const node = new SimDhtNode(this.internet, this.internet.addHost(nat ? { behind: nat } : {}), { bootstrap });
    this.internet.runUntil(() => node.node.isReady, 60_000);
    return node;
  }

  pair(client: Kind, server: Kind): { client: SimDhtNode; server: SimDhtNode } {
    return { client: this.join(this.nat(client)), server: this.join(this.nat(server)) };
  }
}

for (const client of Object.keys(KINDS) as Kind[]) {
  for (const server of Object.keys(KINDS) as Kind[]) {
    const isHopeless = client === "random" && server === "random";
    const name = isHopeless ? "ends with the reason" : "opens a path that carries both ways";
    test(`OM-32 a ${client} client and a ${server} server: ${name}`, () => {
      for (const seed of SEEDS) {
        const world = new World(seed);
        const ends = world.pair(client, server);
        const { publicKey } = listen(world.internet, ends.server);
        const { tookMs, failure } = connect(world.internet, ends.client, publicKey);
        if (isHopeless) expect([seed, failure]).toEqual([seed, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"]);
        else {
          expect([seed, failure]).toEqual([seed, undefined]);
          expect(tookMs).toBeLessThan(WITHIN_MS[`${client} ${server}`] ?? USUALLY_WITHIN_MS);
        }
      }
    });
  }
}

test("through loss of one datagram in ten every path that can be opened is, sooner or later", () => {
  let opened = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const world = new World(seed, 0.1);
    const ends = world.pair(seed % 2 === 0 ? "cone" : "linux", seed % 3 === 0 ? "cone" : "linux");
    const { publicKey } = listen(world.internet, ends.server);
    if (connect(world.internet, ends.client, publicKey).tookMs !== null) opened++;
  }
  expect(opened).toBe(30);
}, 30_000);

test("two behind one NAT that does not hairpin reach each other by their own addresses", () => {
  const world = new World(4);
  const nat = world.internet.addNat({ ...LINUX, hairpins: false });
  const [server, client] = [world.join(nat), world.join(nat)];
  const { publicKey } = listen(world.internet, server);
  const { tookMs, end } = connect(world.internet, client, publicKey);
  expect(tookMs).not.toBeNull();
  expect(end.connection.remote!.host).toBe(server.host.address);
});

test("OM-14 a key that nobody listens under is not found, within seconds", () => {
  const world = new World(5);
  const client = world.join(null);
  const startedAt = world.internet.now;
  const { failure } = connect(world.internet, client, world.internet.freshRandom().bytes(32));
  expect(failure).toBe("PEER_NOT_FOUND");
  expect(world.internet.now - startedAt).toBeLessThan(10_000);
});

test("OM-46 with the right relays the server is reached through them, with wrong ones it is looked for", () => {
  const world = new World(6);
  const ends = world.pair("linux", "linux");
  const { publicKey } = listen(world.internet, ends.server);
  const relays = ends.server.node.connections.servers()[0]!.announcer.relays.map(({ relayAddress }) => relayAddress);
  expect(relays).toHaveLength(3);
  const right = connect(world.internet, ends.client, publicKey, relays);
  expect(right.tookMs).toBeLessThan(USUALLY_WITHIN_MS);
  const wrong = connect(world.internet, ends.client, publicKey, [{ host: "203.0.113.9", port: 1 }]);
  expect(wrong.tookMs).not.toBeNull();
});

test("OM-20 a server is found for hours, whatever its NAT forgets and wherever it goes", () => {
  const world = new World(7);
  const { internet } = world;
  const nat = world.nat("linux")!;
  const server = world.join(nat);
  const { publicKey } = listen(internet, server);
  for (const disturb of [() => internet.runFor(3 * 3_600_000), () => nat.reboot(), () => nat.renumber()]) {
    disturb();
    internet.runFor(10_000);
    const client = world.join(world.nat("cone"));
    expect(connect(internet, client, publicKey).tookMs).not.toBeNull();
  }
}, 60_000);

test("a server that was cut off for 20 s is reached within 10 s of its return", () => {
  const world = new World(8);
  const { internet } = world;
  const server = world.join(world.nat("linux"));
  const { publicKey } = listen(internet, server);
  server.host.offline();
  internet.runFor(20_000);
  server.host.online();
  internet.runFor(10_000);
  expect(connect(internet, world.join(null), publicKey).tookMs).not.toBeNull();
});

test("OM-11 a server with a public address that changes is reached within 30 s, and is persistent again in time", () => {
  const world = new World(9);
  const { internet } = world;
  const server = world.join(null);
  internet.runFor(25 * 60_000);
  expect(server.node.isEphemeral).toBe(false);
  const { publicKey } = listen(internet, server);
  server.host.move();
  internet.runFor(30_000);
  expect(server.node.remoteAddress).toEqual(server.address);
  const { tookMs } = connect(internet, world.join(world.nat("linux")), publicKey);
  expect(tookMs).toBeLessThan(USUALLY_WITHIN_MS);
  internet.runFor(25 * 60_000);
  expect(server.node.isEphemeral).toBe(false);
}, 60_000);
