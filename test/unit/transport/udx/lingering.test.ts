import { expect, test } from "bun:test";
import { LingeringStreams } from "../../../../src/transport/udx/lingering.ts";
import { Outbox } from "../../../../src/transport/udx/outbox.ts";
import { decodeUdxPacket, END, encodeUdxPacket } from "../../../../src/wire/udx.ts";

const ROUTE = { socket: "main", to: { host: "192.0.2.1", port: 1 }, remoteId: 9 };
const stream = (id: number) => ({ id, route: ROUTE, seq: 5, ack: 0x1_0000_0003, rwnd: 77 });
const packet = (type: number) =>
  encodeUdxPacket({ type, id: 1, rwnd: 0, seq: 2, ack: 5, paddingBytes: 0, sacks: [], payload: new Uint8Array() });

test("an END that comes again is answered as the stream would have, until the other end gives up", () => {
  const outbox = new Outbox();
  const streams = new LingeringStreams(outbox);
  streams.add(100, stream(1));
  expect(streams.receive(200, 1, packet(END))).toBe(true);
  expect(decodeUdxPacket(outbox.drain()[0]!.datagram)).toMatchObject({ type: 0, id: 9, seq: 5, ack: 3, rwnd: 77 });
  expect(streams.receive(200, 1, packet(0))).toBe(true); // swallowed
  expect(streams.receive(200, 2, packet(END))).toBe(false);
  expect(outbox.drain()).toEqual([]);
  streams.advance(streams.deadline());
  expect({ size: streams.size, deadline: streams.deadline() }).toEqual({ size: 0, deadline: Infinity });
});

test("when too many linger, who ended first is forgotten; a flood is answered rarely", () => {
  const outbox = new Outbox();
  const streams = new LingeringStreams(outbox);
  for (let id = 0; id < 4_100; id++) streams.add(id, stream(id));
  expect(streams.size).toBe(4_096);
  expect([streams.has(3), streams.has(4)]).toEqual([false, true]);
  for (let i = 0; i < 1_000; i++) streams.receive(5_000, 4_099, packet(END));
  expect(outbox.drain().reduce((bytes, { datagram }) => bytes + datagram.length, 0)).toBe(16 * 20);
});
