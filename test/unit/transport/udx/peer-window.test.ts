import { expect, test } from "bun:test";
import { PeerWindow } from "../../../../src/transport/udx/peer-window.ts";

test("the newest packet counts, by its number and then by what it acknowledges", () => {
  const window = new PeerWindow(10);
  window.begin(5);
  const said: number[] = [];
  for (const [seq, ack, bytes] of [
    [4, 99, 1],
    [5, 9, 2],
    [5, 10, 3],
    [6, 8, 4],
    [5, 20, 5],
    [6, 9, 0],
  ] as const) {
    window.update(seq, ack, bytes);
    said.push(window.bytes);
  }
  expect(said).toEqual([4_194_304, 4_194_304, 3, 4, 4, 0]);
  expect(window.isClosed).toBe(true);
});

test("it is counted in packets, one at least", () => {
  const window = new PeerWindow(0);
  for (const [bytes, packets] of [
    [0, 0],
    [1, 1],
    [1_500, 1],
    [2_400, 2],
  ] as const) {
    window.update(0, 0, bytes);
    expect(window.packets(1_152)).toBe(packets);
  }
});
