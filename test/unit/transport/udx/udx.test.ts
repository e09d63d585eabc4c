import { expect, test } from "bun:test";
import { Udx } from "../../../../src/transport/udx/udx.ts";
import { DATA, END, encodeUdxPacket, SACK } from "../../../../src/wire/udx.ts";
import { SeededRandom } from "../../../support/random.ts";
import { OUR_ID, PEER, ScriptedPeer, text } from "../../../support/udx-peer.ts";

test("only packets for a stream that is here are taken", () => {
  const peer = new ScriptedPeer();
  expect(peer.receive({ type: DATA, payload: text("x") })).toBe(true);
  expect(peer.receive({ id: 5 })).toBe(false);
  for (const raw of [text("hello"), new Uint8Array(0), Uint8Array.of(255, 1, 0, 0)]) {
    expect(peer.udx.receive(0, "main", PEER, raw)).toBe(false);
  }
  expect(peer.udx.createStream({ id: 0, owner: peer }).id).toBe(0);
});

test("a free id is nobody's, nor was it just now", () => {
  const udx = new Udx();
  const bytes = [0, 0, 0, 1, 0, 0, 0, 2];
  const random = { bytes: (length: number) => Uint8Array.from(bytes.splice(0, length)) };
  udx.createStream({ id: 1, owner: new ScriptedPeer() });
  expect(udx.freeId(random)).toBe(2);
});

test("a thousand streams at once each get their own", () => {
  const [udx, random] = [new Udx(), new SeededRandom(1)];
  const received = new Map<number, string>();
  for (let id = 0; id < 1_000; id++) {
    const owner = {
      data: (_: number, stream: { id: number }, bytes: Uint8Array) =>
        void received.set(stream.id, new TextDecoder().decode(bytes)),
      closed() {},
    };
    udx.createStream({ id, owner }).connect(0, { socket: "main", to: PEER, remoteId: id });
  }
  for (let id = 0; id < 1_000; id++) {
    const rest = { rwnd: 1, seq: 0, ack: 0, paddingBytes: 0, sacks: [] };
    udx.receive(
      random.below(5),
      "main",
      PEER,
      encodeUdxPacket({ id, type: DATA, payload: text(`for ${id}`), ...rest }),
    );
  }
  udx.advance(5);
  expect(udx.drain().reduce((bytes, { datagram }) => bytes + datagram.length, 0)).toBe(20_000);
  for (let id = 0; id < 1_000; id++) expect(received.get(id)).toBe(`for ${id}`);
});

/** Numbers near where a stream is, and far from it. */
function someNumber(random: SeededRandom): number {
  return random.pick([0, 1, 2, 5, 20, 100, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, random.uint32()]);
}

test("hostile packets neither throw, nor make anything grow past its bound, nor stop the clock", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const peer = new ScriptedPeer({ windowBytes: 20_000, consumes: random.chance(0.5), udx: { reorderBytes: 60_000 } });
    for (let step = 0; step < 400; step++) {
      if (!peer.stream.isClosed && random.chance(0.2)) peer.stream.write(random.bytes(random.below(4_000)));
      const sacks = Array.from({ length: random.pick([0, 0, 1, 3, 60]) }, () => {
        return [someNumber(random), someNumber(random)] as const;
      });
      const packet = encodeUdxPacket({
        type: random.chance(0.1) ? random.below(256) : random.pick([0, DATA, DATA, SACK, DATA | SACK, DATA | END]),
        id: OUR_ID,
        rwnd: random.pick([0, 1, 1_500, 4_194_304, 0xffff_ffff]),
        seq: someNumber(random),
        ack: random.chance(0.7) ? random.below(30) : someNumber(random),
        paddingBytes: random.pick([0, 0, 0, 9]),
        sacks,
        payload: random.bytes(random.below(50)),
      });
      if (random.chance(0.2)) packet[3] = random.below(256);
      const cut = random.chance(0.1) ? 20 + random.below(packet.length - 19) : packet.length;
      peer.udx.receive(peer.now, random.pick(["main", "main", "other"]), PEER, packet.subarray(0, cut));
      peer.udx.advance(peer.now);
      for (const { datagram } of peer.udx.drain()) expect(datagram.length).toBeLessThan(65_536);
      expect(peer.stream.stats.reorderedBytes).toBeLessThanOrEqual(60_000);
      expect(peer.stream.stats.underWayPackets).toBeLessThan(1_000);
      if (random.chance(0.3)) peer.pass(random.pick([1, 50, 3_000]));
      expect(peer.udx.deadline() > peer.now || peer.udx.deadline() === -Infinity).toBe(true);
    }
    peer.pass(200_000);
    expect(peer.udx.deadline()).toBeGreaterThan(peer.now);
  }
});

test("an acknowledgement that SACKs the oldest packet and never acknowledges it is not believed for ever", () => {
  const peer = new ScriptedPeer();
  peer.stream.write(text("x"));
  peer.sent();
  peer.receive({ type: SACK, sacks: [[0, 1]] });
  expect(peer.pass(30_000).filter((line) => line.endsWith("DATA 0")).length).toBeGreaterThan(3);
  expect(peer.events).toEqual(["closed timeout"]);
});
