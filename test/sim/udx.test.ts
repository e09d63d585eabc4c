/**
 * Pairs of UDX endpoints over simulated time and every kind of weather. Whatever happens to datagrams: bytes come in order, none is
 * lost, nobody hangs, and what is kept is bounded. A failure names its seed; `checkSeed` with that seed repeats it.
 */
import { expect, test } from "bun:test";
import { SeededRandom } from "../support/random.ts";
import { StreamUser, UdxEnd, type UserPlan } from "../support/udx-sim.ts";
import { Internet } from "./internet/internet.ts";

const SEEDS = 250;
const WITHIN_MS = 900_000;
const TICK_MS = 20;

interface Pair {
  readonly internet: Internet;
  readonly users: readonly [StreamUser, StreamUser];
  readonly ends: readonly UdxEnd[];
  readonly random: SeededRandom;
}

function weather(random: SeededRandom) {
  return {
    loss: random.pick([0, 0, 0.01, 0.05, 0.1]),
    duplication: random.pick([0, 0, 0.05, 0.2]),
    reordering: random.pick([0, 0, 0.02, 0.2]),
    reorderMs: random.pick([5, 30, 200]),
    jitterMs: random.pick([0, 2, 20]),
    mtuBytes: random.pick([1500, 1500, 1400, 1233, 1200]),
  };
}

/** Two users, connected; through a relay where one is asked for. */
function pair(
  seed: number,
  { relayed = false, plan = {} }: { relayed?: boolean; plan?: Partial<UserPlan> } = {},
): Pair {
  const random = new SeededRandom(seed);
  const internet = new Internet({
    seed,
    latencyMs: random.pick([
      [0, 1],
      [5, 50],
      [100, 150],
    ] as const),
    ...weather(random),
  });
  const sizes = [0, 1, 1152, 5_000, 60_000, 400_000];
  const [there, back] = [random.pick(sizes), random.pick(sizes)];
  const endsLast = random.below(3);
  const common = () => ({
    readsAfterMs: random.pick([0, 0, 0, 10, 700]),
    windowBytes: random.pick([4_194_304, 4_194_304, 65_536, 4_000]),
  });
  const ends = [new UdxEnd(internet.addHost()), new UdxEnd(internet.addHost())] as const;
  const a = new StreamUser(
    ends[0],
    { sends: there, expects: back, salt: 1, theirSalt: 2, endsLast: endsLast === 1, ...common(), ...plan },
    random,
  );
  const b = new StreamUser(
    ends[1],
    { sends: back, expects: there, salt: 2, theirSalt: 1, endsLast: endsLast === 2, ...common(), ...plan },
    random,
  );
  const [atA, atB] = [ends[0].bind("main"), ends[1].bind("main")];
  const [seqA, seqB] = [random.pick([0, 77, 0xffff_fff0]), random.pick([0, 0xffff_ffff])];
  a.open(1, { seq: seqA });
  b.open(2, { seq: seqB });
  const all: UdxEnd[] = [...ends];
  let [forA, forB] = [
    { to: atB, remoteId: 2 },
    { to: atA, remoteId: 1 },
  ];
  if (relayed) {
    const relay = new UdxEnd(internet.addHost());
    const at = relay.bind("main");
    const owner = { data() {}, closed() {} };
    const [left, right] = [relay.udx.createStream({ id: 11, owner }), relay.udx.createStream({ id: 22, owner })];
    relay.input((now) => {
      left.connect(now, { socket: "main", ...forB });
      right.connect(now, { socket: "main", ...forA });
      left.relayTo(right);
      right.relayTo(left);
    });
    [forA, forB] = [
      { to: at, remoteId: 11 },
      { to: at, remoteId: 22 },
    ];
    all.push(relay);
  }
  ends[0].input((now) => a.stream.connect(now, { socket: "main", ...forA, ack: seqB }));
  ends[1].input((now) => b.stream.connect(now, { socket: "main", ...forB, ack: seqA }));
  const users = [a, b] as const;
  internet.onStep = () => users.forEach(mustBeBounded);
  for (const user of users) internet.at(random.below(100), () => user.end.input(() => user.write()));
  const tick = () => {
    for (const user of users) if (!user.isClosed) user.end.input((now) => user.read(now));
    if (users.some(({ isClosed }) => !isClosed)) internet.after(TICK_MS, tick);
  };
  if (users.some(({ plan }) => plan.readsAfterMs > 0)) internet.after(TICK_MS, tick);
  return { internet, users, ends: all, random };
}

function mustBeBounded({ stream, plan, mostUnread }: StreamUser): void {
  const { reorderedBytes, underWayPackets } = stream.stats;
  if (reorderedBytes > 4 * plan.windowBytes + 6_000) throw new Error(`${reorderedBytes} bytes are kept out of order`);
  if (mostUnread > 4 * plan.windowBytes + 6_000) throw new Error(`${mostUnread} bytes came past the window`);
  if (underWayPackets > 32_768) throw new Error(`${underWayPackets} packets are under way`);
}

function mustHaveFinished({ internet, users, ends }: Pair): void {
  internet.runUntil(() => users.every(({ isClosed }) => isClosed), WITHIN_MS);
  for (const { received, plan, reason, hasEnded, stream } of users) {
    expect({ received, reason, hasEnded }).toEqual({ received: plan.expects, reason: null, hasEnded: true });
    expect(stream.stats.reorderedBytes).toBe(0);
  }
  internet.runFor(20_000);
  for (const { udx } of ends.slice(0, 2)) {
    expect({ streams: udx.size, lingering: udx.lingering }).toEqual({ streams: 0, lingering: 0 });
    expect(udx.deadline()).toBe(Infinity);
  }
}

test(`two ends exchange their bytes, end by end, in whatever weather (${SEEDS} seeds)`, () => {
  for (let seed = 1; seed <= SEEDS; seed++) mustHaveFinished(pair(seed));
}, 120_000);

test("through a relay, which neither reads nor keeps anything", () => {
  for (let seed = 1; seed <= 60; seed++) mustHaveFinished(pair(1_000 + seed, { relayed: true }));
}, 60_000);

test("while one end moves to another address, and back", () => {
  for (let seed = 1; seed <= 80; seed++) {
    const made = pair(2_000 + seed);
    const { internet, users, random } = made;
    const [a, b] = users;
    const elsewhere = b.end.bind("elsewhere");
    const home = a.stream.remote!;
    const changes = random.pick([1, 2, 3]);
    for (let i = 0; i < changes; i++) {
      internet.at(60 + 150 * i, () => {
        if (a.isClosed || b.isClosed) return;
        const isAway = i % 2 === 0;
        b.end.input((now) =>
          b.stream.changeRemote(now, { ...b.stream.remote!, socket: isAway ? "elsewhere" : "main" }),
        );
        a.end.input((now) => a.stream.changeRemote(now, { ...a.stream.remote!, to: isAway ? elsewhere : home.to }));
      });
    }
    // What is still on its way to the socket that b has left passes its firewall.
    mustHaveFinished(made);
  }
}, 60_000);

test("a new address that is learnt by the firewall: data goes on, intact, though the old address is dead", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const made = pair(3_000 + seed, {
      plan: { sends: 300_000, expects: 300_000, readsAfterMs: 0, windowBytes: 4_194_304 },
    });
    const { internet, users } = made;
    const [a, b] = users;
    internet.at(400, () => {
      if (a.isClosed || b.isClosed) return;
      b.end.host.move("198.51.100.77");
      const port = a.stream.remote!.to.port;
      a.end.input((now) => a.stream.changeRemote(now, { ...a.stream.remote!, to: { host: "198.51.100.77", port } }));
    });
    mustHaveFinished(made);
  }
}, 60_000);

test("a destroyed stream closes at once here, and there with a reset, or, when that is lost, as soon as it sends", () => {
  for (let seed = 1; seed <= 80; seed++) {
    const made = pair(4_000 + seed, { plan: { sends: 400_000, expects: 400_000 } });
    const { internet, users, random } = made;
    const [a, b] = random.chance(0.5) ? users : [users[1], users[0]];
    internet.at(random.below(400), () => a.end.input((now) => a.stream.destroy(now)));
    internet.runFor(60_000);
    expect({ isClosed: a.isClosed, reason: a.reason }).toEqual({ isClosed: true, reason: null });
    // The DESTROY was lost and nothing was under way: nothing tells it, until it writes (§13.2).
    if (!b.isClosed) b.end.input(() => (b.stream.stats.unacknowledgedBytes === 0 ? b.stream.destroy(0) : null));
    expect(b.isClosed).toBe(true);
    if (b.reason === null) expect(b.received === b.plan.expects || b.stream.stats.unacknowledgedBytes === 0).toBe(true);
    for (const { udx } of made.ends) expect(udx.size).toBe(0);
  }
}, 60_000);

test("messages arrive beside the stream, or not, and never twice in fair weather", () => {
  const made = pair(5_001);
  Object.assign(made.internet.conditions, { loss: 0, duplication: 0, reordering: 0 });
  const [a, b] = made.users;
  a.end.input(() => {
    a.stream.send(new TextEncoder().encode("first"));
    a.stream.send(new Uint8Array());
  });
  mustHaveFinished(made);
  expect(b.messages).toEqual(["first", ""]);
});

test("a peer that vanishes is noticed within the time of seven retransmissions", () => {
  const made = pair(6_001, { plan: { sends: 400_000, expects: 400_000 } });
  const [a, b] = made.users;
  made.internet.runFor(300);
  b.end.host.offline();
  made.internet.runUntil(() => a.isClosed, 60_000);
  expect(a.reason).toBe("timeout");
});
