import { expect, test } from "bun:test";
import { InFlight } from "../../../../src/transport/udx/in-flight.ts";
import { Rack } from "../../../../src/transport/udx/rack.ts";
import { RoundTrip } from "../../../../src/transport/udx/round-trip.ts";

/** Packets 0, 1, 2... sent at these moments. */
function sentAt(...moments: number[]): InFlight {
  const flight = new InFlight(0);
  for (const moment of moments) flight.sentAt[flight.add()] = moment;
  return flight;
}

test("a packet is lost when a later one arrived and the round trip with its patience is over", () => {
  const flight = sentAt(0, 1, 2, 3);
  const rack = new Rack();
  flight.sack(2);
  rack.arrived(42, 2, 2);
  const lost: number[] = [];
  const lose = (seq: number) => {
    lost.push(seq);
    flight.lose(seq);
  };
  expect(rack.detect(42, flight, 10, lose)).toBe(50); // packet 0: sent at 0, 40 ms round trip, 10 ms patience
  expect(lost).toEqual([]);
  expect(rack.detect(50, flight, 10, lose)).toBe(51);
  expect(rack.detect(51, flight, 10, lose)).toBe(Infinity); // 3 was sent after 2
  expect(lost).toEqual([0, 1]);
});

test("of packets sent at one moment the number tells which was first", () => {
  const flight = sentAt(5, 5, 5);
  const rack = new Rack();
  flight.sack(1);
  rack.arrived(9, 1, 5);
  const lost: number[] = [];
  rack.detect(9, flight, 0, (seq) => {
    lost.push(seq);
    flight.lose(seq);
  });
  expect(lost).toEqual([0]);
});

test("patience: none once three are SACKED, a quarter of the shortest round trip after reordering, more after haste", () => {
  const [rack, times] = [new Rack(), new RoundTrip()];
  times.sample(0, 40);
  const flight = sentAt(0, 0, 0, 0, 0);
  expect(rack.windowMs(flight, times, false)).toBe(10);
  expect(rack.windowMs(flight, times, true)).toBe(0);
  for (const seq of [1, 2, 3]) flight.sack(seq);
  expect(rack.windowMs(flight, times, false)).toBe(0);
  rack.reordered();
  expect(rack.windowMs(flight, times, true)).toBe(10);
  for (let i = 0; i < 9; i++) rack.wasHasty();
  expect(rack.windowMs(flight, times, true)).toBe(40);
  for (let i = 0; i < 16; i++) rack.recovered();
  expect(rack.windowMs(flight, times, true)).toBe(10);
});
