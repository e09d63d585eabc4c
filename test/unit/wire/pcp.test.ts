import { expect, test } from "bun:test";
import { decodePcpResponse, encodePcpMap, type PcpResponse } from "../../../src/wire/pcp.ts";
import { testCodec } from "../../support/codec.ts";
import { pcpAnnouncement, pcpMapResponse } from "../../support/fake-router.ts";

const NONCE = Uint8Array.fromHex("000102030405060708090a0b");

test("a request has the bytes of RFC 6887, figures 2 and 9", () => {
  const internal = { host: "192.168.1.7", port: 1776 };
  const external = { host: "88.99.3.86", port: 49_737 };
  expect(encodePcpMap({ internal, nonce: NONCE, lifetimeS: 1_200, external }).toHex()).toBe(
    [
      "02010000000004b0", // version, MAP, reserved, lifetime
      "00000000000000000000ffffc0a80107", // our address, mapped into IPv6
      "000102030405060708090a0b", // nonce
      "11000000", // UDP, reserved
      "06f0c249", // internal and external port
      "00000000000000000000ffff58630356", // external address
    ].join(""),
  );
});

testCodec<PcpResponse>({
  name: "a PCP answer",
  encode: (said) =>
    said.type === "announcement"
      ? pcpAnnouncement(said.epochS)
      : pcpMapResponse({ ...said, outside: said.external!.host, externalPort: said.external!.port }),
  decode: decodePcpResponse,
  samples: [
    {
      hex:
        "0281000000000e1000000384000000000000000000000000000102030405060708090a0b1100000006f0c249" +
        "00000000000000000000ffff58630356",
      message: {
        ...{ type: "map", result: 0, lifetimeS: 3_600, epochS: 900, nonce: NONCE, internalPort: 1776 },
        external: { host: "88.99.3.86", port: 49_737 },
      },
    },
    { hex: "028000000000000000000384000000000000000000000000", message: { type: "announcement", epochS: 900 } },
  ],
});

test("an answer about IPv6, TCP or another version is none that we asked for", () => {
  const answer = (change: readonly (readonly [at: number, byte: number])[]) => {
    const said = {
      result: 0,
      lifetimeS: 9,
      epochS: 1,
      nonce: NONCE,
      internalPort: 1,
      externalPort: 2,
      outside: "1.2.3.4",
    };
    const bytes = pcpMapResponse(said);
    for (const [at, byte] of change) bytes[at] = byte;
    return decodePcpResponse(bytes);
  };
  expect(answer([[44, 0x20]])).toMatchObject({ type: "map", external: null });
  expect(answer([[36, 6]])).toBeNull();
  expect(answer([[0, 1]])).toBeNull();
  expect(answer([[1, 1]])).toBeNull();
  expect(answer([[3, 12]])).toMatchObject({ type: "map", result: 12 });
});
