import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  decodeRelayedHandshake,
  encodeRelayedHandshake,
  MODE,
  type RelayedHandshake,
} from "../../../src/wire/handshake.ts";
import { testCodec } from "../../support/codec.ts";
import { vectors } from "../../support/vectors.ts";

interface Row {
  hex: string;
  decoded: { mode: number; noise: string; peerAddress: Address | null; relayAddress: Address | null };
}

testCodec<RelayedHandshake>({
  name: "a relayed handshake",
  encode: encodeRelayedHandshake,
  decode: decodeRelayedHandshake,
  samples: vectors<{ handshake: Row[] }>("messages").handshake.map(({ hex, decoded }) => ({
    hex,
    message: { ...decoded, noise: Uint8Array.fromHex(decoded.noise) },
  })),
});

test("it carries at most what a datagram holds", () => {
  const carrying = (length: number) =>
    encodeRelayedHandshake({ mode: 0, noise: new Uint8Array(length), peerAddress: null, relayAddress: null });
  expect(decodeRelayedHandshake(carrying(2048))?.noise).toHaveLength(2048);
  expect(decodeRelayedHandshake(carrying(2049))).toBeNull();
});

test("modes are the reference's", () => {
  const { handshakeModes } = vectors<{ handshakeModes: { [name: string]: number } }>("constants");
  expect(handshakeModes).toEqual({
    FROM_CLIENT: MODE.fromClient,
    FROM_SERVER: MODE.fromServer,
    FROM_RELAY: MODE.fromRelay,
    FROM_SECOND_RELAY: MODE.fromSecondRelay,
    REPLY: MODE.reply,
  });
});
