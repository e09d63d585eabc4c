import { expect, test } from "bun:test";
import {
  BLIND_RELAY,
  BLIND_RELAY_PROTOCOL,
  decodePair,
  decodeUnpair,
  encodePair,
  encodeUnpair,
  type Pair,
  type Unpair,
} from "../../../src/wire/blind-relay.ts";
import { Writer } from "../../../src/wire/writer.ts";
import { testCodec } from "../../support/codec.ts";
import { vectors } from "../../support/vectors.ts";

const group = vectors<{
  pair: { input: Omit<Pair, "token"> & { token: string }; hex: string }[];
  unpair: { input: { token: string }; hex: string }[];
  protomuxClientFrames: { publicKey: string; token: string; frames: [open: string, pair: string] };
}>("blindRelay");
const bytes = (hex: string) => Uint8Array.fromHex(hex);

testCodec<Pair>({
  name: "pair",
  encode: encodePair,
  decode: decodePair,
  samples: group.pair.map(({ hex, input }) => ({ hex, message: { ...input, token: bytes(input.token) } })),
});

testCodec<Unpair>({
  name: "unpair",
  encode: encodeUnpair,
  decode: decodeUnpair,
  samples: group.unpair.map(({ hex, input }) => ({ hex, message: { token: bytes(input.token) } })),
});

test("a stream id is a u32", () => {
  const withId = (id: number) => encodePair({ isInitiator: true, token: new Uint8Array(32), id, seq: 0 });
  expect(decodePair(withId(2 ** 32 - 1))?.id).toBe(2 ** 32 - 1);
  expect(decodePair(withId(2 ** 32))).toBeNull();
});

test("a client's first two messages in Protomux are the reference's", () => {
  const { publicKey, token, frames } = group.protomuxClientFrames;
  const open = new Writer().u8(0).u8(1).uint(1).string(BLIND_RELAY_PROTOCOL).bytes(bytes(publicKey));
  const pair = encodePair({ isInitiator: true, token: bytes(token), id: 77, seq: 0 });
  const message = new Writer().uint(1).uint(BLIND_RELAY.pair).fixed(pair);
  expect([open.finish().toHex(), message.finish().toHex()]).toEqual(frames);
});
