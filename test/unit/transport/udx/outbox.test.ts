import { expect, test } from "bun:test";
import { Outbox } from "../../../../src/transport/udx/outbox.ts";

const [HERE, THERE] = [
  { host: "192.0.2.1", port: 1 },
  { host: "192.0.2.2", port: 2 },
];

function sizes(outbox: Outbox): string[] {
  return outbox.drain().map(({ datagram, segmentBytes }) => `${datagram.length}/${segmentBytes}`);
}

test("equal packets and a shorter last one to one address are one buffer", () => {
  const outbox = new Outbox();
  for (const length of [100, 100, 100, 40]) outbox.bytes.fill(length, outbox.add("a", HERE, length));
  expect(sizes(outbox)).toEqual(["340/100"]);
});

test("another address, socket or a longer packet begins anew, and so does whatever follows a short one", () => {
  const outbox = new Outbox();
  for (const length of [100, 120, 120, 50, 50]) outbox.add("a", HERE, length);
  outbox.add("a", THERE, 50);
  outbox.add("b", THERE, 50);
  expect(sizes(outbox)).toEqual(["100/0", "290/120", "50/0", "50/0", "50/0"]);
});

test("no buffer has more than 64 packets, or more bytes than one send takes", () => {
  const outbox = new Outbox();
  for (let i = 0; i < 130; i++) outbox.add("a", HERE, 20);
  expect(sizes(outbox)).toEqual(["1280/20", "1280/20", "40/20"]);
  for (let i = 0; i < 60; i++) outbox.add("a", HERE, 1472);
  expect(sizes(outbox)).toEqual([`${44 * 1472}/1472`, `${16 * 1472}/1472`]);
  outbox.add("a", HERE, 100_000);
  expect(sizes(outbox)).toEqual(["100000/0"]);
});

test("what was handed over is not written to again", () => {
  const outbox = new Outbox();
  const kept: Uint8Array[] = [];
  for (let i = 0; i < 2_000; i++) {
    const at = outbox.add("a", HERE, 1_000);
    outbox.bytes.fill(i & 0xff, at, at + 1_000);
    kept.push(outbox.drain()[0]!.datagram);
  }
  for (const [i, datagram] of kept.entries()) expect(datagram.every((byte) => byte === (i & 0xff))).toBe(true);
});
