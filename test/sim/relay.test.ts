/** Peers that a blind relay joins, over simulated time: as long as there is no direct path, and not longer. */
import { expect, test } from "bun:test";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import type { Connection } from "../../src/dht/connection.ts";
import { connect, listen, type SimServer } from "../support/sim-connection.ts";
import { SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import type { Flight } from "./internet/flight.ts";
import { Internet } from "./internet/internet.ts";
import { LINUX, type NatBehaviour, RANDOM } from "./internet/nat-behaviour.ts";

type Kind = Partial<NatBehaviour> | null;

class World {
  readonly internet: Internet;
  readonly #network: SimDhtNode[];
  /** With a public address. */
  readonly relay: SimDhtNode;
  readonly relayKey: Uint8Array;
  readonly blind;
  readonly #sessions: Connection[] = [];

  constructor(seed: number, { admits = (_key: Uint8Array): boolean => true, loss = 0 } = {}) {
    this.internet = new Internet({ seed, latencyMs: [10, 10], loss });
    this.#network = simNetwork(this.internet, 30);
    this.relay = this.join(null);
    this.blind = this.relay.node.connections.createRelay();
    this.relayKey = listen(this.internet, this.relay, {
      admits,
      accept: (key, connection) => {
        this.#sessions.push(connection);
        return this.blind.accept(key, connection);
      },
    }).publicKey;
  }

  join(nat: Kind): SimDhtNode {
    const bootstrap = [{ ...this.#network[0]!.address, suggested: null }];
    const host = this.internet.addHost(nat ? { behind: this.internet.addNat(nat) } : {});
    const node = new SimDhtNode(this.internet, host, { bootstrap });
    this.internet.runUntil(() => node.node.isReady, 60_000);
    return node;
  }

  /** The relay drops everyone. */
  dropAll(): void {
    this.relay.dht.input((now) => {
      for (const connection of this.#sessions) connection.destroy(now);
    });
  }

  get pathOf() {
    return (server: SimServer) => (server.ends[0]!.connection.path.isRelayed ? "relayed" : "direct");
  }
}

for (const whose of ["client", "server"] as const) {
  test(`OM-34 two random NATs are joined by the ${whose}'s relay, within half a second, and talk both ways`, () => {
    for (const seed of [1, 2, 3]) {
      const world = new World(seed);
      const [client, node] = [world.join(RANDOM), world.join(RANDOM)];
      const relayThrough = whose === "server" ? world.relayKey : null;
      const server = listen(world.internet, node, { relayThrough });
      const attempt = connect(world.internet, client, server.publicKey, {
        relayThrough: whose === "client" ? world.relayKey : null,
      });
      expect([seed, attempt.failure, attempt.end.text]).toEqual([seed, undefined, "hello"]);
      expect(attempt.tookMs).toBeLessThan(500);
      world.internet.runFor(60_000);
      const { connection } = attempt.end;
      expect([connection.path.isRelayed, connection.trace.reason]).toEqual([true, "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"]);
      expect(world.pathOf(server)).toBe("relayed");
      expect(world.blind.counts).toEqual({ peers: 2, pairs: 1, waiting: 0 });
      client.dht.input((now) => connection.destroy(now));
      world.internet.runFor(20_000);
      expect(world.blind.counts).toEqual({ peers: 0, pairs: 0, waiting: 0 });
      expect(server.ends[0]!.why).toBe("reset");
    }
  });
}

test("OM-16 what passes a relay holds none of what is said, and a bit that it turns ends the stream", () => {
  const world = new World(7);
  const { internet } = world;
  const [client, node] = [world.join(RANDOM), world.join(RANDOM)];
  const server = listen(internet, node, {});
  const secret = "the words that nobody else may read ".repeat(3);
  const passed: string[] = [];
  const isAtRelay = ({ from, to }: Flight) =>
    from.host === world.relay.host.address || to.host === world.relay.host.address;
  internet.carrier.observer = (_now, _fate, flight) => {
    if (isAtRelay(flight)) passed.push(Buffer.from(flight.datagram).toString("latin1"));
  };
  const { end } = connect(internet, client, server.publicKey, { relayThrough: world.relayKey });
  client.dht.input((now) => end.connection.send(now, new TextEncoder().encode(secret)));
  internet.runFor(2_000);
  expect([end.text, end.connection.path.isRelayed]).toEqual([`hello${secret}`, true]);
  expect(passed.length).toBeGreaterThan(20);
  expect(passed.filter((bytes) => bytes.includes("hello") || bytes.includes(secret.slice(0, 8)))).toEqual([]);
  let hasTurned = false;
  internet.carrier.observer = (_now, _fate, flight) => {
    const { datagram, from } = flight;
    if (hasTurned || from.host !== world.relay.host.address || datagram.length < 140) return;
    datagram[100]! ^= 1;
    hasTurned = true;
  };
  client.dht.input((now) => end.connection.send(now, new TextEncoder().encode(secret)));
  internet.runFor(2_000);
  expect([hasTurned, server.ends[0]!.why]).toEqual([true, "broken"]);
});

test("OM-34 what a relay carries moves to the direct path as soon as there is one, and nothing is lost on the way", () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const world = new World(seed, { loss: seed % 2 === 0 ? 0.05 : 0 });
    const [client, node] = [world.join(LINUX), world.join(LINUX)];
    const server = listen(world.internet, node, {});
    const attempt = connect(world.internet, client, server.publicKey, { relayThrough: world.relayKey });
    const { connection } = attempt.end;
    for (let i = 0; i < 200; i++) {
      client.dht.input((now) => connection.send(now, new TextEncoder().encode(`,${i}`)));
      world.internet.runFor(20);
    }
    world.internet.runFor(60_000); // the relay may not have heard a farewell
    expect(attempt.end.text).toBe(`hello${Array.from({ length: 200 }, (_, i) => `,${i}`).join("")}`);
    expect([seed, connection.path.isRelayed, world.pathOf(server)]).toEqual([seed, false, "direct"]);
    expect(world.blind.counts).toEqual({ peers: 0, pairs: 0, waiting: 0 });
  }
});

test("OM-34 a relay that does not admit us, or is not there, costs nothing where there is a direct path", () => {
  const world = new World(3, { admits: () => false });
  const [client, node] = [world.join(LINUX), world.join(LINUX)];
  const server = listen(world.internet, node, {});
  for (const relayThrough of [world.relayKey, keyPairFromSeed(new Uint8Array(32)).publicKey]) {
    const { tookMs, end } = connect(world.internet, client, server.publicKey, { relayThrough });
    expect(tookMs).toBeLessThan(500);
    world.internet.runFor(30_000);
    expect([end.why, end.connection.path.isRelayed]).toEqual([undefined, false]);
  }
});

test("OM-34 without a direct path, a relay that does not admit us is named as the reason", () => {
  const world = new World(4, { admits: () => false });
  const [client, node] = [world.join(RANDOM), world.join(RANDOM)];
  const server = listen(world.internet, node, {});
  const { failure, end } = connect(world.internet, client, server.publicKey, { relayThrough: world.relayKey });
  expect(failure).toBe("RELAY_ABORTED");
  expect(end.connection.trace.reason).toBe("HOLEPUNCH_DOUBLE_RANDOMIZED_NATS");
});

test("OM-34 when the relay drops what it carries, both ends have it carry them again, and nothing is lost", () => {
  const world = new World(5);
  const [client, node] = [world.join(RANDOM), world.join(RANDOM)];
  const server = listen(world.internet, node, {});
  const { end } = connect(world.internet, client, server.publicKey, { relayThrough: world.relayKey });
  world.internet.runFor(5_000);
  world.dropAll();
  for (let i = 0; i < 100; i++) {
    client.dht.input((now) => end.connection.send(now, new TextEncoder().encode(`,${i}`)));
    world.internet.runFor(50);
  }
  world.internet.runFor(5_000);
  expect(end.text).toBe(`hello${Array.from({ length: 100 }, (_, i) => `,${i}`).join("")}`);
  expect([end.connection.path.isRelayed, world.blind.counts]).toEqual([true, { peers: 2, pairs: 1, waiting: 0 }]);
});

test("OM-34 when the relay is gone for good, what it alone carried ends, and what has moved goes on", () => {
  for (const kind of [RANDOM, LINUX]) {
    const world = new World(5);
    const [client, node] = [world.join(kind), world.join(kind)];
    const server = listen(world.internet, node, {});
    const { end } = connect(world.internet, client, server.publicKey, { relayThrough: world.relayKey });
    world.internet.runFor(5_000);
    world.relay.host.offline();
    world.internet.runFor(60_000);
    const isOver = kind === RANDOM;
    expect([end.why, server.ends[0]!.why]).toEqual(isOver ? ["timeout", "timeout"] : [undefined, undefined]);
  }
});

test("a server calls no relay that a stranger names", () => {
  const world = new World(6);
  const [client, node] = [world.join(RANDOM), world.join(RANDOM)];
  const server = listen(world.internet, node, { mayRelay: () => false });
  const { failure } = connect(world.internet, client, server.publicKey, { relayThrough: world.relayKey });
  expect(failure).toBe("RELAY_ABORTED");
  world.internet.runFor(1_000);
  expect(world.blind.counts).toEqual({ peers: 0, pairs: 0, waiting: 0 });
  expect(server.ends).toHaveLength(0);
});
