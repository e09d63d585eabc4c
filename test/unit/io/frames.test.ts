/** How frames are put together. */
import { expect, test } from "bun:test";
import { FrameReader, writeFrame } from "../../../src/io/frames.ts";
import { SeededRandom } from "../../support/random.ts";

function framed(frame: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  const stream = { write: (bytes: Uint8Array) => parts.push(bytes) > 0, end() {}, destroy() {}, on() {} };
  expect(writeFrame(stream, frame)).toBe(true);
  return new Uint8Array(Buffer.concat(parts));
}

test("frames come out whole, however they were cut, and an announced length takes no memory", () => {
  const random = new SeededRandom(11);
  const frames = Array.from({ length: 200 }, () => random.bytes(1 + random.below(random.chance(0.1) ? 100_000 : 100)));
  const all = new Uint8Array(Buffer.concat(frames.map(framed)));
  const reader = new FrameReader(200_000);
  const out: Uint8Array[] = [];
  for (let at = 0; at < all.length; ) {
    const end = at + 1 + random.below(random.chance(0.5) ? 3 : 5_000);
    out.push(...reader.read(all.subarray(at, end)));
    at = end;
  }
  expect(out.map((frame) => frame.length)).toEqual(frames.map((frame) => frame.length));
  expect(out.every((frame, i) => Buffer.compare(frame, frames[i]!) === 0)).toBe(true);
  const tooLong = framed(new Uint8Array(4));
  new DataView(tooLong.buffer).setUint32(0, 200_001, true);
  expect([...reader.read(tooLong)]).toEqual([]);
  expect(reader.isBroken).toBe(true);
  expect([...reader.read(framed(Uint8Array.of(1)))]).toEqual([]);
});
