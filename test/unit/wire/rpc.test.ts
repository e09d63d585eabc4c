import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeAddress4,
  encodeAddresses,
  encodeRequest,
  encodeResponse,
  INTERNAL,
  K,
  REQUEST,
  RESPONSE,
  type Request,
  type Response,
} from "../../../src/wire/rpc.ts";
import { Writer } from "../../../src/wire/writer.ts";
import { type Sample, testCodec } from "../../support/codec.ts";
import { SeededRandom } from "../../support/random.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

// Messages as the file has them: byte strings in hex.
interface RequestHex {
  tid: number;
  to: Address;
  id: string | null;
  token: string | null;
  internal: boolean;
  command: number;
  target: string | null;
  value: string | null;
}
interface ResponseHex {
  tid: number;
  to: Address;
  id: string | null;
  token: string | null;
  closerNodes: Address[] | null;
  error: number;
  value: string | null;
}

function requestOf({ tid, to, id, token, internal, command, target, value }: RequestHex): Request {
  const [isInternal, isBrief] = [internal, false];
  const bytes = {
    id: bytesOrNull(id),
    token: bytesOrNull(token),
    target: bytesOrNull(target),
    value: bytesOrNull(value),
  };
  return { tid, to, command, isInternal, isBrief, ...bytes };
}

function responseOf({ tid, to, id, token, closerNodes, error, value }: ResponseHex): Response {
  const bytes = { id: bytesOrNull(id), token: bytesOrNull(token), value: bytesOrNull(value) };
  return { tid, to, closerNodes: closerNodes ?? [], error, ...bytes };
}

/** As a node sends it, which has its closer nodes encoded. */
function encode(response: Response): Uint8Array {
  const { closerNodes } = response;
  return encodeResponse({ ...response, closerNodes: closerNodes.length > 0 ? encodeAddresses(closerNodes) : null });
}

const group = vectors<{
  requests: { fields: RequestHex; hex: string }[];
  responses: { fields: ResponseHex; hex: string }[];
}>("dhtRpc");
const requests: Sample<Request>[] = group.requests.map(({ hex, fields }) => ({ hex, message: requestOf(fields) }));
const responses: Sample<Response>[] = group.responses.map(({ hex, fields }) => ({ hex, message: responseOf(fields) }));

testCodec<Request>({ name: "a request", encode: encodeRequest, decode: decodeRequest, samples: requests });
testCodec<Response>({ name: "a response", encode, decode: decodeResponse, samples: responses });

interface Captured {
  readonly hex: string;
  readonly decoded: (RequestHex & { type: "request" }) | (ResponseHex & { type: "response" });
}

const captured = Object.entries(vectors<{ [name: string]: { packets: Captured[] } }>("captures")).flatMap(
  ([name, { packets }]) => packets.map((packet) => ({ name, ...packet })),
);

test("OM-30 every request and response of real traffic decodes as it did there, and has the same bytes again", () => {
  const seen = { request: 0, response: 0 };
  for (const { name, hex, decoded } of captured) {
    const bytes = Uint8Array.fromHex(hex);
    if (bytes[0] === REQUEST) {
      const request = decodeRequest(bytes);
      expect({ name, request }).toEqual({ name, request: requestOf(decoded as RequestHex) });
      expect(encodeRequest(request!).toHex()).toBe(hex);
      seen.request++;
    } else if (bytes[0] === RESPONSE) {
      const response = decodeResponse(bytes);
      expect({ name, response }).toEqual({ name, response: responseOf(decoded as ResponseHex) });
      expect(encode(response!).toHex()).toBe(hex);
      seen.response++;
    }
  }
  expect(seen).toEqual({ request: 380, response: 328 });
});

test("a brief request is one whose answer needs no id, and differs in one bit", () => {
  for (const { hex, message } of requests) {
    const bytes = Uint8Array.fromHex(hex);
    const brief = bytes.with(1, bytes[1]! | 32);
    expect(encodeRequest({ ...message, isBrief: true })).toEqual(brief);
    expect(decodeRequest(brief)).toEqual({ ...message, isBrief: true });
  }
});

test("a request is no response, and what is neither is nothing", () => {
  for (const { hex } of [...requests, ...responses]) {
    const bytes = Uint8Array.fromHex(hex);
    for (let first = 0; first < 256; first++) {
      const other = bytes.with(0, first);
      if (first !== REQUEST) expect(decodeRequest(other)).toBeNull();
      if (first !== RESPONSE) expect(decodeResponse(other)).toBeNull();
    }
  }
  for (const nothing of [new Uint8Array(0), Uint8Array.of(REQUEST), Uint8Array.of(RESPONSE)]) {
    expect([decodeRequest(nothing), decodeResponse(nothing)]).toEqual([null, null]);
  }
});

test("whatever fields a message has, it comes back as it was", () => {
  const random = new SeededRandom(2);
  const some = (length: number) => (random.chance(0.5) ? random.bytes(length) : null);
  const address = () => ({ host: [...random.bytes(4)].join("."), port: random.below(65_536) });
  for (let round = 0; round < 2_000; round++) {
    const shared = { tid: random.below(65_536), to: address(), id: some(32), token: some(32) };
    const value = some(random.pick([0, 1, 252, 253, 1_000, 1_900]));
    const number = random.pick([0, 1, 252, 253, 65_535, 65_536, 2 ** 32 - 1]);
    const isInternal = random.chance(0.5);
    const request = { ...shared, isInternal, command: number, target: some(32), value, isBrief: random.chance(0.5) };
    expect(decodeRequest(encodeRequest(request))).toEqual(request);
    const closerNodes = Array.from({ length: random.below(K + 1) }, address);
    const response = { ...shared, closerNodes, error: number, value };
    expect(decodeResponse(encode(response))).toEqual(response);
  }
});

test("what one response may name is bounded", () => {
  const header = Uint8Array.fromHex("13040000c00002010100");
  const named = (count: number) => {
    const nodes = Array.from({ length: count }, () => ({ host: "192.0.2.1", port: 1 }));
    return decodeResponse(Buffer.concat([header, encodeAddresses(nodes)]))?.closerNodes.length;
  };
  expect([named(K), named(64), named(65), named(252)]).toEqual([K, 64, undefined, undefined]);
  const endless = Buffer.concat([header, new Writer().uint(2 ** 40).finish()]);
  expect(decodeResponse(endless)).toBeNull();
});

test("an address has six bytes, its port with the low byte first", () => {
  expect(encodeAddress4({ host: "192.0.2.255", port: 0x1234 }).toHex()).toBe("c00002ff3412");
  expect(encodeAddresses([])).toEqual(Uint8Array.of(0));
});

test("numbers are the reference's", () => {
  const { internalCommands } = vectors<{ internalCommands: { [name: string]: number } }>("constants");
  const upperCase = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  const ours = Object.entries(INTERNAL).map(([name, number]) => [upperCase(name), number]);
  expect(Object.fromEntries(ours)).toEqual(internalCommands);
});
