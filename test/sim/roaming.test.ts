/** Connections between two dnets while either end's address changes, over simulated time: the stream goes on within three seconds, whole. */
import { expect, test } from "bun:test";
import { connect, listen } from "../support/sim-connection.ts";
import { SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";
import type { Nat } from "./internet/nat.ts";
import { LINUX, type NatBehaviour, RFC_4787 } from "./internet/nat-behaviour.ts";

const WITHIN_MS = 3_000;
/** Where a question, or its answer, is lost now and then: each time costs a second. */
const LOSSY_WITHIN_MS = 6_000;
const SAY_EVERY_MS = 50;

const CONE: Partial<NatBehaviour> = { ...RFC_4787, filtering: "address-and-port-dependent" };
const PLACES = { open: null, cone: CONE, linux: LINUX } satisfies { [name: string]: Partial<NatBehaviour> | null };
type Place = keyof typeof PLACES;

interface End {
  readonly node: SimDhtNode;
  nat: Nat | null;
}

class World {
  readonly internet: Internet;
  readonly #network: SimDhtNode[];

  constructor(seed: number, loss = 0) {
    this.internet = new Internet({ seed, latencyMs: [10, 10], loss });
    this.#network = simNetwork(this.internet, 30);
  }

  join(place: Place): End {
    const behaviour = PLACES[place];
    const nat = behaviour && this.internet.addNat(behaviour);
    const bootstrap = [{ ...this.#network[0]!.address, suggested: null }];
    const node = new SimDhtNode(this.internet, this.internet.addHost(nat ? { behind: nat } : {}), { bootstrap });
    this.internet.runUntil(() => node.node.isReady, 60_000);
    return { node, nat };
  }

  /** To another network of the same kind, as a phone goes from one to the next; the machine sees it within a second. */
  move(end: End, place: Place): void {
    const behaviour = PLACES[place];
    end.nat = behaviour && this.internet.addNat(behaviour);
    if (end.nat) end.node.host.move(end.nat);
    else end.node.host.move();
    this.internet.after(700, () => end.node.dht.input((now) => end.node.node.networkChanged(now)));
  }

  reconnect(end: End): void {
    if (end.nat) end.nat.renumber();
    else this.move(end, "open");
  }
}

const EVENTS = {
  "its NAT forgets": (_world: World, end: End) => end.nat?.reboot(),
  "its provider gives it another address": (world: World, end: End) => world.reconnect(end),
  "it goes to another network": (world: World, end: End) => world.move(end, end.nat ? "cone" : "open"),
} satisfies { [name: string]: (world: World, end: End) => void };

/**
 * Both ends talk all the time, or one does; returns the longest silence at either. Throws when a word is lost, doubled or out of order.
 */
function talk(world: World, client: End, server: End, who: "both" | "client" | "server", happen: () => void): number {
  const { internet } = world;
  const listening = listen(internet, server.node);
  const { end, failure } = connect(internet, client.node, listening.publicKey);
  expect(failure).toBeUndefined();
  const other = listening.ends[0]!;
  other.message = (_now, _connection, message) => void other.heard.push(message);
  const ends = [
    { node: client.node, end, from: end.heard.length, said: 0, talks: who !== "server" },
    { node: server.node, end: other, from: other.heard.length, said: 0, talks: who !== "client" },
  ];
  let longest = 0;
  const heardAt = [internet.now, internet.now];
  const counts = [0, 0];
  const speak = (forMs: number) => {
    for (const until = internet.now + forMs; internet.now < until; ) {
      for (const each of ends) {
        if (!each.talks) continue;
        const word = new TextEncoder().encode(`${each.said++};`);
        each.node.dht.input((now) => each.end.connection.send(now, word));
      }
      internet.runFor(SAY_EVERY_MS);
      for (const [i, each] of ends.entries()) {
        if (each.end.heard.length > counts[i]!) heardAt[i] = internet.now;
        counts[i] = each.end.heard.length;
        if (ends[1 - i]!.talks) longest = Math.max(longest, internet.now - heardAt[i]!);
      }
    }
  };
  speak(3_000);
  longest = 0;
  happen();
  speak(8_000);
  const silence = longest;
  internet.runFor(5_000);
  for (const [i, each] of ends.entries()) {
    const words = each.end.heard.slice(each.from).map((message) => new TextDecoder().decode(message));
    const { said } = ends[1 - i]!;
    expect([each.end.why, words.join("")]).toEqual([
      undefined,
      Array.from({ length: said }, (_, k) => `${k};`).join(""),
    ]);
  }
  return silence;
}

for (const [event, happen] of Object.entries(EVENTS)) {
  for (const whose of ["client", "server"] as const) {
    test(`a stream goes on within 3 s, whole, when of its ${whose} ${event}`, () => {
      const slow: unknown[] = [];
      for (const client of Object.keys(PLACES) as Place[]) {
        for (const server of Object.keys(PLACES) as Place[]) {
          for (const who of ["both", "client", "server"] as const) {
            if ((whose === "client" ? client : server) === "open" && event.includes("NAT")) continue;
            const world = new World(1);
            const ends = { client: world.join(client), server: world.join(server) };
            const silence = talk(world, ends.client, ends.server, who, () => happen(world, ends[whose]));
            if (silence > WITHIN_MS) slow.push({ client, server, who, silence });
          }
        }
      }
      expect(slow).toEqual([]);
    }, 60_000);
  }
}

test("a stream goes on, whole, when its ends' provider gives them other addresses and one datagram in twenty is lost", () => {
  const slow: unknown[] = [];
  for (let seed = 4; seed <= 13; seed++) {
    for (const whose of ["client", "server"] as const) {
      for (const who of ["both", "client", "server"] as const) {
        const world = new World(seed, 0.05);
        const ends = { client: world.join("cone"), server: world.join("cone") };
        const silence = talk(world, ends.client, ends.server, who, () => world.reconnect(ends[whose]));
        if (silence > LOSSY_WITHIN_MS) slow.push({ seed, whose, who, silence });
      }
    }
  }
  expect(slow).toEqual([]);
}, 60_000);
