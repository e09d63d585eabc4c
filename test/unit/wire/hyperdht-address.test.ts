import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  decodeHyperdhtAddress,
  encodeHyperdhtAddress,
  type HyperdhtAddress,
} from "../../../src/wire/hyperdht-address.ts";
import { testCodec } from "../../support/codec.ts";
import { vectors } from "../../support/vectors.ts";

interface Row {
  hex: string;
  decoded: { key: string; nodes: Address[] | null };
}

const { hyperdhtAddress, bareKeyDecodes } = vectors<{ hyperdhtAddress: Row[]; bareKeyDecodes: Row }>("address");
const ours = ({ key, nodes }: Row["decoded"]): HyperdhtAddress => ({ publicKey: Uint8Array.fromHex(key), nodes });

testCodec<HyperdhtAddress>({
  name: "an address",
  encode: encodeHyperdhtAddress,
  decode: decodeHyperdhtAddress,
  samples: hyperdhtAddress.map(({ hex, decoded }) => ({ hex, message: ours(decoded) })),
  truncated: ({ message }, end) => (end === 32 ? { ...message, nodes: null } : null),
});

test("a bare key is an address without nodes", () => {
  const { hex, decoded } = bareKeyDecodes;
  expect(decodeHyperdhtAddress(Uint8Array.fromHex(hex))).toEqual(ours(decoded));
});

test("what a stranger can make grow is bounded", () => {
  const naming = (length: number) =>
    encodeHyperdhtAddress({
      publicKey: new Uint8Array(32),
      nodes: new Array<Address>(length).fill({ host: "192.0.2.1", port: 1 }),
    });
  expect(decodeHyperdhtAddress(naming(64))?.nodes).toHaveLength(64);
  expect(decodeHyperdhtAddress(naming(65))).toBeNull();
});
