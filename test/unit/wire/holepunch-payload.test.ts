import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  decodeHolepunchPayload,
  encodeHolepunchPayload,
  type HolepunchPayload,
} from "../../../src/wire/holepunch-payload.ts";
import { testCodec } from "../../support/codec.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

type Decoded = Omit<HolepunchPayload, "token" | "remoteToken"> & { token: string | null; remoteToken: string | null };

const ours = (decoded: Decoded): HolepunchPayload => ({
  ...decoded,
  token: bytesOrNull(decoded.token),
  remoteToken: bytesOrNull(decoded.remoteToken),
});
const messages = vectors<{ holepunchPayload: { hex: string; decoded: Decoded }[] }>("messages").holepunchPayload;
const sealed = vectors<{ list: { plaintext: string; payload: Decoded }[] }>("holepunchPayloads").list;

testCodec<HolepunchPayload>({
  name: "a hole punch payload",
  encode: encodeHolepunchPayload,
  decode: decodeHolepunchPayload,
  samples: [
    ...messages.map(({ hex, decoded }) => ({ hex, message: ours(decoded) })),
    ...sealed.map(({ plaintext, payload }) => ({ hex: plaintext, message: ours(payload) })),
  ],
});

test("what a stranger can make grow is bounded", () => {
  const naming = (length: number) =>
    encodeHolepunchPayload({
      ...ours(messages[0]!.decoded),
      addresses: new Array<Address>(length).fill({ host: "192.0.2.1", port: 0 }),
    });
  expect(decodeHolepunchPayload(naming(64))?.addresses).toHaveLength(64);
  expect(decodeHolepunchPayload(naming(65))).toBeNull();
});
