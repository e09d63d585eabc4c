import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import type { Address } from "../../../../src/base/address.ts";
import { Ring } from "../../../../src/io/datapath/ring.ts";
import { payloadOf } from "../../../support/packets.ts";
import { SeededRandom } from "../../../support/random.ts";
import { numbered, type RingProducerStart } from "../../../support/ring-producer.ts";

const V4: Address = { host: "192.0.2.1", port: 1 };
const V6: Address = { host: "2001:db8::1", port: 65_535 };

test("random pushes and shifts agree with a plain queue, through every wrap", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const capacity = 4 * (20 + random.below(400));
    const ring = new Ring({ capacity });
    const other = new Ring({ shared: ring.shared });
    const queue: { address: Address; datagram: Uint8Array }[] = [];
    let refused = 0;
    for (let step = 0; step < 2000; step++) {
      if (random.chance(0.5)) {
        const item = { address: random.pick([V4, V6]), datagram: payloadOf(random, random.below(capacity / 2)) };
        const hadRoom = ring.hasRoom(item.datagram.length);
        const isIn = ring.push(item.address, item.datagram);
        if (isIn) queue.push(item);
        else refused++;
        if (hadRoom) expect([seed, step, isIn]).toEqual([seed, step, true]);
      } else expect([seed, step, other.shift()]).toEqual([seed, step, queue.shift() ?? null]);
      expect(ring.isEmpty).toBe(queue.length === 0);
    }
    while (queue.length > 0) expect(other.shift()).toEqual(queue.shift()!);
    expect(other.shift()).toBeNull();
    expect(refused).toBeGreaterThan(0);
  }
});

test("a full ring refuses and keeps what it has; a datagram larger than the ring never fits", () => {
  const ring = new Ring({ capacity: 256 });
  expect(ring.push(V4, new Uint8Array(300))).toBe(false);
  expect(ring.hasRoom(300)).toBe(false);
  let pushed = 0;
  while (ring.push(V4, Uint8Array.of(pushed))) pushed++;
  expect(pushed).toBe(21); // of 12 bytes each
  for (let i = 0; i < pushed; i++) expect(ring.shift()).toEqual({ address: V4, datagram: Uint8Array.of(i) });
  expect(ring.isEmpty).toBe(true);
});

test("an address that is none is refused", () => {
  expect(new Ring({ capacity: 256 }).push({ host: "example.test", port: 1 }, Uint8Array.of(1))).toBe(false);
});

test("one wake-up is enough until the consumer begins to read", () => {
  const ring = new Ring({ capacity: 256 });
  expect([ring.needsWake(), ring.needsWake()]).toEqual([true, false]);
  ring.awake();
  expect([ring.needsWake(), ring.needsWake()]).toEqual([true, false]);
});

test("between two threads everything arrives once and in order", async () => {
  const ring = new Ring({ capacity: 4096 });
  const count = 20_000;
  const workerData: RingProducerStart = { shared: ring.shared, count };
  const worker = new Worker(new URL("../../../support/ring-producer.ts", import.meta.url), { workerData });
  let failure: unknown = null;
  worker.on("error", (error) => {
    failure = error;
  });
  for (let number = 0; number < count && failure === null; ) {
    const record = ring.shift();
    if (!record) {
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    if (record.address.port !== (number & 0xffff) || Buffer.compare(record.datagram, numbered(number)) !== 0) {
      throw new Error(`datagram ${number} is ${record.datagram.length} bytes from port ${record.address.port}`);
    }
    number++;
  }
  expect([failure, ring.isEmpty]).toEqual([null, true]);
  await worker.terminate();
}, 10_000);
