import { expect, test } from "bun:test";
import { EventQueue } from "../../sim/internet/event-queue.ts";
import { SeededRandom } from "../../support/random.ts";

test("what was pushed comes out by its moment, and of one moment in the order it was pushed", () => {
  const random = new SeededRandom(1);
  const queue = new EventQueue();
  const happened: { at: number; order: number }[] = [];
  const push = (at: number, order: number) => queue.push(at, { happen: () => happened.push({ at, order }) });
  let [now, order] = [0, 0];
  for (let round = 0; round < 20_000; round++) {
    const isPush = queue.size === 0 || random.chance(round < 10_000 ? 0.7 : 0.3);
    if (isPush)
      push(now + random.below(20), order++); // few moments, so there are many ties
    else {
      now = queue.nextAt;
      queue.pop().happen();
    }
  }
  while (queue.size > 0) queue.pop().happen();
  expect(happened).toHaveLength(order);
  expect(happened).toEqual([...happened].sort((a, b) => a.at - b.at || a.order - b.order));
});

test("an empty queue has nothing before the end of time, and one object may wait in it several times", () => {
  const queue = new EventQueue();
  expect(queue.nextAt).toBe(Infinity);
  let rings = 0;
  const bell = { happen: () => rings++ };
  for (const at of [3, 1, 2]) queue.push(at, bell);
  expect(queue.nextAt).toBe(1);
  while (queue.size > 0) queue.pop().happen();
  expect(rings).toBe(3);
  expect(queue.nextAt).toBe(Infinity);
});
