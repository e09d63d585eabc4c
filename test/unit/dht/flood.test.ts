/** What random, mutated and hostile datagrams do to a node: nothing that lasts. */
import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { DhtNodeOptions } from "../../../src/dht/node-options.ts";
import { findNode } from "../../../src/dht/operations.ts";
import { nodeId } from "../../../src/dht/peer.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { encodeAddresses, encodeResponse, REQUEST, RESPONSE } from "../../../src/wire/rpc.ts";
import { HERE, LoneNode, requestTo, type SentDatagram } from "../../support/lone-node.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const DATAGRAMS = 100_000;
const PER_MS = 10; // ten thousand a second
const MAX_HEAP_GROWTH_BYTES = 8 * 2 ** 20;

/** Whole messages of every kind, to be mutated. */
const genuine = [
  ...vectors<{ steps: { in: string }[] }>("persistentNode").steps.map((step) => step.in),
  ...Object.values(vectors<{ [name: string]: { packets: { hex: string }[] } }>("captures"))
    .flatMap(({ packets }) => packets.map(({ hex }) => hex))
    .filter((hex) => hex.startsWith("03") || hex.startsWith("13")),
].map((hex) => Uint8Array.fromHex(hex));

const friend = (i: number): Address => ({ host: `30.0.${i}.1`, port: 4_000 });
const FRIENDS = 10;
const modes: { [mode: string]: Partial<DhtNodeOptions> } = {
  "an ephemeral node": { isEphemeral: true },
  "a node that would be persistent": { stableTicks: 1, bootstrap: [{ ...friend(0), suggested: null }] },
  "a persistent node": { isEphemeral: false, isFirewalled: false, publicAddress: HERE },
  "a persistent node on the public internet": {
    isEphemeral: false,
    isFirewalled: false,
    publicAddress: HERE,
    isPublic: true,
  },
};

/** A stranger's datagram: noise, a mutated message, or a whole one with the sender's own id. */
function hostileDatagram(random: SeededRandom, from: Address): Uint8Array {
  const choice = random.below(10);
  if (choice < 2) {
    const bytes = random.bytes(random.below(random.chance(0.1) ? 2_048 : 120));
    if (bytes.length > 0 && random.chance(0.8)) bytes[0] = random.pick([REQUEST, RESPONSE]);
    return bytes;
  }
  if (choice === 2) {
    const value = random.chance(0.5) ? random.bytes(random.below(60)) : null;
    const [id, target] = [nodeId(from), random.chance(0.7) ? random.bytes(32) : null];
    return requestTo({ id, target, value, isInternal: random.chance(0.5), command: random.below(11) });
  }
  const bytes = random.pick(genuine).slice(0, random.chance(0.2) ? random.below(120) : 2_048);
  for (let changes = random.below(4); changes > 0 && bytes.length > 0; changes--) {
    bytes[random.below(bytes.length)] = random.chance(0.5) ? random.below(4) : random.below(256);
  }
  return bytes;
}

function anyone(random: SeededRandom): Address {
  const host = random.pick([
    () => [...random.bytes(4)].join("."),
    () => [...random.bytes(4)].join("."),
    () => `20.0.${random.below(50)}.1`,
    () => "127.0.0.1",
    () => "::1",
    () => HERE.host,
  ])();
  return { host, port: random.chance(0.05) ? 0 : random.below(65_536) };
}

/** What a hostile node answers: whatever it likes, with the number that was asked for. */
function hostileResponse(random: SeededRandom, { request }: SentDatagram): Uint8Array {
  const nodes = Array.from({ length: random.below(65) }, () => ({
    host: [...random.bytes(4)].join("."),
    port: random.below(9),
  }));
  const datagram = encodeResponse({
    tid: request!.tid,
    to: { host: "6.6.6.6", port: 6 },
    id: random.chance(0.5) ? random.bytes(32) : null,
    token: random.chance(0.5) ? random.bytes(32) : null,
    closerNodes: encodeAddresses(nodes),
    error: random.below(3),
    value: random.chance(0.5) ? random.bytes(random.below(200)) : null,
  });
  if (random.chance(0.3)) datagram[random.below(datagram.length)] = random.below(256);
  return datagram;
}

function heapBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

for (const [mode, options] of Object.entries(modes)) {
  test(`OM-38 a flood of ${DATAGRAMS} random, mutated and hostile datagrams leaves ${mode} as it was, and at work`, () => {
    const seed = 1;
    const random = new SeededRandom(seed);
    const lone = new LoneNode({ nodes: Array.from({ length: FRIENDS }, (_, i) => friend(i)), ...options });
    const friends = new Set(Array.from({ length: FRIENDS }, (_, i) => friend(i).host));
    let isFlooded = true;
    // Friends answer what they are asked; of the others one in three, with malice, while the flood lasts.
    lone.onSent = (sent) => {
      if (!sent.request) return;
      if (friends.has(sent.to.host)) lone.later(20, () => lone.answer(sent));
      else if (isFlooded && random.chance(0.3))
        lone.later(20, () => lone.receive(hostileResponse(random, sent), sent.to, sent.socket));
    };
    lone.run(10_000);

    let heapAfterFirst = 0;
    for (let i = 0; i < DATAGRAMS; i++) {
      const from = anyone(random);
      lone.receive(hostileDatagram(random, from), from, random.chance(0.7) ? "server" : "client");
      if (i % PER_MS === 0) lone.run(lone.now + 1);
      if (i % 100 === 0) lone.takeSent();
      if (i === DATAGRAMS / 4) {
        lone.events.length = 0;
        heapAfterFirst = heapBytes();
      }
      if (i % 2_000 === 0) lone.input((node, now) => node.query(now, findNode(random.bytes(32)).query));
      lone.events.splice(0, Math.max(0, lone.events.length - 100));
    }
    lone.takeSent();
    lone.events.length = 0;
    const { node } = lone;
    expect(heapBytes() - heapAfterFirst).toBeLessThan(MAX_HEAP_GROWTH_BYTES);
    expect(node.contacts.table.size).toBeLessThanOrEqual(256 * 20);
    expect(node.stats.pending).toBeLessThan(3_000);
    expect(node.storage.sizes).toEqual({ routes: 0, announcements: 0, mutables: 0, immutables: 0 });

    isFlooded = false;
    // Its friends are still its friends, and it finds and is found.
    lone.run(lone.now + 20_000);
    for (let i = 0; i < FRIENDS; i++) {
      lone.takeSent();
      lone.receive(
        requestTo({ tid: 4_000 + i, isInternal: false, command: COMMAND.lookup, target: random.bytes(32) }),
        friend(i),
      );
      lone.run(lone.now + 100);
      expect(lone.takeSent().filter(({ response }) => response?.tid === 4_000 + i)).toHaveLength(1);
    }
    const query = lone.input((node, now) => node.query(now, findNode(nodeId(friend(3))).query))!;
    lone.run(lone.now + 60_000);
    expect(lone.eventsOf("finished").filter((event) => event.query === query)).toHaveLength(1);
    expect(query.closestReplies[0]?.from.host).toBe(friend(3).host);
  });
}

test("OM-38 the same flood has the same effect, datagram by datagram", () => {
  const run = () => {
    const random = new SeededRandom(9);
    const lone = new LoneNode(modes["a persistent node on the public internet"]);
    const sent: string[] = [];
    lone.onSent = ({ at, to, datagram }) => void sent.push(`${at} ${to.host}:${to.port} ${datagram.toHex()}`);
    for (let i = 0; i < 3_000; i++) {
      const from = anyone(random);
      lone.receive(hostileDatagram(random, from), from);
      if (i % PER_MS === 0) lone.run(lone.now + 1);
    }
    return sent;
  };
  expect(run()).toEqual(run());
});
