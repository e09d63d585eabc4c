import { expect, test } from "bun:test";
import { SendQueue } from "../../../../src/transport/udx/send-queue.ts";
import { SeededRandom } from "../../../support/random.ts";

test("any part that is not acknowledged can be copied, across chunks and in any order", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = new SeededRandom(seed);
    const queue = new SendQueue();
    const all: number[] = [];
    for (let step = 0; step < 300; step++) {
      const chunk = random.bytes(random.below(40));
      queue.push(chunk);
      all.push(...chunk);
      const start = queue.acknowledged + random.below(1 + queue.unacknowledged);
      const length = random.below(1 + queue.written - start);
      const into = new Uint8Array(length + 2);
      if (length > 0) queue.copy(start, length, into, 1);
      expect([...into]).toEqual([0, ...all.slice(start, start + length), 0]);
      if (random.chance(0.5)) queue.acknowledge(start);
    }
    expect(queue.written).toBe(all.length);
  }
});

test("it counts what was written, packed and acknowledged", () => {
  const queue = new SendQueue();
  queue.push(new Uint8Array(10));
  queue.packed = 6;
  queue.acknowledge(4);
  expect({ unsent: queue.unsent, unacknowledged: queue.unacknowledged }).toEqual({ unsent: 4, unacknowledged: 6 });
  queue.clear();
  expect({ unsent: queue.unsent, unacknowledged: queue.unacknowledged }).toEqual({ unsent: 0, unacknowledged: 0 });
});
