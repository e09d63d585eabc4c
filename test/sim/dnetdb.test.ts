import { expect, test } from "bun:test";
import { compareBytes } from "../../src/base/bytes.ts";
import { SeededRandom } from "../support/random.ts";
import { Cloud, LATENCY_MS, Owner, Replicas, START } from "../support/replicas.ts";

/** Bytes that were sent since `mark`. */
function cost(net: Replicas, mark: number): number {
  return net.sent.slice(mark).reduce((sum, { bytes }) => sum + bytes, 0);
}

test("DN-30 one transaction reaches a hundred replicas in as few hops as can be, at some hundred bytes a link", () => {
  const random = new SeededRandom(5);
  const net = new Replicas();
  while (net.stores.length < 100) net.add();
  const owner = new Owner(9);
  net.submit(0, ...owner.first);
  for (let i = 0; i < 50; i++) net.submit(0, owner.add());
  net.link(random, 6);
  net.run(net.now + 60_000);
  expect(new Set(net.stores.map((_, at) => net.state(at))).size).toBe(1);

  const [mark, outputs, began] = [net.sent.length, net.outputs.length, net.now];
  const step = owner.add();
  net.submit(0, step);
  net.run(net.now + 5_000);
  const heard = net.outputs.slice(outputs).filter(({ output }) => output.type === "news");
  expect(heard.length).toBe(100); // by each once
  const hops = Math.max(...heard.map(({ time }) => (time - began) / LATENCY_MS));
  expect(hops).toBe(Math.max(...net.distances(0)));
  const links = net.linkCount;
  const bytes = cost(net, mark);
  const size = step.bytes.length + step.body!.length;
  // Each link carries it once or, where both ends had it from others, twice; and two heads that say so.
  expect(bytes / links).toBeLessThan(2 * size + 400);
}, 30_000);

test("after a long absence a replica fetches what is new and nothing else: k transactions of n cost what they take", () => {
  const costs = [10, 100, 1_000].map((n) =>
    [1, 10, 100].map((k) => {
      const net = new Replicas();
      const [home, away] = [net.add(), net.add()];
      const dnets = Array.from({ length: 20 }, (_, i) => new Owner(300 + i));
      for (const dnet of dnets) net.submit(home, ...dnet.first);
      for (let i = 0; i < n; i++) {
        const dnet = dnets[i % dnets.length]!;
        if (i % 5) net.submit(home, dnet.add());
        else {
          const { invitation, join } = dnet.invite();
          net.submit(home, invitation, join);
        }
      }
      net.connect(home, away);
      net.run();
      net.cut(home);
      let news = 0;
      for (let i = 0; i < k; i++) {
        const dnet = dnets[i % dnets.length]!;
        const steps = i % 2 ? [dnet.add()] : Object.values(dnet.invite());
        net.submit(home, ...steps);
        for (const { bytes, body } of steps) news += bytes.length + body!.length;
      }
      const mark = net.sent.length;
      net.connect(home, away);
      net.run();
      expect(net.state(away)).toBe(net.state(home));
      return cost(net, mark) - news;
    }),
  );
  // Beyond the transactions themselves: greetings, and for each record that changed its head and three questions; whatever n is.
  for (const [i, k] of [1, 10, 100].entries()) {
    const overheads = costs.map((of) => of[i]!);
    expect(Math.max(...overheads)).toBeLessThan(200 + Math.min(k, 20) * 350 + k * 20);
    expect(Math.max(...overheads) - Math.min(...overheads)).toBeLessThan(10);
  }
}, 30_000);

test("DN-28 DN-29 who knows one id gets that record and its clouds', and a cloud the dnets that have it", () => {
  const net = new Replicas();
  const [home, member, cloudNode] = [net.add(), net.add(), net.add()];
  const [dnet, stranger, later] = [new Owner(1), new Owner(2), new Owner(3)];
  const [cloud, relay] = [new Cloud(4), new Cloud(5)];
  for (const each of [dnet, stranger, later, cloud, relay]) net.submit(home, ...each.first);
  net.submit(
    home,
    ...Array.from({ length: 5 }, () => dnet.add()),
    dnet.attach(cloud.record),
    cloud.authorise(dnet.record),
  );
  net.connect(home, member, ["all", [dnet.record]]);
  net.connect(home, cloudNode, ["all", [cloud.record]]);
  net.run();
  const held = (at: number, ...records: { readonly record: Uint8Array }[]) =>
    records.map(({ record }) => net.stores[at]!.headOf(record) !== null);
  for (const at of [member, cloudNode]) {
    expect(held(at, dnet, cloud, stranger, later, relay)).toEqual([true, true, false, false, false]);
  }
  expect(net.stores[member]!.slots(dnet.record).length).toBe(5);
  expect(net.stores[member]!.attached(dnet.record)).toMatchObject([{ ovx: cloud.record }]);
  // And so on, without anyone asking.
  net.submit(home, dnet.attach(relay.record), cloud.authorise(later.record));
  net.run();
  expect(held(member, relay, later)).toEqual([true, false]);
  expect(held(cloudNode, relay, later, stranger)).toEqual([true, true, false]);
});

test("DN-28 who follows a dnet comes to what a cloud has said that was detached since, and to the branch that stands by it", () => {
  const net = new Replicas();
  const [home, member] = [net.add(), net.add()];
  const [dnet, cloud] = [new Owner(11), new Cloud(12)];
  net.submit(home, ...cloud.first, ...dnet.first, dnet.attach(cloud.record));
  // Of two branches, both of which detach the cloud, the one of the higher id is witnessed.
  const before = dnet.head;
  const words = { op: "OP_DNET_OVX_REMOVE", dnet: dnet.record, ovx: cloud.record } as const;
  const branches = Array.from({ length: 2 }, () => {
    dnet.head = before;
    return [dnet.add(), dnet.sign(dnet.head, words, null)] as const;
  });
  const [low, high] = branches.sort(([a], [b]) => compareBytes(a.id, b.id));
  net.submit(home, high![0]);
  net.stores[home]!.seal(START, cloud.record, cloud.keyPair);
  net.submit(home, high![1], ...low!);
  net.connect(home, member, ["all", [dnet.record]]);
  net.run();
  expect(net.stores[member]!.headOf(dnet.record)!.head).toEqual(high![1].id);
  expect(net.stores[member]!.headOf(dnet.record)!.digest).toEqual(net.stores[home]!.headOf(dnet.record)!.digest);
  const mark = net.sent.length;
  net.run(60 * 60_000);
  expect(net.sent.length - mark).toBe(0); // nothing is left to be asked for
});

test("a body too large to be sent unasked comes by request, over as many hops as there are", () => {
  const net = new Replicas();
  while (net.stores.length < 6) net.add();
  for (let at = 1; at < 6; at++) net.connect(at - 1, at);
  const owner = new Owner(1);
  net.submit(0, ...owner.first);
  net.run();
  net.submit(0, owner.policy(new SeededRandom(1).bytes(200_000)));
  net.run();
  for (const store of net.stores) {
    expect(store.headOf(owner.record)!.head).toEqual(owner.head.id);
    expect(store.missingBodies(owner.record, 1)).toEqual([]);
  }
});
