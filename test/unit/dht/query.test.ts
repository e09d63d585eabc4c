import { expect, test } from "bun:test";
import { compareDistance, type Peer, peerAt } from "../../../src/dht/peer.ts";
import { Query, type QueryContext, type QueryOptions } from "../../../src/dht/query.ts";
import type { Outgoing, Reply } from "../../../src/dht/requests.ts";
import { encodeAddress4, INTERNAL, K, type Response } from "../../../src/wire/rpc.ts";
import { type Sent, Wire, withId } from "../../support/dht-wire.ts";
import { SeededRandom } from "../../support/random.ts";

const TARGET = new Uint8Array(32).fill(0x5a);
const SELF = new Uint8Array(32).fill(0xff);
const STORE = 77;
const RTT_MS = 20;
/** A walk from three nodes that know all others, ten at a time: 3, 10, 10 more, and the last. */
const WALK_MS = 4 * RTT_MS;

/** A network in memory: every node knows all others and answers after a fixed time. Tests make single nodes behave otherwise. */
class Network {
  readonly wire = new Wire();
  readonly nodes: Peer[];
  readonly nearest: Peer[];
  readonly events: string[] = [];
  readonly replies: Reply[] = [];
  readonly unreachable: string[] = [];
  hintsLeft = 1_000;
  mostAtOnce = 0;
  /** What a node answers; null for silence. */
  behaves: (node: Peer, sent: Sent) => Partial<Response> | null = (node) => this.answerOf(node);
  rttMs: (node: Peer) => number = () => RTT_MS;
  context: QueryContext;
  readonly #random = new SeededRandom(7);
  #atOnce = 0;

  constructor(size: number) {
    this.nodes = Array.from({ length: size }, () => this.newNode());
    this.nearest = this.sorted(this.nodes);
    this.wire.onSent = (sent) => this.#onSent(sent);
    this.context = {
      requests: this.wire.requests,
      concurrency: 10,
      self: () => SELF,
      closest: () => this.nearest.slice(-3), // the farthest: there is a way to go
      bootstrap: () => [],
      admits: () => true,
      mayHint: () => this.hintsLeft-- > 0,
      unreachable: (_now, { host }) => void this.unreachable.push(host),
    };
  }

  newNode(): Peer {
    const [a, b, c] = this.#random.bytes(3);
    return peerAt({ host: `${1 + (a! % 200)}.${b}.${c}.9`, port: 1 + this.#random.below(65_535) });
  }

  sorted<Node extends Peer>(nodes: readonly Node[]): Node[] {
    return [...nodes].sort((a, b) => compareDistance(TARGET, a.id, b.id));
  }

  answerOf(node: Peer): Partial<Response> {
    const others = this.nearest.filter((other) => other.key !== node.key).slice(0, K);
    return { token: tokenOf(node), closerNodes: others };
  }

  query(options: Partial<QueryOptions> = {}): Query {
    const question = { isInternal: true, command: INTERNAL.findNode, target: TARGET };
    const query = new Query({ ...question, ...options }, this.context, {
      replied: (_now, _query, reply) => void this.replies.push(reply),
      finished: (now, _query, failure) => void this.events.push(`${now} ${failure ?? "done"}`),
    });
    query.start(this.wire.now);
    return query;
  }

  /** Those that were asked the question, in order, each once however often it was sent. */
  get asked(): string[] {
    return [...new Set(this.sentOf(INTERNAL.findNode).map(({ to }) => to.host))];
  }

  sentOf(command: number): Sent[] {
    return this.wire.sent.filter(({ request }) => request.command === command);
  }

  #onSent(sent: Sent): void {
    const node = this.nodes.find(({ host, port }) => host === sent.to.host && port === sent.to.port);
    const response = node && this.behaves(node, sent);
    if (!node || !response) return;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    this.wire.later(this.rttMs(node), () => {
      this.#atOnce--;
      this.wire.answer(sent, response);
    });
  }
}

function tokenOf(node: Peer): Uint8Array {
  return new Uint8Array(32).fill(node.key % 256);
}

const hostsOf = (nodes: readonly { host: string }[]) => nodes.map(({ host }) => host);
const store = (reply: Reply): Outgoing => {
  return { to: reply.from, isInternal: false, command: STORE, target: TARGET, token: reply.token, retries: 0 };
};

test("a walk ends with the twenty nearest nodes of all, nearest first", () => {
  const network = new Network(200);
  const query = network.query();
  network.wire.run(60_000);
  expect(hostsOf(query.closestReplies.map(({ from }) => from))).toEqual(hostsOf(network.nearest.slice(0, K)));
  expect(network.events).toEqual([`${WALK_MS} done`]);
  expect(network.wire.sent).toHaveLength(network.asked.length);
  expect(network.replies).toHaveLength(network.asked.length);
  expect(network.asked.length).toBeLessThan(K + 5);
  expect([query.hops, query.isDone]).toEqual([2, true]);
});

test("no more requests are under way than the query's concurrency", () => {
  for (const concurrency of [1, 4]) {
    const network = new Network(100);
    network.query({ concurrency });
    network.wire.run(60_000);
    expect(network.mostAtOnce).toBe(Math.min(concurrency, K));
    expect(network.events).toHaveLength(1);
  }
});

test("the commit goes to the nearest alone, to each with the token that it gave", () => {
  const network = new Network(60);
  network.query({ commit: store });
  network.wire.run(60_000);
  const commits = network.sentOf(STORE);
  expect(hostsOf(commits.map(({ to }) => to))).toEqual(hostsOf(network.nearest.slice(0, K)));
  expect(commits.map(({ request }) => request.token)).toEqual(network.nearest.slice(0, K).map(tokenOf));
  expect(network.events).toEqual([`${WALK_MS + RTT_MS} done`]);
});

test("one commit that holds is success; with none the last refusal is the failure", () => {
  const outcomes = [
    [(rank: number) => (rank === 7 ? {} : { error: 16 }), `${WALK_MS + RTT_MS} done`],
    [(rank: number) => (rank === 7 ? {} : null), `${WALK_MS + 1_000} done`],
    [() => ({ error: 16 }), `${WALK_MS + RTT_MS} refused`],
    [() => null, `${WALK_MS + 1_000} timeout`],
  ] as const;
  for (const [outcome, end] of outcomes) {
    const network = new Network(60);
    network.behaves = (node, { request }) =>
      request.command === STORE ? outcome(network.nearest.indexOf(node)) : network.answerOf(node);
    network.query({ commit: store });
    network.wire.run(60_000);
    expect(network.events).toEqual([end]);
  }
});

test("when there is nothing to send to any of the nearest, the commit has failed", () => {
  const network = new Network(60);
  network.query({ commit: () => null });
  network.wire.run(60_000);
  expect(network.events).toEqual([`${WALK_MS} too-few-nodes`]);
});

test("a commit that nobody wants at the end is none, and the walk has succeeded", () => {
  for (const wanted of [false, true]) {
    const network = new Network(60);
    let askedAt: number | null = null;
    const wantsCommit = () => {
      askedAt = network.wire.now;
      return wanted;
    };
    network.query({ commit: store, wantsCommit });
    network.wire.run(60_000);
    expect<number | null>(askedAt).toBe(WALK_MS);
    expect(network.sentOf(STORE)).toHaveLength(wanted ? K : 0);
    expect(network.events[0]).toEndWith("done");
  }
});

test("a walk that finds nobody is empty, and has failed if it was to commit", () => {
  const events = (options: Partial<QueryOptions>, isSilent: boolean) => {
    const network = new Network(3);
    network.behaves = () => null;
    if (!isSilent) network.context = { ...network.context, closest: () => [] };
    network.query(options);
    network.wire.run(60_000);
    return network.events;
  };
  expect(events({}, false)).toEqual(["0 done"]);
  expect(events({ commit: store }, false)).toEqual(["0 too-few-nodes"]);
  expect(events({}, true)).toEqual(["6000 done"]);
  expect(events({ commit: store }, true)).toEqual(["6000 too-few-nodes"]);
});

test("a node is asked once, however many name it, and the ones nearest to the target first", () => {
  const network = new Network(60);
  network.query({ concurrency: 1 });
  network.wire.run(60_000);
  expect(network.wire.sent).toHaveLength(network.asked.length);
  expect(network.asked[1]).toBe(network.nearest[0]!.host);
});

test("what is named without sense is not asked: port 0, ourselves, and who is not admitted", () => {
  const network = new Network(10);
  const [us, refused] = [network.newNode(), network.newNode()];
  network.context = {
    ...network.context,
    closest: () => [network.nodes[0]!, us, { ...network.newNode(), port: 0 }],
    bootstrap: () => [us],
    self: () => us.id,
    admits: ({ host }) => host !== refused.host,
  };
  network.behaves = () => ({ closerNodes: [{ host: "9.9.9.9", port: 0 }, us, refused, ...network.nodes] });
  network.query();
  network.wire.run(60_000);
  expect(network.asked.toSorted()).toEqual(hostsOf(network.nodes).toSorted());
  expect(network.events).toHaveLength(1);
});

test("of the nodes that a reply names, those after the first that is no nearer are not read", () => {
  const network = new Network(60);
  const [last, extra] = [network.nearest[0]!, network.nearest[K]!];
  const hidden = network.newNode();
  network.nodes.push(hidden);
  // The last to answer, when twenty others have.
  network.rttMs = (node) => (node === last ? 2 * RTT_MS : RTT_MS);
  network.behaves = (node) => ({ closerNodes: node === last ? [network.nearest[40]!, hidden] : [] });
  network.context = { ...network.context, closest: () => network.nearest.slice(0, K) };
  network.query({ concurrency: K + 1, nodes: [extra] });
  network.wire.run(60_000);
  expect(network.asked).toHaveLength(K + 1);
  expect(network.events).toEqual([`${2 * RTT_MS} done`]);
});

test("a reply with an error names nodes, but is neither reported nor kept", () => {
  const network = new Network(40);
  const failing = network.nearest[39]!;
  network.context = { ...network.context, closest: () => [failing] };
  network.behaves = (node) => ({ ...network.answerOf(node), error: node === failing ? 1 : 0 });
  const query = network.query();
  network.wire.run(60_000);
  expect(network.asked.length).toBeGreaterThan(K);
  expect(hostsOf(network.replies.map(({ from }) => from))).not.toContain(failing.host);
  expect(query.closestReplies).toHaveLength(K);
});

test("a replier without a valid id is reported, and names nodes, but never among the nearest", () => {
  const network = new Network(40);
  const strange = network.nearest[0]!;
  const answer = network.wire.answer.bind(network.wire);
  network.wire.answer = (sent, response) =>
    answer(sent, response, sent.to.host === strange.host ? { ...sent.to, id: null } : withId(sent.to));
  const query = network.query({ commit: store });
  network.wire.run(60_000);
  expect(hostsOf(network.replies.map(({ from }) => from))).toContain(strange.host);
  expect(hostsOf(query.closestReplies.map(({ from }) => from))).toEqual(hostsOf(network.nearest.slice(1, K + 1)));
});

test("an answer from another port than was asked does not stand for the node that was asked", () => {
  const network = new Network(40);
  const asked = network.nearest[0]!;
  const answer = network.wire.answer.bind(network.wire);
  network.wire.answer = (sent, response) =>
    answer(sent, response, withId(sent.to.host === asked.host ? { ...sent.to, port: asked.port ^ 1 } : sent.to));
  const query = network.query();
  network.wire.run(60_000);
  expect(hostsOf(query.closestReplies.map(({ from }) => from))).toEqual(hostsOf(network.nearest.slice(1, K + 1)));
});

test("in a small network a silent node is waited for until it was asked three times, and asked on to the end", () => {
  const network = new Network(5);
  const silent = network.nearest[2]!;
  network.behaves = (node) => (node === silent ? null : network.answerOf(node));
  const query = network.query();
  network.wire.run(60_000);
  expect(network.events).toEqual(["1500 done"]);
  expect(query.closestReplies).toHaveLength(4);
  const asked = network.sentOf(INTERNAL.findNode).filter(({ to }) => to.host === silent.host);
  expect(asked.map(({ at }) => at)).toEqual([0, 500, 1_500, 2_500, 3_500, 4_500]);
  expect(network.unreachable).toEqual([silent.host]);
});

test("when nobody has answered, all are waited for to the end, six seconds", () => {
  const network = new Network(3);
  network.rttMs = (node) => (node === network.nearest[0] ? 5_999 : 60_000);
  const query = network.query();
  network.wire.run(60_000);
  expect(network.events).toEqual(["5999 done"]);
  expect(query.closestReplies).toHaveLength(1);
});

test("a node that is down after the walk is told as such, and its answer then is no reply any more", () => {
  const network = new Network(5);
  const [silent, slow] = [network.nearest[2]!, network.nearest[3]!];
  network.behaves = (node) => (node === silent ? null : network.answerOf(node));
  network.rttMs = (node) => (node === slow ? 3_000 : RTT_MS);
  const query = network.query({ commit: store });
  network.wire.run(2_000);
  expect([network.events.length, network.replies.length]).toEqual([1, 3]);
  network.wire.run(60_000);
  expect([network.events.length, network.replies.length, query.closestReplies.length]).toEqual([1, 3, 3]);
  expect(network.unreachable).toEqual([silent.host]);
});

test("in a large one a slow node makes room for another, and the walk ends without it", () => {
  const network = new Network(100);
  const silent = network.nearest.slice(0, 4);
  network.behaves = (node) => (silent.includes(node) ? null : network.answerOf(node));
  const query = network.query({ concurrency: 4 });
  network.wire.run(RTT_MS);
  network.wire.run(RTT_MS + 499);
  // All four places are taken by the silent ones until they are late.
  expect(network.asked).toEqual(hostsOf([...network.nearest.slice(-3), ...silent]));
  network.wire.run(60_000);
  expect(network.events).toEqual(["620 done"]);
  expect(query.closestReplies).toHaveLength(K);
  expect(network.unreachable.toSorted()).toEqual(hostsOf(silent).toSorted()); // though nobody waited for it
  expect(network.wire.requests.size).toBe(0);
});

test("an answer that was late counts like any other while the walk goes on", () => {
  const network = new Network(8);
  network.rttMs = (node) => (node === network.nearest[0] ? 1_400 : RTT_MS);
  const query = network.query();
  network.wire.run(60_000);
  expect(query.closestReplies[0]?.from.host).toBe(network.nearest[0]!.host);
  expect(network.events).toEqual([`${RTT_MS + 1_400} done`]);
});

test("an answer that comes during the commit is reported, and is no longer among the nearest", () => {
  const network = new Network(60);
  const late = network.nearest[0]!;
  network.rttMs = (node) => (node === late ? 600 : RTT_MS);
  network.behaves = (node, { request }) => (request.command === STORE ? null : network.answerOf(node));
  const query = network.query({ commit: store });
  network.wire.run(60_000);
  expect(hostsOf(network.replies.map(({ from }) => from))).toContain(late.host);
  expect(hostsOf(network.sentOf(STORE).map(({ to }) => to))).not.toContain(late.host);
  expect(hostsOf(query.closestReplies.map(({ from }) => from))).not.toContain(late.host);
});

test("who named a node that is down is told, now and when it names it later, as often as the budget allows", () => {
  for (const [budget, told] of [
    [1_000, ["1000 1", "1000 2", "1000 3", "1010 4"]],
    [2, ["1000 1", "1000 2"]],
    [0, []],
  ] as const) {
    const network = new Network(5);
    const [down, , , , slow] = network.nearest;
    network.hintsLeft = budget;
    network.behaves = (node) => (node === down ? null : network.answerOf(node));
    network.rttMs = (node) => (node === slow ? 990 : RTT_MS);
    network.context = { ...network.context, closest: () => network.nearest.slice(0, 3) };
    network.query({ concurrency: 3, retries: 0 });
    network.wire.run(60_000);
    const hints = network.sentOf(INTERNAL.downHint);
    const rank = ({ host }: { host: string }) => network.nearest.findIndex((node) => node.host === host);
    expect(hints.map(({ at, to }) => `${at} ${rank(to)}`).toSorted()).toEqual([...told]);
    for (const { request } of hints) expect(request.value).toEqual(encodeAddress4(down!));
    expect(network.unreachable).toEqual([down!.host]);
    expect(network.wire.requests.size).toBe(0);
  }
});

test("a query that its caller gave twenty nodes asks neither table nor bootstrap, and few at a time at first", () => {
  const network = new Network(60);
  const given = network.nearest.slice(0, K);
  const refuse = () => {
    throw new Error("it has nodes enough");
  };
  network.context = { ...network.context, closest: refuse, bootstrap: refuse };
  network.rttMs = (node) => RTT_MS + network.nearest.indexOf(node);
  const underWay: number[] = [];
  const onSent = network.wire.onSent;
  network.wire.onSent = (sent) => {
    onSent(sent);
    underWay.push(network.wire.requests.size);
  };
  network.query({ nodes: given });
  network.wire.run(60_000);
  // A burst of ten; then none until three are left under way; then, with ten outcomes, ten again.
  expect(underWay).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 10]);
  expect(network.asked.slice(0, K)).toEqual(hostsOf(given));
  expect(network.events).toHaveLength(1);
});

test("a query whose given nodes are nearly all gone goes on from the table, once", () => {
  const network = new Network(60);
  const alive = network.nearest[3]!;
  const given = network.nearest.slice(0, K);
  network.behaves = (node) =>
    given.includes(node) && node !== alive ? null : { ...network.answerOf(node), closerNodes: [] };
  let fills = 0;
  network.context = {
    ...network.context,
    closest: () => {
      fills++;
      return network.nearest.slice(30, 30 + K);
    },
  };
  const query = network.query({ nodes: given });
  network.wire.run(60_000);
  expect(fills).toBe(1);
  expect(query.closestReplies).toHaveLength(K);
  expect(query.closestReplies[0]?.from.host).toBe(alive.host);
  expect(network.events).toHaveLength(1);
});

test("with fewer than twenty nodes at hand the bootstrap nodes are asked too, and always when wished", () => {
  const bootstrap = new Network(1).newNode();
  const asked = (size: number, options: Partial<QueryOptions>) => {
    const network = new Network(60);
    network.nodes.push(bootstrap);
    network.context = {
      ...network.context,
      closest: () => network.nearest.slice(0, size),
      bootstrap: () => [bootstrap],
    };
    network.query({ concurrency: 40, ...options });
    return network.asked.includes(bootstrap.host);
  };
  expect(asked(19, {})).toBe(true);
  expect(asked(K, {})).toBe(false);
  expect(asked(K, { asksBootstrap: true })).toBe(true);
  expect(asked(19, { onlyTheseNodes: true, nodes: [] })).toBe(false);
});

test("only the given nodes are asked when that is wished", () => {
  const network = new Network(60);
  const given = network.nearest.slice(20, 23);
  const query = network.query({ nodes: given, onlyTheseNodes: true, commit: store });
  network.wire.run(60_000);
  expect(network.asked).toEqual(hostsOf(given));
  expect(query.closestReplies).toHaveLength(3);
  expect(network.sentOf(STORE)).toHaveLength(3);
});

test("what follows a reply is sent as it comes, and the query waits for it to end", () => {
  const network = new Network(5);
  network.rttMs = () => RTT_MS;
  network.behaves = (node, { request }) => (request.command === STORE ? null : network.answerOf(node));
  network.query({ follow: store });
  network.wire.run(60_000);
  expect(network.sentOf(STORE).map(({ at }) => at)).toEqual([20, 20, 20, 40, 40]);
  expect(network.events).toEqual(["1040 done"]); // whether it held or not
});

test("what follows a reply ends before the commit begins, as it may be about the same record", () => {
  const network = new Network(5);
  const [follow, slow] = [88, network.nearest[1]!];
  network.rttMs = (node) => (node === slow ? 400 : RTT_MS);
  network.query({ follow: (reply) => ({ ...store(reply), command: follow, retries: 3 }), commit: store });
  network.wire.run(60_000);
  const lastFollowed = Math.max(...network.sentOf(follow).map(({ at }) => at));
  expect(network.sentOf(STORE).map(({ at }) => at)).toEqual(new Array(5).fill(lastFollowed + 400));
  expect(network.events).toHaveLength(1);
});

test("what follows a reply is no commit: its success is not the query's", () => {
  const network = new Network(5);
  const [follow, commit] = [88, STORE];
  network.behaves = (node, { request }) => {
    return request.command === commit ? { error: 18 } : request.command === follow ? {} : network.answerOf(node);
  };
  network.query({ follow: (reply) => ({ ...store(reply), command: follow }), commit: store });
  network.wire.run(60_000);
  expect(network.sentOf(follow)).toHaveLength(5);
  expect(network.events).toEqual([`${4 * RTT_MS} refused`]); // a walk of two rounds
});

test("a query that is cancelled, in whatever phase, sends and tells nothing more", () => {
  const commitsAt = WALK_MS + 1_000; // once nobody answered what followed
  for (const cancelledAt of [0, 5, RTT_MS, WALK_MS - 1, WALK_MS, WALK_MS + 1, commitsAt - 1, commitsAt, 10_000]) {
    const network = new Network(60);
    network.behaves = (node, { request }) => (request.command === STORE ? null : network.answerOf(node));
    const query = network.query({ commit: store, follow: store });
    network.wire.run(cancelledAt);
    const [sent, told] = [network.wire.sent.length, network.replies.length];
    query.cancel(cancelledAt);
    query.cancel(cancelledAt);
    expect([query.isDone, network.wire.requests.size]).toEqual([true, 0]);
    network.wire.run(60_000);
    expect([network.wire.sent.length, network.replies.length]).toEqual([sent, told]);
    expect(network.events).toEqual(cancelledAt === 10_000 ? [`${commitsAt + 1_000} timeout`] : []);
  }
});

test("a query that its owner cancels on the first reply asks nobody else", () => {
  const network = new Network(60);
  const question = { isInternal: true, command: INTERNAL.findNode, target: TARGET };
  const query: Query = new Query(question, network.context, {
    replied: (now) => query.cancel(now),
    finished: () => void network.events.push("finished"),
  });
  query.start(0);
  network.wire.run(60_000);
  expect([network.asked.length, network.events.length]).toEqual([3, 0]);
});

test("suspended, a query fails at once, whether it was to commit or not", () => {
  const commitsAt = WALK_MS;
  for (const at of [0, RTT_MS + 1, commitsAt + 1]) {
    for (const commit of [store, undefined]) {
      const network = new Network(60);
      network.behaves = (node, { request }) => (request.command === STORE ? null : network.answerOf(node));
      network.query(commit ? { commit } : {});
      network.wire.run(at);
      if (network.events.length > 0) continue;
      const sent = network.wire.sent.length;
      network.wire.requests.suspend(at);
      expect(network.events).toEqual([`${at} suspended`]);
      expect([network.wire.sent.length, network.wire.requests.size]).toEqual([sent, 0]);
      expect(network.unreachable).toEqual([]); // it is us who went away
    }
  }
});

test("a query that there is no room for fails", () => {
  const network = new Network(60);
  const ping = { to: network.newNode(), isInternal: true, command: INTERNAL.ping };
  const nobody = { answered: () => {}, failed: () => {} };
  for (let i = 0; i < 16_384; i++) network.wire.requests.start(0, ping, nobody);
  network.query();
  expect(network.events).toEqual([]);
  network.wire.run(0);
  expect(network.events).toEqual(["0 overloaded"]);
});

test("of the nodes that one reply names the first twenty are read", () => {
  const network = new Network(1);
  network.context = { ...network.context, closest: () => network.nodes };
  const named = Array.from({ length: 64 }, () => network.newNode());
  network.behaves = () => ({ closerNodes: named });
  network.query({ concurrency: 100 });
  network.wire.run(60_000);
  expect(network.asked.slice(1).toSorted()).toEqual(hostsOf(named.slice(0, K)).toSorted());
});

test("a query comes to know at most 1,024 nodes, however many are made up for it", () => {
  const network = new Network(1);
  network.context = { ...network.context, closest: () => network.nodes, concurrency: 200 };
  const random = new SeededRandom(3);
  const madeUp = () => ({ host: [...random.bytes(4)].join("."), port: 1 });
  // Nobody gives an id, so nothing is ever near enough to end the walk.
  network.wire.onSent = (sent) => {
    const closerNodes = Array.from({ length: 64 }, madeUp);
    network.wire.later(1, () => network.wire.answer(sent, { closerNodes }, { ...sent.to, id: null }));
  };
  network.query();
  network.wire.run(600_000);
  expect(network.wire.sent).toHaveLength(1_024);
  expect(network.events).toHaveLength(1);
});

test("the same network and seed give the same walk, datagram for datagram", () => {
  const run = () => {
    const network = new Network(100);
    network.rttMs = (node) => 10 + (node.key % 90);
    network.query({ commit: store });
    network.wire.run(60_000);
    return network.wire.sent.map(({ at, datagram }) => `${at} ${datagram.toHex()}`);
  };
  expect(run()).toEqual(run());
});
