import { expect, test } from "bun:test";
import { SendWindow, SPAN_MS } from "../../../src/dht/send-window.ts";

function send(window: SendWindow, now: number): number {
  let count = 0;
  for (; !window.isFull(now); count++) window.sent(now);
  return count;
}

test("within one span of 750 ms no more than the window is sent, and twice that in all", () => {
  const window = new SendWindow(80);
  const sent = [0, 749, 750, 1_499, 1_500, 2_250, 2_999, 3_000, 3_750].map((now) => send(window, now));
  // What was sent in the first span stops counting when its place comes round again, after four.
  expect(sent).toEqual([80, 0, 80, 0, 0, 0, 0, 80, 80]);
});

test("each end of a request makes room for one more", () => {
  const window = new SendWindow(4);
  expect(send(window, 0)).toBe(4);
  window.finished(10);
  expect(send(window, 10)).toBe(1);
  for (let i = 0; i < 3; i++) window.finished(20);
  expect(send(window, 20)).toBe(3);
});

test("ends in another span than the sending make room in the whole, and never more than there is", () => {
  const window = new SendWindow(4);
  send(window, 0);
  for (let i = 0; i < 100; i++) window.finished(750);
  expect(send(window, 750)).toBe(4);
  expect(send(window, 1_500)).toBe(4);
  expect(send(window, 2_250)).toBe(0);
});

test("a full window says when it may have room by itself", () => {
  const window = new SendWindow(1);
  window.sent(100);
  expect([window.isFull(100), window.roomAt]).toEqual([true, 100 + SPAN_MS]);
  expect([window.isFull(849), window.isFull(850)]).toEqual([true, false]);
});

test("after a long silence all of it is free, and spans begin anew", () => {
  const window = new SendWindow(10);
  send(window, 0);
  send(window, 750);
  expect(send(window, 3_600_000)).toBe(10);
  expect(window.roomAt).toBe(3_600_000 + SPAN_MS);
});
