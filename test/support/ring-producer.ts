/** A thread that pushes `count` numbered datagrams through a ring, as fast as there is room (`ring.test.ts`). */
import { workerData } from "node:worker_threads";
import { Ring } from "../../src/io/datapath/ring.ts";

export interface RingProducerStart {
  readonly shared: SharedArrayBuffer;
  readonly count: number;
}

/** The datagram that has this number: its length and every byte follow from it. */
export function numbered(number: number): Uint8Array {
  const bytes = new Uint8Array(4 + (number % 300)).fill(number & 0xff);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

if (workerData) {
  const { shared, count } = workerData as RingProducerStart;
  const ring = new Ring({ shared });
  for (let number = 0; number < count; number++) {
    const address = { host: number % 2 === 0 ? "192.0.2.1" : "2001:db8::1", port: number & 0xffff };
    while (!ring.push(address, numbered(number))) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}
