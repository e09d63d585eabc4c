import { expect, test } from "bun:test";
import { InFlight, LOST, MAX_SPAN, SACKED, UNDER_WAY } from "../../../../src/transport/udx/in-flight.ts";
import { SeededRandom } from "../../../support/random.ts";

/** The numbers under way, in the order they were sent. */
function sentOrder(flight: InFlight): number[] {
  const order: number[] = [];
  for (let seq = flight.oldestSent; seq >= 0; seq = flight.sentAfter(seq)) order.push(seq);
  return order;
}

test("lists and counts are those of a plain model, whatever happens to packets", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new SeededRandom(seed);
    const first = random.pick([0, 0xffff_fff0]);
    const flight = new InFlight(first);
    const states = new Map<number, number>();
    const [sent, lost]: [number[], number[]] = [[], []];
    const drop = (list: number[], seq: number) => list.includes(seq) && list.splice(list.indexOf(seq), 1);
    for (let step = 0; step < 400; step++) {
      const act = random.below(6);
      const some = sent.length > 0 ? random.pick(sent) : -1;
      if (act < 2 || states.size === 0) {
        states.set(flight.next, UNDER_WAY);
        sent.push(flight.next);
        flight.add();
      } else if (act === 2 && some >= 0) {
        flight.lose(some);
        states.set(some, LOST);
        drop(sent, some);
        lost.push(some);
      } else if (act === 3 && lost.length > 0) {
        const seq = lost.shift()!;
        expect(flight.firstLost).toBe(seq);
        flight.resend(seq);
        states.set(seq, UNDER_WAY);
        sent.push(seq);
      } else if (act === 4 && some >= 0) {
        flight.sack(some);
        states.set(some, SACKED);
        drop(sent, some);
      } else if (act === 5) {
        const seq = flight.first;
        expect(flight.acknowledgeFirst()).toBe(states.get(seq) !== SACKED);
        states.delete(seq);
        drop(sent, seq);
        drop(lost, seq);
      }
      expect(sentOrder(flight)).toEqual(sent);
      expect([flight.underWay, flight.lost]).toEqual([sent.length, lost.length]);
      expect(flight.sacked).toBe([...states.values()].filter((state) => state === SACKED).length);
      const from = flight.first + random.below(flight.span + 1);
      let unsacked = from;
      while (states.get(unsacked) === SACKED) unsacked++;
      expect(flight.nextUnsacked(from)).toBe(unsacked);
    }
  }
});

test("its facts stay with their packets while it grows, up to its bound", () => {
  const flight = new InFlight(5);
  for (let i = 0; i < MAX_SPAN; i++) {
    const slot = flight.add();
    flight.starts[slot] = i;
    flight.lengths[slot] = i % 1000;
  }
  for (let i = 0; i < MAX_SPAN; i++) expect(flight.starts[(5 + i) & flight.mask]).toBe(i);
  expect(() => flight.add()).toThrow("bound");
});

test("a number's 32 bits mean the nearest one", () => {
  const flight = new InFlight(0x1_0000_0005);
  expect(flight.unwrap(7)).toBe(0x1_0000_0007);
  expect(flight.unwrap(0xffff_ffff)).toBe(0xffff_ffff);
});
