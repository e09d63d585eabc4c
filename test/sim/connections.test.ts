/**
 * Servers and clients behind every kind of NAT, over simulated time: who reaches whom, how soon, and why not. A connection counts when a
 * word was said and answered.
 */
import { expect, test } from "bun:test";
import { type Address, sameAddress } from "../../src/base/address.ts";
import { type KeyPair, keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { begin, connect, listen, SimEnd, type SimServer } from "../support/sim-connection.ts";
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

  constructor(seed: number, loss = 0, size = 30) {
    this.internet = new Internet({ seed, latencyMs: [10, 10], loss });
    this.#network = simNetwork(this.internet, size);
  }

  nat(kind: Kind): Nat | null {
    const behaviour = KINDS[kind];
    return behaviour && this.internet.addNat(behaviour);
  }

  stop(addresses: readonly Address[]): void {
    const gone = this.#network.filter(({ address }) => addresses.some((each) => sameAddress(each, address)));
    expect(gone).toHaveLength(addresses.length);
    for (const { host } of gone) host.offline();
  }

  /** A node that has joined, behind `nat` or with a public address. */
  join(nat: Nat | null): SimDhtNode {
    const bootstrap = [{ ...this.#network[0]!.address, suggested: null }];
    const node = new SimDhtNode(this.internet, this.internet.addHost(nat ? { behind: nat } : {}), { bootstrap });
    this.internet.runUntil(() => node.node.isReady, 60_000);
    return node;
  }

  /** A node that relays, or says that it does and admits nobody. */
  relay(admitsAll: boolean): Uint8Array {
    const node = this.join(null);
    const relay = node.node.connections.createRelay();
    return listen(this.internet, node, {
      admits: () => admitsAll,
      accept: (key, connection) => relay.accept(key, connection),
    }).publicKey;
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

const PAIRS = [
  ["cone", "linux"],
  ["linux", "linux"],
  ["linux", "cone"],
] as const;

test("OM-32 in a network of a node or two, too few to tell a NAT by, steady NATs are met all the same, and both ends hear it", () => {
  for (const size of [1, 2]) {
    for (const [client, server] of PAIRS) {
      const world = new World(6, 0, size);
      const ends = world.pair(client, server);
      const listening = listen(world.internet, ends.server);
      const { tookMs, failure } = connect(world.internet, ends.client, listening.publicKey);
      expect([size, client, server, failure]).toEqual([size, client, server, undefined]);
      expect(tookMs).toBeLessThan(3_000);
      expect(listening.ends.length).toBe(1);
    }
  }
});

test("OM-32 a NAT that takes one port after another is met by a steady one within a second, whoever calls", () => {
  const SEQUENTIAL = { ...RANDOM, ports: { sequential: 1 } };
  for (const seed of [1, 2, 3, 4, 5]) {
    for (const steady of [KINDS.cone, LINUX]) {
      for (const places of [[SEQUENTIAL, steady] as const, [steady, SEQUENTIAL] as const]) {
        const world = new World(seed);
        const [client, server] = places.map((place) => world.join(world.internet.addNat(place)));
        const { publicKey } = listen(world.internet, server!);
        const { tookMs, failure } = connect(world.internet, client!, publicKey);
        expect([seed, failure]).toEqual([seed, undefined]);
        expect(tookMs).toBeLessThan(1_000);
      }
    }
  }
});

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
  const right = connect(world.internet, ends.client, publicKey, { relayAddresses: relays });
  expect(right.tookMs).toBeLessThan(USUALLY_WITHIN_MS);
  const wrong = connect(world.internet, ends.client, publicKey, { relayAddresses: [{ host: "203.0.113.9", port: 1 }] });
  expect(wrong.tookMs).not.toBeNull();
});

test("a server that was reached before is reached a search sooner, and still when the nodes that led to it are gone", () => {
  const world = new World(7);
  const { internet } = world;
  const { client, server } = world.pair("linux", "linux");
  const { publicKey } = listen(internet, server);
  const first = connect(internet, client, publicKey);
  const again = connect(internet, client, publicKey);
  expect(again.tookMs!).toBeLessThan(first.tookMs! - 30);
  world.stop(server.node.connections.servers()[0]!.announcer.relays.map(({ relayAddress }) => relayAddress));
  internet.runFor(30_000);
  expect(connect(internet, client, publicKey).tookMs).not.toBeNull();
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

/** One attempt of the random ones, as its client has it. */
class Call {
  readonly end: SimEnd;
  readonly keyPair: KeyPair;
  readonly words: string[] = [];
  /** Its user gave it up, or its machine was restarted: nothing is promised of it any more. */
  isCancelled = false;

  constructor(
    readonly internet: Internet,
    readonly node: SimDhtNode,
    readonly server: SimServer,
    relayThrough: Uint8Array | null,
  ) {
    this.end = new SimEnd(internet);
    this.keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
    const { random } = internet;
    const { publicKey: remotePublicKey } = server;
    const ways = { relayAddresses: [], fastOpen: true, localConnection: true, relayThrough };
    const told = { keyPair: this.keyPair, remotePublicKey, ...ways };
    node.dht.input((now) => {
      const { end } = this;
      end.connection = node.node.connections.connect(now, told, end);
      for (let i = 0, count = 1 + random.below(5); i < count; i++) {
        this.words.push(`${i} ${"word ".repeat(random.below(random.chance(0.2) ? 2_000 : 10))}`);
        end.connection.send(now, new TextEncoder().encode(this.words[i]));
      }
      if (random.chance(0.5)) end.connection.end(now);
    });
  }

  get isOver(): boolean {
    return this.isCancelled || this.end.why !== undefined || this.end.heard.length === this.words.length;
  }

  cancel(): void {
    if (!this.isOver) this.isCancelled = true;
    this.node.dht.input((now) => this.end.connection.destroy(now));
  }

  /** What must be true of it, however it went. */
  check(): void {
    const { end, words, server } = this;
    const heard = end.heard.map((message) => new TextDecoder().decode(message));
    expect(heard).toEqual(words.slice(0, heard.length));
    if (heard.length === 0) return;
    const { handshakeHash, remotePublicKey } = end.connection.session!;
    expect(remotePublicKey).toEqual(server.publicKey);
    const others = server.ends.filter(
      (each) => each.connection.session?.handshakeHash.toHex() === handshakeHash.toHex(),
    );
    expect(others.map((each) => each.connection.session!.remotePublicKey)).toEqual([this.keyPair.publicKey]);
  }
}

const PLACES: readonly (Partial<NatBehaviour> | null)[] = [
  ...Object.values(KINDS),
  RFC_4787,
  { ...LINUX, ports: { sequential: 1 } },
];
const RANDOM_SEEDS = Number(Bun.env["DNET_SEEDS"] ?? 300);

for (let first = 1; first <= RANDOM_SEEDS; first += 50) {
  test(`OM-15 whatever the weather, the NATs and the users do, from seed ${first} on: no hang, no leak, one truth`, () => {
    for (let seed = first; seed < first + 50; seed++) goWild(seed);
  }, 120_000);
}

/** Throws what failed with its seed. */
function goWild(seed: number): void {
  try {
    const world = new World(seed, 0, 12);
    const { internet } = world;
    const { random } = internet;
    const place = () => {
      const behaviour = random.pick(PLACES);
      return behaviour && internet.addNat(behaviour);
    };
    const home = place();
    const server = world.join(home);
    const away = random.chance(0.1) ? home : place();
    const client = world.join(away);
    const keyPair = keyPairFromSeed(internet.freshRandom().bytes(32));
    const relay = random.chance(0.4) ? world.relay(random.chance(0.8)) : null;
    const relayThrough = random.chance(0.5) ? relay : null;
    const listening = listen(internet, server, { keyPair, relayThrough });
    const weather = { loss: random.between(0, 0.3), duplication: random.between(0, 0.2) };
    Object.assign(internet.conditions, weather, { reordering: random.between(0, 0.3), reorderMs: 60 });

    const calls: Call[] = [];
    const call = () => calls.push(new Call(internet, client, listening, random.chance(0.7) ? relay : null));
    call();
    for (let i = random.below(4); i > 0; i--) internet.after(random.between(0, 3_000), call);
    for (let i = random.below(3); i > 0; i--) {
      internet.after(random.between(0, 15_000), () => random.pick(calls).cancel());
    }
    if (random.chance(0.2)) {
      internet.after(random.between(0, 10_000), () => {
        server.host.restart();
        server.start();
        begin(internet, server, { keyPair, ends: listening.ends, relayThrough });
      });
    }
    if (random.chance(0.1)) {
      internet.after(random.between(0, 10_000), () => {
        for (const each of calls) each.isCancelled = true;
        client.host.restart();
        client.start();
      });
    }
    for (const nat of [home, away]) {
      if (nat && random.chance(0.2)) internet.after(random.between(0, 15_000), () => nat.reboot());
      if (nat && random.chance(0.2)) internet.after(random.between(0, 15_000), () => nat.renumber());
    }
    internet.runFor(15_000);
    internet.runUntil(() => calls.every(({ isOver }) => isOver), 150_000);
    for (const each of calls) {
      expect(each.isOver).toBe(true);
      each.check();
    }

    for (const each of calls) if (!each.isCancelled) each.cancel();
    internet.runFor(60_000); // a stream whose last word was lost ends by its keep-alives
    for (const { dht, node } of [client, server]) {
      for (const each of node.connections.servers()) dht.input((now) => node.connections.close(now, each));
    }
    const isIdle = ({ node, host }: SimDhtNode) => {
      const { servers, counts } = node.connections;
      const isNothing = Object.values(counts).every((count) => count === 0);
      return isNothing && servers.call(node.connections).length === 0 && host.openSockets === 2;
    };
    // After a long outage round trips seem long, and a stream whose other end is gone waits for its last repeat accordingly.
    internet.runUntil(() => [client, server].every(isIdle), 180_000);
    internet.runUntil(() => [client, server].every(({ node }) => node.connections.deadline() === Infinity), 20_000);
    for (const { node, host } of [client, server]) {
      const idle = { streams: 0, calling: 0, calls: 0, leavingSockets: 0 };
      expect([node.connections.counts, node.connections.servers(), host.openSockets]).toEqual([idle, [], 2]);
      expect(node.connections.deadline()).toBe(Infinity);
    }
    internet.runUntil(() => client.node.stats.pending === 0 && server.node.stats.pending === 0, 60_000);
    expect([client.node.stats.pending, server.node.stats.pending]).toEqual([0, 0]);
  } catch (cause) {
    throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}
