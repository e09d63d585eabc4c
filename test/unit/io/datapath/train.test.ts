import { expect, test } from "bun:test";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import { COLUMN, Stats } from "../../../../src/io/datapath/stats.ts";
import { MAX_TRAIN_BYTES, type Sender, Train, type TrainPeer } from "../../../../src/io/datapath/train.ts";

const EMSGSIZE = -90;

class Bench {
  readonly arena = new Arena(128 * 1024);
  readonly stats = new Stats(4);
  readonly tooBig: number[] = [];
  /** `to datagrams×segment+last/tos`, one for each call. */
  readonly sent: string[] = [];
  result = 0;
  readonly train = new Train<string>(
    this.arena,
    {
      send: (...call) => this.#note("", call, this.result),
      sendFragmented: (...call) => this.#note("fragmented ", call, 0),
    },
    this.stats,
  );

  #note(how: string, call: Parameters<Sender<string>["send"]>, result: number): number {
    const [to, , length, segment, tos] = call;
    const whole = Math.floor(length / segment);
    this.sent.push(`${how}${to} ${whole}×${segment}+${length - whole * segment}/${tos}`);
    return result;
  }

  peer(index: number): TrainPeer<string> {
    return { index, destination: `peer${index}`, tooBig: (bytes) => this.tooBig.push(bytes) };
  }
}

test("datagrams of one length go together, a shorter one is the last", () => {
  const bench = new Bench();
  const peer = bench.peer(0);
  for (const length of [100, 100, 60, 100, 120, 120]) bench.train.append(peer, length, 0);
  bench.train.flush();
  bench.train.flush();
  expect(bench.sent).toEqual(["peer0 2×100+60/0", "peer0 1×100+0/0", "peer0 2×120+0/0"]);
});

test("another peer or other ECN bits begin a new train", () => {
  const bench = new Bench();
  const [a, b] = [bench.peer(0), bench.peer(1)];
  bench.train.append(a, 100, 0);
  bench.train.append(a, 100, 2);
  bench.train.append(b, 100, 2);
  bench.train.append(a, 100, 2);
  bench.train.flush();
  expect(bench.sent).toEqual(["peer0 1×100+0/0", "peer0 1×100+0/2", "peer1 1×100+0/2", "peer0 1×100+0/2"]);
});

test("a train holds 64 datagrams and 65,000 bytes at most", () => {
  const bench = new Bench();
  const peer = bench.peer(0);
  for (let i = 0; i < 65; i++) bench.train.append(peer, 100, 0);
  for (let i = 0; i < 50; i++) bench.train.append(peer, 1452, 0);
  bench.train.flush();
  const fit = Math.floor(MAX_TRAIN_BYTES / 1452);
  const expected = [[64, 100] as const, [1, 100] as const, [fit, 1452] as const, [50 - fit, 1452] as const];
  expect(bench.sent).toEqual(expected.map(([count, bytes]) => `peer0 ${count}×${bytes}+0/0`));
});

test("datagrams lie one behind the other", () => {
  const bench = new Bench();
  const peer = bench.peer(0);
  const first = bench.train.append(peer, 100, 0);
  expect(bench.train.append(peer, 100, 0)).toBe(first + 100);
  expect(bench.train.append(peer, 101, 0)).toBe(first);
});

test("a whole train is sent as it was announced, after what waited", () => {
  const bench = new Bench();
  const peer = bench.peer(0);
  bench.train.append(peer, 1000, 0);
  bench.train.whole(peer, 2500, 1000, 1);
  bench.train.append(peer, 1000, 1);
  bench.train.flush();
  expect(bench.sent).toEqual(["peer0 1×1000+0/0", "peer0 2×1000+500/1", "peer0 1×1000+0/1"]);
});

test("what has nowhere to go or is refused is counted by datagrams", () => {
  const bench = new Bench();
  const nowhere = { ...bench.peer(1), destination: null };
  bench.train.append(nowhere, 100, 0);
  bench.train.append(nowhere, 100, 0);
  bench.result = EMSGSIZE;
  bench.train.append(bench.peer(2), 1452, 0);
  bench.train.flush();
  expect([bench.stats.drops(1), bench.stats.drops(2), bench.tooBig]).toEqual([
    { noAddress: 2 },
    { sendFailed: 1 },
    [1452],
  ]);
  expect(bench.stats.get(2, COLUMN.sendFailed)).toBe(1);
});

test("IPv6's least MTU is carried even where the path is narrower", () => {
  const bench = new Bench();
  bench.result = EMSGSIZE;
  for (const bytes of [1312, 1313]) {
    bench.train.append(bench.peer(0), bytes, 0);
    bench.train.flush();
  }
  expect(bench.sent).toEqual(["peer0 1×1312+0/0", "fragmented peer0 1×1312+0/0", "peer0 1×1313+0/0"]);
  expect([bench.tooBig, bench.stats.drops(0)]).toEqual([[1312, 1313], { sendFailed: 1 }]);
});
