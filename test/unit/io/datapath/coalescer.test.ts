import { expect, test } from "bun:test";
import { Arena } from "../../../../src/io/datapath/arena.ts";
import { Coalescer, type TunPort } from "../../../../src/io/datapath/coalescer.ts";
import { MemoryTun } from "../../../../src/io/datapath/memory-ports.ts";
import { PacketHeaders } from "../../../../src/io/datapath/packet.ts";
import { COLUMN, Stats } from "../../../../src/io/datapath/stats.ts";
import { randomStream } from "../../../support/packet-streams.ts";
import { ACK, build, FIN, firstDifference, PSH, payloadOf, UDP } from "../../../support/packets.ts";
import { taken } from "../../../support/plain-kernel.ts";
import { SeededRandom } from "../../../support/random.ts";

const EVERYTHING = { checksum: true, tcp: true, udp: true };
const NOTHING = { checksum: false, tcp: false, udp: false };
const TUNS: TunPort["takes"][] = [EVERYTHING, { ...EVERYTHING, udp: false }, { ...EVERYTHING, tcp: false }, NOTHING];

interface Delivery {
  readonly packet: Uint8Array;
  readonly partial?: boolean;
  readonly peer?: number;
}

/** What the coalescer writes when it is handed these; -1 flushes in between. */
function written(takes: TunPort["takes"], deliveries: readonly Delivery[]): Uint8Array[] {
  const arena = new Arena(256 * 1024);
  const tun = new MemoryTun(arena, takes);
  const coalescer = new Coalescer(arena, tun, new Stats(4));
  const headers = new PacketHeaders();
  const at = arena.reserve(66_000) + 64;
  for (const { packet, partial = false, peer = 0 } of deliveries) {
    arena.bytes.fill(0xee, at - 64, at + packet.length + 64);
    arena.bytes.set(packet, at);
    if (!headers.parse(arena.view, at, packet.length + 32)) throw new Error("the test makes whole packets");
    coalescer.deliver(peer, at, headers, partial);
  }
  coalescer.flush();
  return tun.outgoing;
}

test("whatever comes, a TUN of any abilities passes on exactly that", () => {
  for (let seed = 1; seed <= 120; seed++) {
    const stream = randomStream(new SeededRandom(seed), 150);
    for (const takes of TUNS) {
      const passed = written(
        takes,
        stream.map((packet) => ({ packet })),
      ).flatMap(taken);
      expect([seed, takes, firstDifference(passed, stream)]).toEqual([seed, takes, null]);
    }
  }
});

test("partial checksums are finished by whoever can", () => {
  const random = new SeededRandom(5);
  for (let round = 0; round < 40; round++) {
    const version = random.pick([4, 6] as const);
    const protocol = random.pick([6, UDP]);
    const [whole, partial] = (["whole", "partial"] as const).map((checksum) =>
      Array.from({ length: 30 }, (_, i) => {
        const payload = new Uint8Array(i % 7 === 6 ? 31 : 100).fill(i + round);
        return build({ version, protocol, sequence: i * 100, identification: i, payload, checksum });
      }),
    );
    for (const takes of TUNS) {
      const deliveries = partial!.map((packet) => ({ packet, partial: true }));
      expect(firstDifference(written(takes, deliveries).flatMap(taken), whole!)).toBeNull();
    }
  }
});

function tcpRun(count: number, bytes: number, last: Parameters<typeof build>[0] = {}): Delivery[] {
  return Array.from({ length: count }, (_, i) => {
    const fields = { sequence: 1 + i * bytes, identification: 1 + i, payload: new Uint8Array(bytes).fill(i) };
    return { packet: build(i === count - 1 ? { ...fields, ...last } : fields) };
  });
}

test("a flow's neighbours are written as one, up to 64 kB or 64 packets", () => {
  expect(written(EVERYTHING, tcpRun(40, 1380))).toHaveLength(1);
  expect(written(EVERYTHING, tcpRun(64, 100))).toHaveLength(1);
  expect(written(EVERYTHING, tcpRun(65, 100))).toHaveLength(2);
  expect(written(EVERYTHING, tcpRun(48, 1380)).map(({ length }) => length)).toEqual([
    10 + 40 + 47 * 1380,
    10 + 40 + 1380,
  ]);
});

test("a short packet, FIN or PSH ends a run and is its last", () => {
  const more = (deliveries: Delivery[]) => [...deliveries, ...tcpRun(2, 100)];
  for (const last of [{ flags: ACK | PSH }, { flags: ACK | FIN }, { payload: new Uint8Array(99) }]) {
    expect(written(EVERYTHING, more(tcpRun(5, 100, last)))).toHaveLength(2);
  }
});

test("packets of two peers, or with whole and partial checksums, stay apart", () => {
  const run = tcpRun(2, 100);
  expect(written(EVERYTHING, [run[0]!, { ...run[1]!, peer: 1 }])).toHaveLength(2);
  expect(written(EVERYTHING, [{ ...run[0]!, partial: true }, run[1]!])).toHaveLength(2);
  expect(written(EVERYTHING, run)).toHaveLength(1);
});

test("packets that may be fragmented join only if their identification counts up", () => {
  const [a, b, c] = [7, 8, 10].map((identification, i) => {
    const packet = build({ dontFragment: false, identification, sequence: 1 + 50 * i, payload: new Uint8Array(50) });
    return { packet };
  });
  expect(written(EVERYTHING, [a!, b!, c!])).toHaveLength(2);
});

test("padding behind the packet is cut off", () => {
  const random = new SeededRandom(3);
  const packet = build({ protocol: UDP, payload: payloadOf(random, 5) });
  expect(written(NOTHING, [{ packet }])[0]!.length).toBe(10 + packet.length);
});

test("what the TUN refuses is counted", () => {
  const arena = new Arena(256 * 1024);
  const stats = new Stats(4);
  const refusing: TunPort = { takes: EVERYTHING, read: () => 0, write: () => false };
  const coalescer = new Coalescer(arena, refusing, stats);
  const headers = new PacketHeaders();
  const packet = build({ protocol: 1, payload: new Uint8Array(8) });
  const at = arena.reserve(2000) + 64;
  arena.bytes.set(packet, at);
  headers.parse(arena.view, at, packet.length);
  coalescer.deliver(2, at, headers, false);
  expect(stats.get(2, COLUMN.tunRefused)).toBe(1);
});
