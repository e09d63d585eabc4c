import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { formatIp, parseIp } from "../../../src/base/ip.ts";
import {
  decodeNoisePayload,
  encodeNoisePayload,
  FIREWALL,
  type HolepunchOffer,
  type NoisePayload,
  PAYLOAD_ERROR,
  type UdxOffer,
} from "../../../src/wire/noise-payload.ts";
import { type Sample, testCodec } from "../../support/codec.ts";
import { vectors } from "../../support/vectors.ts";

/** As the reference decodes it: with the inner versions, which are always 1 and which we do not keep. */
interface Decoded {
  version: number;
  error: number;
  firewall: number;
  holepunch: HolepunchOffer | null;
  addresses4: Address[];
  addresses6: Address[];
  udx: (UdxOffer & { version: 1 }) | null;
  secretStream: { version: 1 } | null;
  relayThrough: { version: 1; publicKey: string; token: string } | null;
  relayAddresses: Address[] | null;
}
/** As the reference is asked to encode it: it puts the versions in, and takes null and none for no addresses. */
interface Input
  extends Omit<Decoded, "version" | "addresses4" | "addresses6" | "udx" | "secretStream" | "relayThrough"> {
  addresses4: Address[] | null;
  addresses6: Address[] | null;
  udx: UdxOffer | null;
  secretStream: object | null;
  relayThrough: { publicKey: string; token: string } | null;
}
interface Row {
  hex: string;
  input: Input;
  decoded: Decoded;
}

const messages = vectors<{ noisePayload: Row[]; noisePayloadOtherVersion: Omit<Row, "input">[] }>("messages");
const bytes = (hex: string) => Uint8Array.fromHex(hex);

function ours({ udx, secretStream, relayThrough, addresses6, ...rest }: Decoded): NoisePayload {
  return {
    ...rest,
    addresses6: addresses6.map(({ host, port }) => ({ host: formatIp(parseIp(host)!), port })),
    udx: udx && { reusableSocket: udx.reusableSocket, roams: false, id: udx.id, seq: udx.seq },
    secretStream: secretStream !== null,
    relayThrough: relayThrough && { publicKey: bytes(relayThrough.publicKey), token: bytes(relayThrough.token) },
  };
}

function encodeInput(input: Input): Uint8Array {
  const { relayThrough } = input;
  return encodeNoisePayload({
    ...input,
    addresses4: input.addresses4 ?? [],
    addresses6: input.addresses6 ?? [],
    secretStream: input.secretStream !== null,
    relayThrough: relayThrough && { publicKey: bytes(relayThrough.publicKey), token: bytes(relayThrough.token) },
    relayAddresses: input.relayAddresses ?? null,
  });
}

const samples: Sample<NoisePayload>[] = messages.noisePayload.map(({ hex, decoded }) => ({
  hex,
  message: ours(decoded),
}));
const silent = samples.at(-1)!.message;

testCodec<NoisePayload>({
  name: "a Noise payload",
  encode: encodeNoisePayload,
  decode: decodeNoisePayload,
  samples,
});

test("of another version nothing but the version is read", () => {
  for (const { hex, decoded } of messages.noisePayloadOtherVersion) {
    expect(decodeNoisePayload(bytes(hex))).toEqual(ours(decoded));
    expect(decodeNoisePayload(bytes(hex).subarray(0, 1))).toEqual(ours(decoded));
  }
});

test("what the reference was asked to encode gives its bytes, here and in whole handshakes", () => {
  type Handshake = { payload1: Input; payload1Hex: string; payload2: Input; payload2Hex: string };
  for (const { input, hex } of messages.noisePayload) expect(encodeInput(input).toHex()).toBe(hex);
  for (const { payload1, payload1Hex, payload2, payload2Hex } of vectors<Handshake[]>("noiseIK")) {
    expect([encodeInput(payload1).toHex(), encodeInput(payload2).toHex()]).toEqual([payload1Hex, payload2Hex]);
  }
});

test("a stream id is a u32", () => {
  const withId = (id: number) =>
    encodeNoisePayload({ ...silent, udx: { reusableSocket: false, roams: true, id, seq: 0 } });
  expect(decodeNoisePayload(withId(2 ** 32 - 1))?.udx?.id).toBe(2 ** 32 - 1);
  expect(decodeNoisePayload(withId(2 ** 32))).toBeNull();
});

test("what a stranger can make grow is bounded", () => {
  const address: Address = { host: "192.0.2.1", port: 7 };
  const address6: Address = { host: "2001:db8::1", port: 7 };
  const fields: [most: number, (length: number) => Partial<NoisePayload>][] = [
    [320, (length) => ({ addresses4: new Array<Address>(length).fill(address) })],
    [320, (length) => ({ addresses6: new Array<Address>(length).fill(address6) })],
    [64, (length) => ({ relayAddresses: new Array<Address>(length).fill(address) })],
    [
      64,
      (length) => ({
        holepunch: { id: 0, relays: new Array(length).fill({ relayAddress: address, peerAddress: address }) },
      }),
    ],
  ];
  for (const [most, field] of fields) {
    expect(decodeNoisePayload(encodeNoisePayload({ ...silent, ...field(most) }))).not.toBeNull();
    expect(decodeNoisePayload(encodeNoisePayload({ ...silent, ...field(most + 1) }))).toBeNull();
  }
});

test("numbers are the reference's", () => {
  const { FIREWALL: firewall, ERROR } = vectors<{ [group: string]: { [name: string]: number } }>("constants");
  expect(firewall).toEqual({
    UNKNOWN: FIREWALL.unknown,
    OPEN: FIREWALL.open,
    CONSISTENT: FIREWALL.consistent,
    RANDOM: FIREWALL.random,
  });
  expect(ERROR).toMatchObject({
    NONE: PAYLOAD_ERROR.none,
    ABORTED: PAYLOAD_ERROR.aborted,
    VERSION_MISMATCH: PAYLOAD_ERROR.versionMismatch,
    TRY_LATER: PAYLOAD_ERROR.tryLater,
  });
});
