import { expect, test } from "bun:test";
import {
  decodeNatPmpResponse,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  type NatPmpResponse,
} from "../../../src/wire/nat-pmp.ts";
import { testCodec } from "../../support/codec.ts";
import { natPmpAddress, natPmpError, natPmpMap } from "../../support/fake-router.ts";

test("requests have the bytes of RFC 6886 §3.2 and §3.3", () => {
  expect(encodeNatPmpAddress().toHex()).toBe("0000");
  expect(encodeNatPmpMap({ internalPort: 1776, externalPort: 49_737, lifetimeS: 1_200 }).toHex()).toBe(
    "0001000006f0c249000004b0",
  );
});

testCodec<NatPmpResponse>({
  name: "a NAT-PMP answer",
  encode: (said) => {
    if (said.type === "map") return natPmpMap(said);
    return said.type === "address" ? natPmpAddress(said.host, said.epochS) : natPmpError(0, said.result, said.epochS);
  },
  decode: decodeNatPmpResponse,
  samples: [
    { hex: "008000000000038458630356", message: { type: "address", epochS: 900, host: "88.99.3.86" } },
    {
      hex: "008100000000038406f0c24900000e10",
      message: { type: "map", epochS: 900, internalPort: 1776, externalPort: 49_737, lifetimeS: 3_600 },
    },
    { hex: "0080000300000384", message: { type: "refusal", result: 3, epochS: 900 } },
  ],
});

test("a request that comes back, and an answer about TCP, are no answers", () => {
  expect(decodeNatPmpResponse(Uint8Array.fromHex("0001000006f0c249000004b0"))).toBeNull();
  expect(decodeNatPmpResponse(Uint8Array.fromHex("008200000000038406f0c24900000e10"))).toBeNull();
  expect(decodeNatPmpResponse(Uint8Array.fromHex("0281000000000e10"))).toBeNull();
});
