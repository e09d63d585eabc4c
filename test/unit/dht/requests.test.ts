import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import type { Outgoing, PendingRequest, Reply, Requester, RequestFailure } from "../../../src/dht/requests.ts";
import { INTERNAL } from "../../../src/wire/rpc.ts";
import { Wire } from "../../support/dht-wire.ts";

const NODE: Address = { host: "5.9.17.33", port: 49737 };
const node = (i: number): Address => ({ host: `5.9.${i >> 8}.${i & 255}`, port: 1000 });
const ping = (to: Address = NODE, more: Partial<Outgoing> = {}): Outgoing => {
  return { to, isInternal: true, command: INTERNAL.ping, ...more };
};

/** Notes what it is told, and does then what a test says. */
class Asker implements Requester {
  readonly told: string[] = [];
  onTold: (now: number, request: PendingRequest) => void = () => {};

  answered(now: number, request: PendingRequest, reply: Reply): void {
    this.#note(now, request, `answered ${reply.rttMs}`);
  }

  failed(now: number, request: PendingRequest, why: RequestFailure): void {
    this.#note(now, request, why);
  }

  late(now: number, request: PendingRequest): void {
    this.#note(now, request, "late");
  }

  #note(now: number, request: PendingRequest, what: string): void {
    this.told.push(`${now} ${what}`);
    this.onTold(now, request);
  }
}

const sendTimes = (wire: Wire) => wire.sent.map(({ at }) => at);

test("a silent node is asked four times, is late after half a second and ever more, and is given up after four", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(), asker);
  wire.run(60_000);
  expect(sendTimes(wire)).toEqual([0, 500, 1_500, 2_500]);
  expect(asker.told).toEqual(["500 late", "1500 late", "2500 late", "3500 late", "4000 timeout"]);
  expect(new Set(wire.sent.map(({ datagram }) => datagram.toHex())).size).toBe(1);
  expect([wire.requests.size, wire.requests.timeouts, wire.requests.deadline()]).toEqual([0, 1, Infinity]);
});

test("a request is repeated as often as it says, and fails after that many seconds", () => {
  for (const [retries, sends, end] of [
    [0, [0], 1_000],
    [1, [0, 500], 2_000],
    [5, [0, 500, 1_500, 2_500, 3_500, 4_500], 6_000],
  ] as const) {
    const [wire, asker] = [new Wire(), new Asker()];
    wire.requests.start(0, ping(NODE, { retries }), asker);
    wire.run(60_000);
    expect<readonly number[]>(sendTimes(wire)).toEqual(sends);
    expect(asker.told.at(-1)).toBe(`${end} timeout`);
  }
});

test("the first answer ends a request, and later ones are nobody's", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(), asker);
  wire.run(30);
  expect(wire.answer(wire.sent[0]!)).toBe(true);
  expect(wire.answer(wire.sent[0]!)).toBe(false);
  wire.run(60_000);
  expect(asker.told).toEqual(["30 answered 30"]);
  expect(wire.sent).toHaveLength(1);
});

test("an answer after the request was given up is nobody's", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(), asker);
  wire.run(3_999);
  expect(wire.requests.match(NODE, wire.sent[0]!.request.tid)).not.toBeNull();
  wire.run(4_000);
  expect(wire.answer(wire.sent[0]!)).toBe(false);
  expect(asker.told.at(-1)).toBe("4000 timeout");
});

test("an answer counts from the host that was asked, whichever its port, and from no other", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  const { tid } = wire.requests.start(0, ping(), asker);
  expect(wire.requests.match({ ...NODE, host: "5.9.17.34" }, tid)).toBeNull();
  expect(wire.requests.match(NODE, (tid + 1) % 65_536)).toBeNull();
  expect(wire.requests.match({ ...NODE, port: 1 }, tid)).not.toBeNull();
});

test("once a node has answered, its own round trip says when an answer is late", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(), asker);
  wire.run(100);
  wire.answer(wire.takeSent()[0]!);
  wire.requests.start(100, ping(), asker);
  wire.run(10_000);
  // RFC 6298: 100 ms, and four times a deviation of 50.
  expect(sendTimes(wire)).toEqual([100, 400, 1_400, 2_400]);
});

test("an answer to a repeated request tells no round trip, as nobody knows which one it answers", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(), asker);
  wire.run(520);
  wire.answer(wire.takeSent()[1]!);
  wire.requests.start(520, ping(), asker);
  wire.run(10_000);
  expect(sendTimes(wire)).toEqual([520, 1_020, 2_020, 3_020]);
});

test("a request with a time of its own waits that long for each answer", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  wire.requests.start(0, ping(NODE, { timeoutMs: 6_000, retries: 1 }), asker);
  wire.run(60_000);
  expect(sendTimes(wire)).toEqual([0, 6_000]);
  expect(asker.told).toEqual(["6000 late", "12000 timeout"]);
});

test("the window holds requests back, first come first served, and makes room as answers come or spans pass", () => {
  const [wire, asker] = [new Wire({ maxWindow: 2 }), new Asker()];
  for (let i = 0; i < 6; i++) wire.requests.start(0, ping(node(i), { retries: 0 }), asker);
  expect(wire.sent.map(({ to }) => to)).toEqual([node(0), node(1)]);
  expect(wire.requests.match(node(2), 0)).toBeNull();
  wire.run(10);
  for (const sent of wire.takeSent()) wire.answer(sent);
  wire.run(750);
  expect(wire.sent.map(({ at, to }) => [at, to])).toEqual([
    [750, node(2)],
    [750, node(3)],
  ]);
  wire.run(1_500); // twice the window in all
  expect(wire.sent.slice(2).map(({ at, to }) => [at, to])).toEqual([
    [1_500, node(4)],
    [1_500, node(5)],
  ]);
  wire.run(2_500);
  expect(asker.told.slice(2)).toEqual(["1750 timeout", "1750 timeout", "2500 timeout", "2500 timeout"]);
});

test("a request that waits for the window is not under way: nobody can answer it, and its time does not run", () => {
  const [wire, asker] = [new Wire({ maxWindow: 1 }), new Asker()];
  wire.requests.start(0, ping(node(1), { retries: 0 }), asker);
  const { tid } = wire.requests.start(0, ping(node(2), { retries: 0 }), asker);
  expect(wire.requests.match(node(2), tid)).toBeNull();
  wire.run(10_000);
  expect(asker.told).toEqual(["1000 timeout", "1750 timeout"]);
});

test("how long a request waited for the window is no part of its node's round trip", () => {
  const [wire, asker] = [new Wire({ maxWindow: 2 }), new Asker()];
  for (let i = 0; i < 3; i++) wire.requests.start(0, ping(node(i)), asker);
  wire.run(400);
  for (const sent of wire.takeSent()) wire.answer(sent);
  wire.run(760);
  wire.answer(wire.takeSent()[0]!);
  expect(asker.told.at(-1)).toBe("760 answered 760"); // as its asker sees it
  wire.run(5_000);
  wire.requests.start(5_000, ping(node(2), { retries: 1 }), asker);
  wire.run(20_000);
  expect(sendTimes(wire)).toEqual([5_000, 5_250]);
});

test("a repetition obeys the window too, and a request whose time is over is not sent once more", () => {
  const [wire, asker] = [new Wire({ maxWindow: 1 }), new Asker()];
  wire.requests.start(0, ping(node(1), { retries: 1 }), asker);
  // Others take each span's only place before the repetition comes to it.
  for (let i = 0; i < 8; i++) wire.requests.start(0, ping(node(10 + i), { retries: 0 }), new Asker());
  wire.run(10_000);
  expect(wire.sent.filter(({ to }) => to.host === node(1).host).map(({ at }) => at)).toEqual([0]);
  expect(asker.told).toEqual(["500 late", "2000 timeout"]);
});

test("a forced request neither waits for the window nor counts in it, and is never repeated", () => {
  const [wire, asker] = [new Wire({ maxWindow: 1 }), new Asker()];
  const forced = (i: number) => wire.requests.start(0, ping(node(i), { isForced: true, retries: 3 }), asker);
  for (let i = 0; i < 5; i++) forced(i);
  wire.requests.start(0, ping(node(9), { retries: 0 }), new Asker());
  for (let i = 5; i < 9; i++) forced(i);
  wire.run(10_000);
  expect(sendTimes(wire)).toEqual(new Array(10).fill(0));
  expect(asker.told).toEqual(new Array(9).fill("1000 timeout"));
  expect(wire.requests.timeouts).toBe(1); // the others say nothing of how the network is
});

test("a request that is forgotten is never sent again, and nobody is told", () => {
  const [wire, asker] = [new Wire({ maxWindow: 1 }), new Asker()];
  const sent = wire.requests.start(0, ping(node(1)), asker);
  const waiting = wire.requests.start(0, ping(node(2)), asker);
  wire.requests.forget(0, sent);
  wire.requests.forget(0, waiting);
  wire.requests.forget(0, waiting);
  wire.run(60_000);
  expect([wire.sent.length, asker.told, wire.requests.size]).toEqual([1, [], 0]);
  expect(wire.answer(wire.sent[0]!)).toBe(false);
});

test("when one request's end makes its owner forget others that are due at the same moment, they are over", () => {
  for (const [retries, told] of [
    [0, ["1000 timeout"]],
    [3, ["500 late"]],
  ] as const) {
    const [wire, asker] = [new Wire(), new Asker()];
    const requests = [1, 2, 3].map((i) => wire.requests.start(0, ping(node(i), { retries }), asker));
    asker.onTold = () => {
      for (const request of requests) wire.requests.forget(wire.now, request);
    };
    wire.run(60_000);
    expect<readonly string[]>(asker.told).toEqual(told);
    expect(wire.sent.length).toBe(retries === 0 ? 3 : 4); // the first of them was repeated before it was late
    expect(wire.requests.timeouts).toBe(retries === 0 ? 1 : 0);
  }
});

test("suspending ends every request, and those that come of it, without one more datagram", () => {
  const [wire, asker] = [new Wire({ maxWindow: 1 }), new Asker()];
  let more = 3;
  asker.onTold = (now) => {
    if (more-- > 0) wire.requests.start(now, ping(node(9)), asker);
  };
  wire.requests.start(0, ping(node(1)), asker);
  wire.requests.start(0, ping(node(2)), asker); // waits for the window
  wire.run(10);
  wire.requests.suspend(10);
  expect(asker.told).toEqual(new Array(5).fill("10 suspended"));
  expect([wire.sent.length, wire.requests.size, wire.requests.deadline()]).toEqual([1, 0, Infinity]);
  wire.requests.start(10, ping(node(3)), asker);
  wire.run(20);
  expect(asker.told.slice(5)).toEqual(["10 suspended"]);
  wire.requests.resume();
  wire.run(5_000);
  expect(wire.sent).toHaveLength(1);
  wire.requests.start(5_000, ping(node(3)), asker);
  expect(wire.sent).toHaveLength(2);
});

test("beyond 16,384 requests the next one fails, at once but not before its owner has it", () => {
  const [wire, asker, last] = [new Wire(), new Asker(), new Asker()];
  for (let i = 0; i < 16_384; i++) wire.requests.start(0, ping(), asker);
  wire.requests.start(0, ping(), last);
  const forgotten = wire.requests.start(0, ping(), last);
  wire.requests.forget(0, forgotten);
  expect([last.told, wire.requests.size]).toEqual([[], 16_384]);
  expect(wire.requests.deadline()).toBe(-Infinity);
  wire.requests.advance(0);
  expect(last.told).toEqual(["0 overloaded"]);
  expect(wire.requests.deadline()).toBeGreaterThan(0);
});

test("no two requests under way have the same number, and the numbers cannot be foretold from one another", () => {
  const wire = new Wire();
  const tids = Array.from({ length: 16_384 }, () => wire.requests.start(0, ping(), new Asker()).tid);
  expect(new Set(tids).size).toBe(tids.length);
  expect(tids.every((tid) => Number.isInteger(tid) && tid >= 0 && tid < 65_536)).toBe(true);
  expect(tids.filter((tid, i) => tid === tids[i - 1]! + 1).length).toBeLessThan(20);
});

test("our id goes with every request but brief ones, which ask for none", () => {
  const id = new Uint8Array(32).fill(7);
  const wire = new Wire({ id });
  wire.requests.start(0, ping(), new Asker());
  wire.requests.start(0, ping(NODE, { isBrief: true }), new Asker());
  expect(wire.sent.map(({ request }) => [request.id, request.isBrief])).toEqual([
    [id, false],
    [null, true],
  ]);
  expect(wire.sent[1]!.datagram).toHaveLength(11);
});

test("a request leaves from the socket that it says, or else from the node's", () => {
  const wire = new Wire({ socket: "client" });
  wire.requests.start(0, ping(), new Asker());
  wire.requests.start(0, ping(NODE, { socket: "server" }), new Asker());
  expect(wire.sent.map(({ socket }) => socket)).toEqual(["client", "server"]);
});

test("a clock that leaps ends what is overdue, each once", () => {
  const [wire, asker] = [new Wire(), new Asker()];
  for (let i = 0; i < 3; i++) wire.requests.start(0, ping(node(i)), asker);
  wire.requests.advance(3_600_000);
  expect(asker.told).toEqual(new Array(3).fill("3600000 timeout"));
  expect(wire.sent).toHaveLength(3);
});
