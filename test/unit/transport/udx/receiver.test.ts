import { expect, test } from "bun:test";
import { Receiver } from "../../../../src/transport/udx/receiver.ts";
import { DATA, END } from "../../../../src/wire/udx.ts";

const budget = () => ({ bytesLeft: 1e9 });
const bytes = (length: number) => new Uint8Array(length);

test("the window is what the owner has not used yet, and none below a packet", () => {
  const receiver = new Receiver(10_000, budget());
  expect(receiver.advertise()).toBe(10_000);
  for (const seq of [0, 1, 2]) expect(receiver.take(seq, DATA, bytes(1_000))).toBe("deliver");
  expect(receiver.advertise()).toBe(7_000);
  for (let seq = 3; seq < 9; seq++) receiver.take(seq, DATA, bytes(1_000));
  expect(receiver.advertise()).toBe(0);
  receiver.consumed(2_000);
  expect(receiver.isAckDue).toBe(true); // who was told of none waits to be told of some
  expect(receiver.advertise()).toBe(3_000);
});

test("a peer that ignores the window is not listened to", () => {
  const receiver = new Receiver(10_000, budget());
  let taken = 0;
  while (receiver.take(taken, DATA, bytes(1_000)) === "deliver") taken++;
  expect(taken).toBe(46);
  expect(receiver.take(taken + 1, DATA, bytes(1_000))).toBe("refuse");
});

test("what is kept narrows the window only when it is three windows", () => {
  const receiver = new Receiver(10_000, budget());
  for (let seq = 1; seq <= 30; seq++) expect(receiver.take(seq, DATA, bytes(1_000))).toBe("keep");
  expect(receiver.advertise()).toBe(10_000);
  for (let seq = 31; seq <= 35; seq++) expect(receiver.take(seq, DATA, bytes(1_000))).toBe("keep");
  expect(receiver.advertise()).toBe(5_000);
});

test("packets are known once, and nothing is taken behind the end", () => {
  const receiver = new Receiver(10_000, budget());
  receiver.next = 0xffff_ffff;
  expect(receiver.unwrap(0)).toBe(0x1_0000_0000);
  expect(receiver.take(0x1_0000_0001, DATA, bytes(1))).toBe("keep");
  expect(receiver.take(0x1_0000_0001, DATA, bytes(1))).toBe("known");
  expect(receiver.take(0xffff_ffff, DATA, bytes(1))).toBe("deliver");
  expect(receiver.take(0xffff_ffff, DATA, bytes(1))).toBe("known");
  expect(receiver.takeKept()).toBeNull();
  expect(receiver.take(0x1_0000_0000, END, bytes(0))).toBe("deliver");
  expect(receiver.hasEnded).toBe(true);
  expect(receiver.keptBytes).toBe(0);
  expect(receiver.take(receiver.next, DATA, bytes(1))).toBe("known");
});
