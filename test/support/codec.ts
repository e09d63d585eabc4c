/** What must hold of every pair of an encoder and a decoder of strangers' bytes. */
import { expect, test } from "bun:test";
import { SeededRandom } from "./random.ts";

export interface Sample<Message> {
  readonly hex: string;
  readonly message: Message;
}

interface Codec<Message> {
  readonly name: string;
  readonly encode: (message: Message) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Message | null;
  readonly samples: readonly Sample<Message>[];
  /** What the first `end` bytes of a sample mean, where they mean anything. */
  readonly truncated?: (sample: Sample<Message>, end: number) => Message | null;
}

export function testCodec<Message>({ name, encode, decode, samples, truncated = () => null }: Codec<Message>): void {
  test(`${name} has the reference's bytes, and comes back from them`, () => {
    expect(samples.length).toBeGreaterThan(0);
    for (const { hex, message } of samples) {
      expect(encode(message).toHex()).toBe(hex);
      expect(decode(Uint8Array.fromHex(hex))).toEqual(message);
    }
  });

  test(`bytes after the last field are ignored: ${name}`, () => {
    for (const { hex, message } of samples) expect(decode(Uint8Array.fromHex(`${hex}ff00`))).toEqual(message);
  });

  test(`no part of it is taken for the whole: ${name}`, () => {
    for (const sample of samples) {
      const bytes = Uint8Array.fromHex(sample.hex);
      for (let end = 0; end < bytes.length; end++) {
        expect(decode(bytes.subarray(0, end))).toEqual(truncated(sample, end));
      }
    }
  });

  test(`no bytes make its decoder throw: ${name}`, () => {
    for (const { hex } of samples) {
      const bytes = Uint8Array.fromHex(hex);
      for (let at = 0; at < bytes.length; at++) {
        for (const mask of [0x01, 0x02, 0x10, 0x80, 0xff]) decode(bytes.with(at, bytes[at]! ^ mask));
      }
    }
    const random = new SeededRandom(1);
    for (let round = 0; round < 2000; round++) {
      const bytes = random.bytes(random.below(300));
      // Small numbers are what flags, counts and lengths mostly are: with them a decoder goes on beyond its first fields.
      if (random.chance(0.5)) bytes.set(random.bytes(Math.min(4, bytes.length)).map((byte) => byte & 0x0f));
      decode(bytes);
    }
  });
}
