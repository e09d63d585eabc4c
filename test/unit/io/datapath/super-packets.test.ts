import { expect, test } from "bun:test";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import { Stats } from "../../../../src/io/datapath/stats.ts";
import {
  Assembly,
  ReportSchedule,
  SharingPolicy,
  SuperPacketCheck,
} from "../../../../src/io/datapath/super-packets.ts";
import { address6, build, payloadOf, setU16, UDP } from "../../../support/packets.ts";
import { superVnet } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

/** Reports up to `to` by steps of 256, none missing but `missing` from the first; when it came on, or null. */
function cleanRun(policy: SharingPolicy, session: number, from: number, to: number, missing = 0): number | null {
  for (let highest = from; highest <= to; highest += 256) {
    policy.report(session, highest, missing);
    if (policy.superPackets) return highest;
  }
  return null;
}

test("super-packets come on after 4096 messages without a loss, where they are allowed", () => {
  expect(cleanRun(new SharingPolicy(true), 1, 0, 10_000)).toBe(4096);
  expect(cleanRun(new SharingPolicy(false), 1, 0, 10_000)).toBeNull();
});

test("small packets share a message but after a loss, until 1,024 messages have come without another", () => {
  const policy = new SharingPolicy(true);
  expect(policy.bundles).toBe(true);
  policy.report(1, 100, 1);
  expect(policy.bundles).toBe(false);
  policy.report(1, 1123, 1);
  expect(policy.bundles).toBe(false);
  policy.report(1, 1124, 1);
  expect(policy.bundles).toBe(true);
});

test("the first loss turns them off, and each loss while on asks for a run four times as long", () => {
  const policy = new SharingPolicy(true);
  cleanRun(policy, 1, 0, 4096);
  policy.report(1, 4200, 1);
  expect(policy.superPackets).toBe(false);
  expect(cleanRun(policy, 1, 4200, 100_000, 1)! - 4200).toBeWithin(4 * 4096, 4 * 4096 + 256);
  policy.report(1, 40_000, 2);
  expect(cleanRun(policy, 1, 40_000, 200_000, 2)! - 40_000).toBeWithin(16 * 4096, 16 * 4096 + 256);
});

test("a loss while they are off asks for no longer run", () => {
  const policy = new SharingPolicy(true);
  for (let i = 1; i < 20; i++) policy.report(1, i * 100, i);
  expect(cleanRun(policy, 1, 1900, 100_000, 19)! - 1900).toBeWithin(4096, 4096 + 256);
});

test("no required run is longer than 2^20, and one that long forgives everything", () => {
  const policy = new SharingPolicy(true);
  let at = 0;
  for (let missing = 1; missing <= 8; missing++) {
    at += 2 ** 20;
    policy.report(1, at, missing - 1);
    expect(policy.superPackets).toBe(true);
    policy.report(1, ++at, missing);
    expect(policy.superPackets).toBe(false);
  }
  at += 2 ** 20;
  policy.report(1, at, 8);
  policy.report(1, ++at, 9); // while on: four times the first run again, not four times 2^20
  expect(cleanRun(policy, 1, at, at + 100_000, 9)! - at).toBeWithin(4 * 4096, 4 * 4096 + 256);
});

test("a report that was overtaken changes nothing", () => {
  const policy = new SharingPolicy(true);
  cleanRun(policy, 1, 0, 4096);
  policy.report(1, 1000, 50);
  expect(policy.superPackets).toBe(true);
});

test("a packet that was only late is no loss when it has come", () => {
  const policy = new SharingPolicy(true);
  policy.report(1, 100, 3);
  policy.report(1, 200, 0);
  expect(cleanRun(policy, 1, 200, 10_000)! - 200).toBeWithin(3840, 4096 + 1);
});

test("another session's numbers are counted on their own; what was learnt of the path stays", () => {
  const policy = new SharingPolicy(true);
  cleanRun(policy, 1, 0, 4096);
  policy.report(1, 50_000, 0);
  policy.report(2, 256, 0);
  expect(policy.superPackets).toBe(true);
  policy.report(2, 300, 1);
  expect(policy.superPackets).toBe(false);
  const fresh = new SharingPolicy(true);
  fresh.report(1, 3000, 0);
  fresh.report(2, 1000, 0);
  expect(fresh.superPackets).toBe(false);
  fresh.report(2, 1100, 0);
  expect(fresh.superPackets).toBe(true);
});

test("reports are due after 256 messages or a loss, at most every 10 ms", () => {
  const schedule = new ReportSchedule();
  expect(schedule.isDue(1000, 1, 255, 0)).toBe(false);
  expect(schedule.isDue(1000, 1, 256, 0)).toBe(true);
  expect(schedule.isDue(1005, 1, 600, 0)).toBe(false);
  expect(schedule.isDue(1010, 1, 600, 0)).toBe(true);
  expect(schedule.isDue(1020, 1, 601, 1)).toBe(true);
  expect(schedule.isDue(1030, 1, 602, 1)).toBe(false);
  expect(schedule.isDue(1040, 2, 10, 0)).toBe(false);
  expect(schedule.isDue(1040, 2, 10, 1)).toBe(true);
});

/** An assembly that is fed pieces: `add` says what came of each, `whole` or not. */
class Bench {
  readonly arena = new Arena(1024 * 1024);
  readonly stats = new Stats(1);
  readonly assembly = new Assembly(this.arena, this.stats);
  readonly #at = this.arena.reserve(66_000);

  add(message: Message, index: number, { tos = 0, body = message.pieces[index]! } = {}): boolean {
    this.arena.bytes.set(body, this.#at + 16);
    return this.assembly.add(
      this.#at,
      16 + body.length,
      message.receiver,
      message.counter,
      index,
      message.pieces.length,
      tos,
    );
  }

  get whole(): Uint8Array {
    const { at, length } = this.assembly;
    return this.arena.bytes.slice(at, at + length);
  }

  get drops(): { [reason: string]: number } {
    return this.stats.drops(-1);
  }
}

interface Message {
  readonly receiver: number;
  readonly counter: number;
  readonly bytes: Uint8Array;
  readonly pieces: Uint8Array[];
}

function messageOf(bytes: Uint8Array, pieceBytes: number, counter: number, receiver = 7): Message {
  const count = Math.ceil(bytes.length / pieceBytes);
  const pieces = Array.from({ length: count }, (_, i) => bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes));
  return { receiver, counter, bytes, pieces };
}

test("pieces make the message again, in any order but for the last being first", () => {
  const random = new SeededRandom(1);
  const bench = new Bench();
  for (let round = 0; round < 200; round++) {
    const bytes = payloadOf(random, 1 + random.below(64_000));
    const message = messageOf(bytes, Math.max(1 + random.below(1440), Math.ceil(bytes.length / 64)), round);
    const last = message.pieces.length - 1;
    const order = message.pieces.map((_, i) => i);
    for (let i = last; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    if (order[0] === last) order.reverse();
    const results = order.map((index) => bench.add(message, index));
    expect([round, results.lastIndexOf(true), results.indexOf(true)]).toEqual([round, last, last]);
    expect(Buffer.compare(bench.whole, bytes)).toBe(0);
  }
  expect(bench.drops).toEqual({});
});

test("messages of several sessions and counters do not mix", () => {
  const random = new SeededRandom(2);
  const bench = new Bench();
  const messages = Array.from({ length: 8 }, (_, i) => messageOf(payloadOf(random, 5000), 1000, i >> 1, i & 1));
  for (let index = 0; index < 5; index++) {
    for (const message of messages) {
      const isWhole = bench.add(message, index);
      expect(isWhole).toBe(index === 4);
      if (isWhole) expect(Buffer.compare(bench.whole, message.bytes)).toBe(0);
    }
  }
});

test("a ninth unfinished message takes the place of the one that began first, whose pieces count as incomplete", () => {
  const bench = new Bench();
  const messages = Array.from({ length: 12 }, (_, i) => messageOf(new Uint8Array(3000).fill(i), 1000, i));
  for (const i of [0, 1, 2, 3, 4, 5, 6]) bench.add(messages[i]!, 0);
  for (const index of [0, 1, 2]) bench.add(messages[7]!, index); // finished, in the eighth slot
  bench.add(messages[8]!, 0);
  bench.add(messages[0]!, 1); // the oldest has two pieces now
  expect(bench.drops).toEqual({});
  bench.add(messages[9]!, 0); // 0 goes
  expect(bench.drops).toEqual({ incomplete: 2 });
  for (const i of [1, 2, 3, 4, 5, 6]) {
    bench.add(messages[i]!, 1);
    expect(bench.add(messages[i]!, 2)).toBe(true);
  }
  for (const i of [8, 9]) {
    bench.add(messages[i]!, 1);
    expect(bench.add(messages[i]!, 2)).toBe(true);
  }
});

test("the one that began first goes, not the one whose slot was used first", () => {
  const bench = new Bench();
  const messages = Array.from({ length: 40 }, (_, i) => messageOf(new Uint8Array(2000).fill(i), 1000, i));
  for (let i = 0; i < 9; i++) bench.add(messages[i]!, 0); // 8 took the slot of 0, so 1 is the oldest
  bench.add(messages[8]!, 1); // whole: its slot is free
  bench.add(messages[9]!, 0); // and used again
  bench.add(messages[10]!, 0); // 1 goes
  for (const i of [2, 3, 4, 5, 6, 7, 9, 10]) expect([i, bench.add(messages[i]!, 1)]).toEqual([i, true]);
});

test("pieces that cannot be are refused", () => {
  const bench = new Bench();
  const message = messageOf(new Uint8Array(3000), 1000, 1);
  const { assembly } = bench;
  expect(assembly.add(0, 1016, 7, 1, 0, 0, 0)).toBe(false); // of none
  expect(assembly.add(0, 1016, 7, 1, 0, 65, 0)).toBe(false); // of too many
  expect(assembly.add(0, 1016, 7, 1, 3, 3, 0)).toBe(false); // beyond the last
  expect(assembly.add(0, 16, 7, 1, 0, 3, 0)).toBe(false); // empty
  expect(bench.drops).toEqual({ malformed: 4 });
  bench.add(message, 0);
  expect(bench.add(message, 1, { body: new Uint8Array(999) })).toBe(false); // of another length
  expect(bench.add(message, 2, { body: new Uint8Array(1001) })).toBe(false); // a last one longer than the others
  expect(bench.drops).toEqual({ malformed: 6 });
  expect([bench.add(message, 1), bench.add(message, 2)]).toEqual([false, true]);
});

test("a message longer than a slot is refused, and no piece lands beyond it", () => {
  const bench = new Bench();
  const guard = bench.arena.reserve(64);
  const pieces = Array.from({ length: 64 }, () => new Uint8Array(1100).fill(0xff));
  const message = { receiver: 7, counter: 1, bytes: new Uint8Array(0), pieces };
  const results = pieces.map((_, index) => bench.add(message, index));
  expect(results).not.toContain(true);
  expect(bench.arena.bytes.slice(guard, guard + 64)).toEqual(new Uint8Array(64));
});

test("a piece that comes twice counts as replayed and does no harm", () => {
  const bench = new Bench();
  const message = messageOf(new Uint8Array(3000).fill(5), 1000, 1);
  expect([0, 0, 1, 1, 2].map((index) => bench.add(message, index))).toEqual([false, false, false, false, true]);
  expect(bench.drops).toEqual({ replayed: 2 });
});

test("congestion that any piece met is the message's", () => {
  const bench = new Bench();
  const meets = (...marks: number[]) => {
    const message = messageOf(new Uint8Array(marks.length * 100), 100, marks.join().length + marks.indexOf(3) * 100);
    for (const [index, tos] of marks.entries()) bench.add(message, index, { tos });
    return bench.assembly.tos & 3;
  };
  expect([meets(2, 2, 2), meets(3, 2, 2), meets(2, 3, 2), meets(2, 2, 3), meets(0, 0), meets(1, 1)]).toEqual([
    2, 3, 3, 3, 0, 1,
  ]);
});

function holds(packet: Uint8Array, change: (vnet: DataView) => void = () => {}, gsoSize = 1000): boolean {
  const bytes = superVnet(packet, gsoSize);
  const view = new DataView(bytes.buffer);
  change(view);
  return new SuperPacketCheck().holds(view, 0, bytes.length);
}

test("a super-packet's headers must agree in every field", () => {
  const payload = new Uint8Array(3000);
  const tcp4 = build({ payload, checksum: "partial" });
  const tcp6 = build({ version: 6, payload, checksum: "partial" });
  const udp4 = build({ protocol: UDP, payload, checksum: "partial" });
  const udp6 = build({ version: 6, protocol: UDP, payload, checksum: "partial", source: address6(9) });
  for (const packet of [tcp4, tcp6, udp4, udp6]) {
    expect(holds(packet)).toBe(true);
    const wrong: ((vnet: DataView) => void)[] = [
      ...[0, 2, 3, 255].map((flags) => (vnet: DataView) => vnet.setUint8(0, flags)),
      ...[0, 2, 3, 6, 7, 0x7f].map((type) => (vnet: DataView) => vnet.setUint8(1, type)),
      ...[0, 20, 3041, 65_535].map(
        (bytes) => (vnet: DataView) => vnet.setUint16(2, bytes + (bytes === 3041 ? 40 : 0), true),
      ),
      ...[0, 1, 63].map((size) => (vnet: DataView) => vnet.setUint16(4, size, true)),
      ...[0, 19, 21, 60, 65_535].map((start) => (vnet: DataView) => vnet.setUint16(6, start, true)),
      ...[0, 15, 17, 65_535].map((field) => (vnet: DataView) => vnet.setUint16(8, field, true)),
    ];
    for (const [i, change] of wrong.entries()) expect([i, holds(packet, change)]).toEqual([i, false]);
  }
  expect(holds(tcp4, (vnet) => vnet.setUint8(1, 0x81))).toBe(true); // TCP with ECN
  expect(holds(udp4, (vnet) => vnet.setUint8(1, 0x85))).toBe(false);
  expect([holds(tcp4, (vnet) => vnet.setUint8(1, 4)), holds(tcp6, (vnet) => vnet.setUint8(1, 1))]).toEqual([
    false,
    false,
  ]);
});

test("a super-packet without payload, with another UDP length, padded or cut short is refused", () => {
  expect(holds(build({ checksum: "partial" }))).toBe(false);
  expect(holds(build({ protocol: UDP, checksum: "partial" }))).toBe(false);
  const udp = build({ protocol: UDP, payload: new Uint8Array(3000), checksum: "partial" });
  setU16(udp, 24, 3007);
  expect(holds(udp)).toBe(false);
  const tcp = build({ payload: new Uint8Array(3000), checksum: "partial" });
  expect(holds(Uint8Array.from([...tcp, 0]))).toBe(false);
  expect(holds(tcp.subarray(0, 3000))).toBe(false);
  expect(holds(build({ payload: new Uint8Array(3000), moreFragments: true }))).toBe(false);
});
