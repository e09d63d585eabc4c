import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { DhtNodeOptions } from "../../../src/dht/node-options.ts";
import { findNode } from "../../../src/dht/operations.ts";
import { nodeId } from "../../../src/dht/peer.ts";
import { encodeAddress4, encodeResponse, INTERNAL } from "../../../src/wire/rpc.ts";
import { HERE, LoneNode, persistentNode, requestTo, type SentDatagram } from "../../support/lone-node.ts";

const TICK_MS = 5_000;
const TARGET = new Uint8Array(32).fill(0x33);
const peer = (i: number): Address => ({ host: `20.${(i >> 8) & 255}.${i & 255}.1`, port: 4_000 });
const isWalk = ({ request }: SentDatagram) => request?.isInternal && request.command === INTERNAL.findNode;
const isPing = ({ request }: SentDatagram) => request?.isInternal && request.command === INTERNAL.ping;

/** Nodes that answer everything after 20 ms, each with an id; they know nobody. */
function answering(options: Partial<DhtNodeOptions> = {}, count = 1): LoneNode {
  const bootstrap = Array.from({ length: count }, (_, i) => ({ ...peer(i), suggested: null }));
  const lone = new LoneNode({ bootstrap, ...options });
  lone.onSent = (sent) => {
    if (sent.request) lone.later(20, () => lone.answer(sent));
  };
  lone.input((node, now) => node.refresh(now)); // the first walk's datagrams left before anyone listened
  lone.run(10_000);
  lone.takeSent();
  return lone;
}

const times = (sent: readonly SentDatagram[]) => [...new Set(sent.map(({ at }) => at))];

test("a node without bootstrap nodes is ready at once, and alone", () => {
  const lone = new LoneNode();
  expect([lone.node.isReady, lone.node.isEphemeral, lone.node.id, lone.node.firewall]).toEqual([
    true,
    true,
    null,
    "unknown",
  ]);
  expect(lone.events.map(({ type }) => type)).toEqual(["ready"]);
});

test("OM-04 a bootstrap node, told its own address, is persistent before anybody asks it", () => {
  const lone = persistentNode();
  expect(lone.node.id).toEqual(nodeId(HERE));
  expect([lone.node.remoteAddress, lone.node.firewall]).toEqual([HERE, "open"]);
  expect(lone.events.map(({ type }) => type)).toEqual(["persistent", "ready"]);
});

test("nodes that were good before are in the table from the start, and are asked first", () => {
  const lone = new LoneNode({ nodes: [peer(1), peer(2)] });
  expect(lone.node.contacts.table.size).toBe(2);
  expect(lone.eventsOf("addNode").map(({ node }) => node.host)).toEqual([peer(1).host, peer(2).host]);
  expect(
    lone
      .takeSent()
      .map(({ to }) => to.host)
      .toSorted(),
  ).toEqual([peer(1).host, peer(2).host]);
});

test("a firewalled node asks from its client socket and without its id, another from its server socket and with it", () => {
  const firewalled = new LoneNode({ bootstrap: [{ ...peer(1), suggested: null }] });
  expect(firewalled.takeSent().map(({ socket, request }) => [socket, request!.id])).toEqual([["client", null]]);
  const open = persistentNode();
  open.input((node, now) => node.request(now, { to: peer(1), isInternal: true, command: INTERNAL.ping }));
  expect(open.takeSent().map(({ socket, request }) => [socket, request!.id])).toEqual([["server", nodeId(HERE)]]);
});

test("datagrams from port 0, from IPv6, of other protocols and of no sense are dropped without a word; one byte or none is a probe", () => {
  const lone = persistentNode();
  const ping = requestTo({ id: nodeId(peer(1)) });
  for (const from of [
    { ...peer(1), port: 0 },
    { host: "::1", port: 1 },
    { host: "::ffff:20.0.1.1", port: 4_000 },
    { host: "2001:db8::1", port: 1 },
  ]) {
    lone.receive(ping, from);
  }
  expect(lone.node.dropCounts).toEqual({ malformed: 0, unexpected: 0 });
  for (const bytes of [
    new Uint8Array(0),
    Uint8Array.of(0),
    Uint8Array.of(3),
    ping.subarray(0, 12),
    new Uint8Array(50),
  ]) {
    lone.receive(bytes, peer(1));
  }
  expect(lone.node.dropCounts).toEqual({ malformed: 2, unexpected: 0 });
  expect([lone.takeSent(), lone.node.contacts.table.size]).toEqual([[], 0]);
  lone.receive(ping, peer(1));
  expect([lone.takeSent().length, lone.node.contacts.table.size]).toEqual([1, 1]);
});

test("by IPv6 nothing of the DHT is heard, and nothing of IPv4 at all", () => {
  const lone = persistentNode();
  const [ping, there] = [requestTo({ id: nodeId(peer(1)) }), { host: "2001:db8::1", port: 1 }];
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0), ping]) lone.receive(bytes, peer(1), "six");
  for (const bytes of [new Uint8Array(0), Uint8Array.of(0)]) lone.receive(bytes, there, "six");
  expect(lone.node.dropCounts).toEqual({ malformed: 0, unexpected: 0 });
  for (const bytes of [ping, Uint8Array.of(0x13, 0), new Uint8Array(50)]) lone.receive(bytes, there, "six");
  expect(lone.node.dropCounts).toEqual({ malformed: 3, unexpected: 0 });
  expect([lone.takeSent(), lone.node.contacts.table.size]).toEqual([[], 0]);
});

test("a response that nobody asked for, or from another host than was asked, is dropped and counted", () => {
  const lone = persistentNode();
  lone.input((node, now) => node.request(now, { to: peer(1), isInternal: true, command: INTERNAL.ping }));
  const [ping] = lone.takeSent();
  lone.answer(ping!, {}, peer(2));
  lone.answer(ping!, { tid: ping!.request!.tid ^ 1 });
  expect([lone.node.dropCounts["unexpected"], lone.eventsOf("answered")]).toEqual([2, []]);
  expect(lone.node.contacts.table.size).toBe(0);
  lone.answer(ping!);
  expect(lone.eventsOf("answered")).toHaveLength(1);
  expect(lone.node.contacts.table.size).toBe(1);
});

test("an id that does not follow from its sender's address is none", () => {
  const lone = persistentNode();
  lone.receive(requestTo({ id: nodeId(peer(2)) }), peer(1));
  lone.receive(requestTo({ id: nodeId({ ...peer(1), port: 1 }) }), peer(1));
  expect(lone.node.contacts.table.size).toBe(0);
});

test("OM-35 two ticks more than fifteen seconds apart: the machine slept, and the node wakes up and looks about", () => {
  for (const [pausedMs, slept] of [
    [15_000, false],
    [15_001, true],
    [8 * 3_600_000, true],
  ] as const) {
    const lone = answering();
    const tickAt = lone.node.deadline();
    const lastTick = tickAt - TICK_MS;
    expect(tickAt % TICK_MS).toBe(0);
    lone.now = lastTick + pausedMs;
    lone.input((node, now) => node.advance(now));
    expect(lone.eventsOf("wakeup")).toHaveLength(slept ? 1 : 0);
    if (!slept) continue;
    const wokeAt = lone.now;
    lone.takeSent();
    lone.run(wokeAt + 5 * TICK_MS);
    const sent = lone.takeSent();
    expect(times(sent.filter(isWalk))).toEqual([wokeAt + TICK_MS]); // a refresh with the next tick
    expect(times(sent.filter(isPing))).toEqual([wokeAt + 2 * TICK_MS]); // the old nodes with the one after
  }
});

test("OM-35 a persistent node of its own accord is ephemeral after sleep, and its requests have no id", () => {
  const lone = answering({ isFirewalled: false, stableTicks: 1 }, 4);
  expect(lone.node.isEphemeral).toBe(false);
  lone.input((node, now) => node.wakeUp(now));
  expect([lone.node.isEphemeral, lone.node.id]).toEqual([true, null]);
  expect(lone.events.slice(-2).map(({ type }) => type)).toEqual(["ephemeral", "wakeup"]);
});

test("a small table is refreshed every 64 ticks, and a table in use five minutes after the last walk", () => {
  const lone = answering({}, 1);
  lone.run(3_600_000);
  const walks = times(lone.takeSent().filter(isWalk));
  expect(walks.length).toBeGreaterThan(8);
  for (const [i, at] of walks.slice(1).entries()) expect(at - walks[i]!).toBeLessThanOrEqual(60 * TICK_MS);
  expect(Math.max(...walks.slice(2).map((at, i) => at - walks[i + 1]!))).toBe(60 * TICK_MS);
});

test("an empty table is refreshed every second tick, by way of the bootstrap nodes", () => {
  const lone = new LoneNode({ bootstrap: [{ ...peer(1), suggested: null }] });
  lone.run(120_000); // the first walk fails, and so do the others
  const asked = lone.takeSent().filter(isWalk);
  const begun = asked.filter((sent, i) => asked.findIndex(({ request }) => request!.tid === sent.request!.tid) === i);
  const [, second, third, fourth] = times(begun);
  expect([third! - second!, fourth! - third!]).toEqual([2 * TICK_MS, 2 * TICK_MS]);
});

test("every fortieth second the nodes that were not heard for longest are pinged", () => {
  const lone = answering({}, 30);
  lone.run(600_000);
  const pinged = times(lone.takeSent().filter(isPing));
  expect(pinged.length).toBeGreaterThan(10);
  for (const [i, at] of pinged.slice(1).entries()) expect(at - pinged[i]!).toBe(8 * TICK_MS);
});

test("a node that no longer answers leaves the table", () => {
  const lone = answering({}, 5);
  expect(lone.node.contacts.table.size).toBe(5);
  lone.onSent = () => {};
  lone.run(600_000);
  expect(lone.node.contacts.table.size).toBe(0);
  expect(lone.eventsOf("removeNode")).toHaveLength(5);
});

test("OM-35 suspended, a node fails what is under way, sends nothing and hears nothing; resumed, it looks about", () => {
  const lone = answering({}, 5);
  lone.onSent = () => {};
  const query = lone.input((node, now) => node.query(now, findNode(TARGET).query))!;
  const number = lone.input((node, now) =>
    node.request(now, { to: peer(1), isInternal: true, command: INTERNAL.ping }),
  );
  lone.takeSent();
  lone.input((node, now) => node.suspend(now));
  expect(lone.eventsOf("finished")).toEqual([{ type: "finished", query, failure: "suspended" }]);
  expect(lone.eventsOf("failed")).toEqual([{ type: "failed", request: number, why: "suspended" }]);
  expect([lone.node.deadline(), lone.node.contacts.table.size]).toEqual([Infinity, 5]);
  lone.receive(requestTo(), peer(1));
  const late = lone.input((node, now) => node.query(now, findNode(TARGET).query))!;
  lone.run(lone.now + 3_600_000);
  expect(lone.takeSent()).toEqual([]);
  expect(lone.eventsOf("finished").at(-1)).toEqual({ type: "finished", query: late, failure: "suspended" });
  lone.input((node, now) => node.resume(now, 1777));
  const resumedAt = lone.now;
  expect(lone.eventsOf("wakeup")).toHaveLength(1);
  expect(lone.takeSent().filter(isWalk).length).toBeGreaterThan(0);
  lone.receive(requestTo(), peer(1));
  expect(lone.takeSent()).toHaveLength(1);
  expect(lone.node.deadline()).toBeLessThanOrEqual(resumedAt + TICK_MS);
});

test("a node that is suspended while it starts is ready nonetheless, and finds the network when it resumes", () => {
  const lone = new LoneNode({ isEphemeral: false, bootstrap: [{ ...peer(1), suggested: null }] });
  lone.takeSent();
  lone.input((node, now) => node.suspend(now));
  expect(lone.takeSent()).toEqual([]);
  expect(lone.node.isReady).toBe(true);
  lone.input((node, now) => node.resume(now, HERE.port));
  expect(lone.takeSent().map(({ to }) => to.host)).toEqual([peer(1).host]);
});

test("1,024 walks of a user's are under way at most; the next is none, until one ends or is cancelled", () => {
  const lone = new LoneNode({ nodes: [peer(1)] });
  const walks = Array.from({ length: 1_024 }, () => lone.input((node, now) => node.query(now, findNode(TARGET).query)));
  expect(walks.every((walk) => walk !== null)).toBe(true);
  const next = () => lone.input((node, now) => node.query(now, findNode(TARGET).query));
  expect(next()).toBeNull();
  lone.input((node, now) => node.cancel(now, walks[0]!));
  expect([next() !== null, next()]).toEqual([true, null]);
  lone.input((node, now) => node.suspend(now));
  expect(lone.node.stats.queries).toBe(0);
});

test("a walk gives its replies and then its end, once", () => {
  const lone = answering({}, 3);
  const query = lone.input((node, now) => node.query(now, findNode(TARGET).query))!;
  lone.run(lone.now + 60_000);
  const own = lone.events.filter((event) => "query" in event && event.query === query);
  expect(own.map(({ type }) => type)).toEqual(["reply", "reply", "reply", "finished"]);
  expect(query.closestReplies).toHaveLength(3);
});

test("one node's answer, or its silence, carries the number of the request", () => {
  const lone = new LoneNode();
  const ask = (i: number) =>
    lone.input((node, now) => node.request(now, { to: peer(i), isInternal: true, command: INTERNAL.ping }));
  const numbers = [ask(1), ask(2)];
  lone.answer(lone.takeSent()[1]!);
  lone.run(10_000);
  expect(lone.eventsOf("answered").map(({ request }) => request)).toEqual([numbers[1]!]);
  expect(lone.eventsOf("failed").map(({ request, why }) => [request, why])).toEqual([[numbers[0]!, "timeout"]]);
});

test("down hints have a budget for each tick", () => {
  const lone = new LoneNode({ nodes: Array.from({ length: 20 }, (_, i) => peer(i)), downHintsPerTick: 3 });
  const dead = Array.from({ length: 10 }, (_, i) => peer(900 + i));
  const isDead = ({ host }: Address) => dead.some((address) => address.host === host);
  lone.onSent = (sent) => {
    if (sent.request && !isDead(sent.to)) lone.later(20, () => lone.answer(sent, { closerNodes: dead }));
  };
  lone.run(60_000);
  lone.takeSent();
  lone.input((node, now) => node.query(now, { ...findNode(TARGET).query, retries: 1 }));
  lone.run(lone.now + 4_000);
  const hints = lone.takeSent().filter(({ request }) => request?.command === INTERNAL.downHint);
  expect(hints.length).toBeLessThanOrEqual(3);
});

test("OM-43 the names of bootstrap nodes are asked for, and the first walk waits for their addresses", () => {
  const lone = new LoneNode({ bootstrap: [{ host: "node1.example", port: 49_737, suggested: null }] });
  expect([lone.eventsOf("resolve").map(({ host }) => host), lone.takeSent(), lone.node.isReady]).toEqual([
    ["node1.example"],
    [],
    false,
  ]);
  lone.input((node, now) => node.resolved(now, "node1.example", "20.1.2.3"));
  expect(lone.takeSent().map(({ to }) => to)).toEqual([{ host: "20.1.2.3", port: 49_737 }]);
  lone.run(60_000); // it is silent, so the name is asked for again
  expect(lone.eventsOf("resolve").length).toBeGreaterThan(1);
});

test("a change of the machine's addresses has the nodes asked anew", () => {
  const lone = answering({}, 5);
  lone.input((node, now) => node.networkChanged(now));
  const at = lone.now;
  expect(lone.takeSent().filter(isWalk).length).toBeGreaterThan(0);
  lone.run(at + 2 * TICK_MS);
  expect(lone.takeSent().filter(isPing).length).toBeGreaterThan(0);
  expect(lone.eventsOf("networkUpdate")).toHaveLength(1);
});

test("OM-31 what replies say of our address tells the firewall: consistent, or random when each sees another port", () => {
  const seen = (port: (i: number) => number) => {
    const lone = new LoneNode({ nodes: [1, 2, 3, 4].map(peer) });
    for (const [i, sent] of lone.takeSent().entries()) lone.answer(sent, { to: { ...HERE, port: port(i) } });
    return lone.node.firewall;
  };
  expect([seen(() => 5_000), seen((i) => 5_000 + i)]).toEqual(["consistent", "random"]);
});

// What follows is about strangers from the public internet.

test("nobody enters the table, or has a word on our address, by a request whose source may be forged", () => {
  const lone = persistentNode({ isPublic: true });
  const before = lone.node.contacts.sampler.size;
  for (let i = 0; i < 200; i++) {
    const datagram = requestTo({ id: nodeId(peer(i)), to: { host: "6.6.6.6", port: 6 } });
    lone.receive(datagram, peer(i));
  }
  lone.run(10_000);
  expect([lone.node.contacts.table.size, lone.node.contacts.sampler.size]).toEqual([0, before]);
});

test("a persistent newcomer is asked whether it is there, and then answered and kept", () => {
  const lone = persistentNode({ isPublic: true });
  const [challenge, ...more] = lone.ask(peer(1), { tid: 42, id: nodeId(peer(1)) });
  expect([challenge!.request!.command, challenge!.request!.isBrief, more]).toEqual([INTERNAL.ping, true, []]);
  lone.answer(challenge!, { id: null });
  const [pong] = lone.takeSent();
  expect([pong!.response!.tid, lone.node.contacts.table.size]).toEqual([42, 1]);
  expect(lone.ask(peer(1), { tid: 43, id: nodeId(peer(1)) })[0]!.response!.tid).toBe(43);
});

test("a public network's private addresses are neither asked nor kept", () => {
  const lone = persistentNode({ isPublic: true, nodes: [peer(1)] });
  const inside = [
    { host: "192.168.1.1", port: 1 },
    { host: "127.0.0.1", port: 1 },
  ];
  for (const sent of lone.takeSent()) lone.answer(sent, { closerNodes: inside });
  lone.receive(requestTo({ id: nodeId(inside[0]!) }), inside[0]!);
  lone.run(1_000);
  expect(lone.takeSent().filter(({ to, request }) => request && inside.some(({ host }) => host === to.host))).toEqual(
    [],
  );
  expect(lone.node.contacts.table.size).toBe(1);
});

test("a /24 that asks too often is not heard, and no other pays for it", () => {
  const lone = persistentNode({ isPublic: true });
  for (let i = 0; i < 3_000; i++) lone.receive(requestTo({ isBrief: true }), { host: `20.0.1.${i % 250}`, port: 1 });
  expect([lone.takeSent().length, lone.node.dropCounts["tooMany"]]).toEqual([1_000, 2_000]);
  expect(lone.ask(peer(900), { isBrief: true })).toHaveLength(1);
});

test("responses of strangers are not limited, as a busy node gets them from one network too", () => {
  const lone = persistentNode({ isPublic: true });
  const response = encodeResponse({
    tid: 1,
    to: HERE,
    id: null,
    token: null,
    closerNodes: null,
    error: 0,
    value: null,
  });
  for (let i = 0; i < 3_000; i++) lone.receive(response, peer(1));
  expect(lone.node.dropCounts).toMatchObject({ tooMany: 0, unexpected: 3_000 });
});

test("a hint that a node is down has it pinged, and the hinter answered", () => {
  const lone = persistentNode({ nodes: [peer(1)] });
  lone.takeSent();
  const sent = lone.ask(peer(2), { command: INTERNAL.downHint, value: encodeAddress4(peer(1)) });
  expect(sent.map(({ to, request, response }) => [to.host, request?.command ?? null, response?.error ?? null])).toEqual(
    [
      [peer(1).host, INTERNAL.ping, null],
      [peer(2).host, null, 0],
    ],
  );
});
