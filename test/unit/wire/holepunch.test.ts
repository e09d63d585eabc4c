import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { decodeRelayedHolepunch, encodeRelayedHolepunch, type RelayedHolepunch } from "../../../src/wire/holepunch.ts";
import { testCodec } from "../../support/codec.ts";
import { vectors } from "../../support/vectors.ts";

interface Row {
  hex: string;
  decoded: { mode: number; id: number; payload: string; peerAddress: Address | null };
}

testCodec<RelayedHolepunch>({
  name: "a relayed hole punch message",
  encode: encodeRelayedHolepunch,
  decode: decodeRelayedHolepunch,
  samples: vectors<{ holepunch: Row[] }>("messages").holepunch.map(({ hex, decoded }) => ({
    hex,
    message: { ...decoded, payload: Uint8Array.fromHex(decoded.payload) },
  })),
});

test("it carries at most what a datagram holds", () => {
  const carrying = (length: number) =>
    encodeRelayedHolepunch({ mode: 0, id: 0, payload: new Uint8Array(length), peerAddress: null });
  expect(decodeRelayedHolepunch(carrying(2048))?.payload).toHaveLength(2048);
  expect(decodeRelayedHolepunch(carrying(2049))).toBeNull();
});
