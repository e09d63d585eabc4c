import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Contacts, type ContactsOptions, OLD_TICKS, RECENT_TICKS } from "../../../src/dht/contacts.ts";
import { NatSampler } from "../../../src/dht/nat-sampler.ts";
import { nodeId, type Peer, peerAt, sharedBits } from "../../../src/dht/peer.ts";
import { INTERNAL, K } from "../../../src/wire/rpc.ts";
import { type Sent, Wire, withId } from "../../support/dht-wire.ts";
import { SeededRandom } from "../../support/random.ts";

const OWN_ID = new Uint8Array(32);
const US: Address = { host: "88.99.3.86", port: 1776 };

/** Contacts on a wire: what they ping is answered with an id unless a test says otherwise. */
class Home {
  readonly wire = new Wire();
  readonly added: string[] = [];
  readonly removed: string[] = [];
  natChanges = 0;
  moves = 0;
  readonly contacts: Contacts;
  #random: SeededRandom;

  constructor(options: Partial<ContactsOptions> = {}, seed = 1) {
    this.#random = new SeededRandom(seed);
    this.contacts = new Contacts({
      requests: this.wire.requests,
      id: OWN_ID,
      isDiverse: false,
      firstTick: 100,
      maxStrangeSamples: 2,
      admits: () => true,
      onAdded: ({ host }) => void this.added.push(host),
      onRemoved: ({ host }) => void this.removed.push(host),
      onNatChanged: () => void this.natChanges++,
      onMoved: () => void this.moves++,
      ...options,
    });
  }

  /** A node of the row of those that share no bit with us, or any. */
  node(row: number | null = null): Peer {
    for (;;) {
      const node = peerAt({ host: [...this.#random.bytes(4)].join("."), port: 1 + this.#random.below(65_535) });
      if (row === null || sharedBits(OWN_ID, node.id) === row) return node;
    }
  }

  nodes(count: number, row: number | null = null): Peer[] {
    return Array.from({ length: count }, () => this.node(row));
  }

  hear(node: Address, to: Address = US, isSample = true): void {
    this.contacts.heard(this.wire.now, withId(node), to, isSample);
  }

  /** The node answers the ping, with its id or without. */
  answer(sent: Sent, hasId = true): void {
    const from = hasId ? withId(sent.to) : { ...sent.to, id: null };
    this.contacts.heard(this.wire.now, from, US, true);
    this.wire.answer(sent, {}, from);
  }

  has(node: Peer): boolean {
    return this.contacts.table.get(node.key) !== undefined;
  }

  /** Who was pinged since the last look, each ping once however often it was sent. */
  pinged(): string[] {
    const pings = this.wire.takeSent().filter(({ request }) => request.isInternal && request.command === INTERNAL.ping);
    return [...new Map(pings.map(({ request, to }) => [request.tid, to.host])).values()];
  }
}

const hostsOf = (nodes: Iterable<{ host: string }>) => [...nodes].map(({ host }) => host);

test("whoever gives its id enters the table, and is told of once", () => {
  const home = new Home();
  const [a, b] = [home.node(), home.node()];
  for (const node of [a, b, a]) home.hear(node);
  expect(home.added).toEqual([a.host, b.host]);
  expect(hostsOf(home.contacts.table.nodes())).toEqual([b.host, a.host]);
});

test("who gives no id, ourselves, port 0 and who is not admitted stay out", () => {
  const us = new Home().node();
  const refused = new Home({}, 2).node();
  const home = new Home({ id: us.id, admits: ({ host }) => host !== refused.host });
  home.contacts.heard(0, { ...home.node(), id: null }, US, true);
  home.hear(us);
  home.hear(refused);
  home.contacts.addKnown(0, peerAt({ host: "5.9.17.33", port: 0 }));
  home.contacts.addKnown(0, refused);
  expect([home.contacts.table.size, home.added]).toEqual([0, []]);
});

test("a full row refuses newcomers until the first walk is over", () => {
  const home = new Home();
  for (const node of home.nodes(K + 5, 0)) home.hear(node);
  expect([home.contacts.table.size, home.pinged()]).toEqual([K, []]);
});

/** A full row of nodes, all heard at tick 100; it is now tick 113. */
function fullRow() {
  const home = new Home();
  const row = home.nodes(K, 0);
  for (const node of row) home.hear(node);
  home.contacts.maySwap = true;
  home.contacts.tick += RECENT_TICKS + 1;
  return { home, row };
}

test("for a newcomer to a full row its oldest node is pinged, and leaves if it is silent", () => {
  const { home, row } = fullRow();
  for (const node of row.slice(3)) home.hear(node); // the first three are the oldest
  const newcomer = home.node(0);
  home.hear(newcomer);
  const [ping] = home.wire.sent;
  expect(hostsOf(row.slice(0, 3))).toContain(ping!.to.host);
  home.wire.run(60_000);
  expect([home.removed, home.has(newcomer)]).toEqual([[ping!.to.host], true]);
  expect(home.contacts.table.size).toBe(K);
});

test("it stays if it answers with its id, and leaves if it answers without", () => {
  for (const hasId of [true, false]) {
    const { home } = fullRow();
    const newcomer = home.node(0);
    home.hear(newcomer);
    home.answer(home.wire.sent[0]!, hasId);
    expect([home.has(newcomer), home.removed.length]).toEqual([!hasId, hasId ? 0 : 1]);
  }
});

test("it stays if we were suspended before it could answer", () => {
  const { home } = fullRow();
  home.hear(home.node(0));
  home.wire.requests.suspend(10);
  expect([home.contacts.table.size, home.removed]).toEqual([K, []]);
});

test("no more than three newcomers have nodes pinged at a time", () => {
  const { home } = fullRow();
  for (const newcomer of home.nodes(9, 0)) home.hear(newcomer);
  expect(new Set(home.pinged()).size).toBe(3);
});

test("a newcomer that asks for a place twice gets one, and a row never holds a node twice", () => {
  const { home } = fullRow();
  const newcomer = home.node(0);
  for (let i = 0; i < 3; i++) home.hear(newcomer);
  home.wire.run(60_000);
  const row = home.contacts.table.rowOf(newcomer.id);
  expect(row.filter(({ host }) => host === newcomer.host)).toHaveLength(1);
  expect(row).toHaveLength(home.contacts.table.size);
  home.contacts.remove(newcomer.key);
  expect(hostsOf(home.contacts.table.rowOf(newcomer.id))).not.toContain(newcomer.host);
});

test("a newcomer that found another place meanwhile is not added again", () => {
  const { home, row } = fullRow();
  const newcomer = home.node(0);
  home.hear(newcomer);
  const asked = home.wire.sent[0]!.to.host;
  home.contacts.remove(row.find(({ host }) => host !== asked)!.key);
  home.hear(newcomer);
  home.wire.run(60_000);
  expect(home.contacts.table.rowOf(newcomer.id).filter(({ host }) => host === newcomer.host)).toHaveLength(1);
  expect(home.added.filter((host) => host === newcomer.host)).toHaveLength(1);
});

test("a node that has lasted half an hour and was heard within the minute is not asked for a newcomer", () => {
  const { home, row } = fullRow();
  home.contacts.tick += OLD_TICKS;
  for (const node of row) home.hear(node);
  home.contacts.tick += RECENT_TICKS - 1;
  home.hear(home.node(0));
  expect(home.pinged()).toEqual([]);
  home.contacts.tick += 1;
  home.hear(home.node(0));
  expect(home.pinged()).toHaveLength(1);
});

test("a node that is said to be down is pinged: gone if it is silent, kept if it answers, even within the tick", () => {
  for (const answers of [false, true]) {
    const home = new Home();
    const node = home.node();
    home.hear(node);
    home.contacts.hintDown(0, node); // in the very tick in which it was heard
    expect(home.wire.sent).toHaveLength(1);
    if (answers) home.answer(home.wire.sent[0]!);
    home.wire.run(60_000);
    expect(home.has(node)).toBe(answers);
  }
});

test("a node is pinged for hints once a tick, a stranger never, and ten at a time", () => {
  const home = new Home();
  const nodes = home.nodes(30);
  for (const node of nodes) home.hear(node);
  for (let i = 0; i < 5; i++) home.contacts.hintDown(0, nodes[0]!);
  home.contacts.hintDown(0, home.node());
  expect(home.pinged()).toEqual([nodes[0]!.host]);
  for (const node of nodes) home.contacts.hintDown(0, node);
  expect(home.pinged()).toHaveLength(9);
  home.wire.run(60_000);
  home.pinged();
  home.contacts.tick++;
  for (const node of nodes) home.contacts.hintDown(home.wire.now, node);
  expect(home.pinged()).toHaveLength(10);
});

test("the nodes that were not heard for longest are pinged: five, three when busy, two when all is fresh", () => {
  const home = new Home();
  const nodes = home.nodes(12);
  for (const node of nodes) home.hear(node);
  home.contacts.tick += RECENT_TICKS - 1;
  home.contacts.pingSome(0);
  expect(home.pinged()).toEqual(hostsOf(nodes.slice(0, 2)));
  for (const node of nodes) home.hear(node);
  home.wire.run(60_000); // nothing is under way any more
  home.pinged();
  for (const node of nodes) home.hear(node);
  home.contacts.tick += RECENT_TICKS;
  home.contacts.pingSome(home.wire.now);
  expect(home.pinged()).toEqual(hostsOf(nodes.slice(0, 5)));
  for (const node of nodes) home.hear(node);
  home.contacts.tick += RECENT_TICKS;
  home.contacts.pingSome(home.wire.now); // five pings are under way
  expect(home.pinged()).toEqual(hostsOf(nodes.slice(0, 3)));
});

test("of the oldest those that were pinged in this tick are not pinged again", () => {
  const home = new Home();
  const nodes = home.nodes(8);
  for (const node of nodes) home.hear(node);
  home.contacts.tick += RECENT_TICKS;
  home.contacts.hintDown(0, nodes[1]!);
  home.pinged();
  home.contacts.pingSome(0);
  expect(home.pinged()).toEqual(hostsOf([nodes[0]!, nodes[2]!, nodes[3]!, nodes[4]!]));
  new Home().contacts.pingSome(0); // with an empty table there is nobody
});

test("with another id of ours the nodes move to the rows that follow from it", () => {
  const home = new Home();
  const nodes = home.nodes(60);
  for (const node of nodes) home.hear(node);
  const kept = hostsOf(home.contacts.table.nodes());
  const id = nodeId(US);
  home.contacts.rekey(id);
  const { table } = home.contacts;
  expect(table.id).toBe(id);
  expect([...hostsOf(table.nodes()), ...home.removed].toSorted()).toEqual(kept.toSorted());
  for (const node of table.nodes()) expect(table.rowOf(node.id)).toContain(node);
});

test("when our new id is that of a node in the table, that was us, and it goes", () => {
  const home = new Home();
  const [us, other] = home.nodes(2) as [Peer, Peer];
  home.hear(us);
  home.hear(other);
  home.contacts.rekey(us.id);
  expect([hostsOf(home.contacts.table.nodes()), home.removed]).toEqual([[other.host], [us.host]]);
});

test("a check that began under the old id holds under the new one, and brings in nobody who is us", () => {
  const { home, row } = fullRow();
  const newcomer = home.node(0);
  home.hear(newcomer);
  const asked = row.find(({ host }) => host === home.wire.sent[0]!.to.host)!;
  home.contacts.rekey(newcomer.id); // it was us
  home.wire.run(60_000);
  expect([home.has(asked), home.has(newcomer)]).toEqual([false, false]);
});

test("OM-31 every newcomer's word on our address counts once, an old friend's again after half an hour", () => {
  const home = new Home();
  const node = home.node();
  for (let i = 0; i < 3; i++) home.hear(node);
  expect([home.contacts.sampler.size, home.contacts.sampler.host, home.natChanges]).toEqual([1, US.host, 1]);
  home.contacts.tick += OLD_TICKS - 1;
  home.hear(node);
  expect(home.contacts.sampler.size).toBe(1);
  home.contacts.tick += 1;
  home.hear(node, US, false); // on the other socket, whose address is another
  expect(home.contacts.sampler.size).toBe(1);
  home.hear(node);
  expect(home.contacts.sampler.size).toBe(2);
});

test("a node that we were told of has said nothing about us; what it says first counts", () => {
  const home = new Home();
  const node = home.node();
  home.contacts.addKnown(0, node);
  expect([home.added.length, home.contacts.sampler.size]).toEqual([1, 0]);
  home.hear(node);
  expect(home.contacts.sampler.size).toBe(1);
});

test("of nodes without an id few are counted, each once", () => {
  const home = new Home();
  const strangers = home.nodes(5);
  for (const stranger of [...strangers, ...strangers]) home.contacts.heard(0, { ...stranger, id: null }, US, true);
  expect(home.contacts.sampler.size).toBe(2);
});

test("other samples may take the place of those before, and strangers count anew", () => {
  const home = new Home();
  home.hear(home.node());
  const same = new NatSampler();
  same.add(US);
  home.contacts.resample(same);
  expect([home.contacts.sampler, home.natChanges]).toEqual([same, 1]);
  const other = new NatSampler();
  other.add({ ...US, port: 9 });
  home.contacts.resample(other);
  expect(home.natChanges).toBe(2);
});

test("with diversity on, a newcomer of a /24 that has its two places displaces nobody", () => {
  const home = new Home({ isDiverse: true });
  home.contacts.maySwap = true;
  for (let i = 0; i < 400; i++) home.hear({ host: `5.9.17.${i % 250}`, port: 1_000 + i });
  expect([home.contacts.table.size, home.pinged()]).toEqual([2, []]);
});

test("an id that is kept is a copy: it does not hold the datagram in which it came", () => {
  const home = new Home();
  const node = home.node();
  const datagram = new Uint8Array(2_048);
  datagram.set(node.id, 10);
  home.contacts.heard(0, { host: node.host, port: node.port, id: datagram.subarray(10, 42) }, US, true);
  expect(home.contacts.table.get(node.key)!.id.buffer.byteLength).toBe(32);
});

test("three nodes one after another that see us elsewhere mean that we have moved; one that sees us as before takes it back", () => {
  const home = new Home();
  const [here, there] = [
    { host: "5.9.17.33", port: 1776 },
    { host: "88.99.3.86", port: 1776 },
  ];
  const nodes = [0, 0, 0, 0].map((row) => home.node(row));
  for (const node of nodes) home.contacts.heard(0, node, here, true);
  expect(home.contacts.sampler.host).toBe(here.host);
  for (const to of [there, there, here]) for (const node of nodes.slice(0, 1)) home.contacts.heard(0, node, to, true);
  for (const node of nodes.slice(0, 2)) home.contacts.heard(0, node, there, true);
  home.contacts.heard(0, nodes[2]!, there, false); // on the socket that is not meant
  expect(home.moves).toBe(0);
  home.contacts.heard(0, nodes[2]!, there, true);
  expect([home.moves, home.contacts.sampler.host]).toEqual([1, there.host]);
});
