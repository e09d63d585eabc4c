import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Announcer } from "../../../src/dht/announcer.ts";
import type { Query, QueryOwner } from "../../../src/dht/query.ts";
import { COMMAND } from "../../../src/wire/dht.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { type Sent, Wire, withId } from "../../support/dht-wire.ts";
import { keyPair } from "../../support/fake-handshakes.ts";
import { node, US } from "../../support/fake-surroundings.ts";

const TOKEN = new Uint8Array(32).fill(6);

/** A server in a network of nodes that do as they are told; each walk finds the first three of `near`. */
function announcing() {
  const wire = new Wire({ socket: "client" });
  const said: string[] = [];
  const world = { near: [1, 2, 3].map(node), seenAt: US as Address, silent: new Set<string>(), walks: 0 };
  const query = (_now: number, _question: unknown, owner: QueryOwner) => {
    world.walks++;
    const reply = { tid: 1, rttMs: 1, to: world.seenAt, token: TOKEN, closerNodes: [], error: 0, value: null };
    const closestReplies = world.near.map((from) => ({ ...reply, from: withId(from) }));
    let isCancelled = false;
    const walk = { closestReplies, cancel: () => (isCancelled = true) } as unknown as Query;
    wire.later(5, () => {
      if (!isCancelled) owner.finished(wire.now, walk, null);
    });
    return walk;
  };
  const announcer: Announcer = new Announcer({
    keyPair: keyPair(1),
    requests: wire.requests,
    query,
    onAnnounced: () =>
      said.push(`${wire.now} announced ${announcer.relays.map(({ relayAddress }) => relayAddress.port)}`),
    onClosed: () => said.push(`${wire.now} closed`),
  });
  wire.onSent = (sent) => {
    if (world.silent.has(sent.to.host)) return;
    const isFind = !sent.request.isInternal && sent.request.command === COMMAND.findPeer;
    const value = isFind ? new Uint8Array(33) : null;
    wire.later(5, () => void wire.answer(sent, { to: world.seenAt, token: isFind ? TOKEN : null, value }));
  };
  const run = (until: number) => {
    for (;;) {
      const next = Math.max(wire.now, Math.min(announcer.deadline(), wire.now + 100));
      if (next > until) break;
      wire.run(next);
      announcer.advance(next);
    }
    wire.run(until);
  };
  const count = (command: number, isInternal = false) =>
    wire.sent.filter(({ request }: Sent) => request.command === command && request.isInternal === isInternal).length;
  return { wire, said, world, announcer, run, count };
}

test("OM-42 it is announced at the three nearest nodes, and told so when they have taken it", () => {
  const { announcer, said, run, count, world } = announcing();
  world.near = [1, 2, 3, 4, 5].map(node);
  announcer.refresh(0);
  announcer.refresh(0); // one run at a time
  run(9);
  expect([said, count(COMMAND.announce), world.walks]).toEqual([[], 3, 1]);
  run(10);
  expect(said).toEqual(["10 announced 1001,1002,1003"]);
  expect(announcer.relays[0]).toEqual({ relayAddress: node(1), peerAddress: US });
  expect([announcer.isRelay(node(3)), announcer.isRelay(node(4))]).toEqual([true, false]);
});

test("a run that no node took is tried again soon, then less often", () => {
  const { announcer, said, run, world } = announcing();
  world.near = [];
  announcer.refresh(0);
  run(3_100);
  expect(world.walks).toBe(3); // after 1 s and 2 s more
  run(20_000);
  expect([world.walks, said]).toEqual([5, []]);
  world.near = [node(1)];
  run(40_000);
  expect(said).toHaveLength(1);
});

test("OM-20 the nodes are pinged every three seconds, and after five minutes the walk is done anew", () => {
  const { announcer, run, count, world } = announcing();
  announcer.refresh(0);
  run(30_100);
  expect([count(INTERNAL.ping, true), world.walks]).toEqual([30, 1]);
  run(310_000);
  expect(world.walks).toBe(2);
});

test("OM-11 where a node sees us elsewhere, the new address is announced at once; a node that lies is not heeded each time", () => {
  const { announcer, said, run, world } = announcing();
  announcer.refresh(0);
  run(4_000);
  world.seenAt = { host: "5.9.17.34", port: 9 };
  run(8_000);
  expect([world.walks, said.length, announcer.relays[0]!.peerAddress]).toEqual([2, 2, world.seenAt]);
  for (let at = 8_000; at < 308_000; at += 1_000) {
    world.seenAt = { host: "5.9.17.34", port: at };
    run(at);
  }
  expect(world.walks).toBeLessThan(2 + 300_000 / 15_000 + 2);
});

test("when a node falls silent others are looked for; the one it was is told to forget us, and still known", () => {
  const { announcer, said, run, world, count } = announcing();
  announcer.refresh(0);
  run(4_000);
  world.silent.add(node(1).host);
  world.near = [2, 3, 4].map(node);
  run(20_000);
  expect(said.at(-1)).toEndWith("announced 1002,1003,1004");
  expect(announcer.isRelay(node(1))).toBe(true);
  world.silent.clear();
  world.near = [3, 4, 5].map(node);
  announcer.refresh(20_000);
  run(21_000);
  expect(count(COMMAND.unannounce)).toBe(1);
});

test("OM-13 closed it takes its announcement back from every node, then says so, once", () => {
  const { announcer, said, run, count, wire } = announcing();
  announcer.refresh(0);
  run(4_000);
  announcer.close(4_000);
  announcer.close(4_000);
  announcer.refresh(4_000);
  run(60_000);
  expect([said.slice(1), count(COMMAND.unannounce)]).toEqual([["4010 closed"], 3]);
  expect([announcer.relays, announcer.deadline(), wire.requests.size]).toEqual([[], Infinity, 0]);
});

test("OM-13 closed while it walks, is announced, or while nodes are silent, it ends all the same", () => {
  for (const [at, unannounced] of [
    [1, 0],
    [7, 3], // some may have taken it already
  ] as const) {
    const { announcer, said, run, count, wire } = announcing();
    announcer.refresh(0);
    run(at);
    announcer.close(at);
    run(60_000);
    expect([at, count(COMMAND.unannounce), said.length]).toEqual([at, unannounced, 1]);
    expect([said[0]!.endsWith("closed"), wire.requests.size, announcer.deadline()]).toEqual([true, 0, Infinity]);
  }
  const silent = announcing();
  silent.announcer.refresh(0);
  silent.run(100);
  for (const i of [1, 2, 3]) silent.world.silent.add(node(i).host);
  silent.announcer.close(100);
  silent.run(60_000);
  expect(silent.said.slice(1)).toEqual(["4100 closed"]);
});
