import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  type Announce,
  COMMAND,
  DHT_ERROR,
  decodeAnnounce,
  decodeLookupReply,
  decodeMutablePut,
  decodeMutableRecord,
  decodePeerRecord,
  decodePluginRequest,
  encodeAnnounce,
  encodeLookupReply,
  encodeMutablePut,
  encodeMutableRecord,
  encodeMutableSignable,
  encodePeerRecord,
  encodePluginRequest,
  joinLookupReply,
  type LookupReply,
  type MutablePut,
  type MutableRecord,
  type PeerRecord,
  type PluginRequest,
} from "../../../src/wire/dht.ts";
import { Reader } from "../../../src/wire/reader.ts";
import { Writer } from "../../../src/wire/writer.ts";
import { type Sample, testCodec } from "../../support/codec.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

// Messages as the file has them: byte strings in hex.
interface PeerHex {
  publicKey: string;
  relayAddresses: Address[];
}
interface AnnounceHex {
  peer: PeerHex | null;
  refresh: string | null;
  signature: string | null;
  bump: number;
}
interface MutableHex {
  seq: number;
  value: string;
  signature: string;
}
type LookupHex = { peers: PeerHex[]; bump: number };
type Rows<Decoded> = { hex: string; decoded: Decoded }[];

const group = vectors<{
  peer: Rows<PeerHex>;
  announce: Rows<AnnounceHex>;
  mutableSignable: Rows<Omit<MutableHex, "signature">>;
  mutablePutRequest: Rows<MutableHex & { publicKey: string }>;
  mutableGetResponse: Rows<MutableHex>;
  pluginRequest: Rows<Omit<PluginRequest, "value"> & { value: string | null }>;
  lookupRawReply: Rows<LookupHex>;
  lookupRawReplyWithoutBump: Rows<LookupHex>;
}>("messages");

const bytes = (hex: string) => Uint8Array.fromHex(hex);
const peerRecord = ({ publicKey, relayAddresses }: PeerHex): PeerRecord => ({
  publicKey: bytes(publicKey),
  relayAddresses,
});
const mutableRecord = ({ seq, value, signature }: MutableHex): MutableRecord => ({
  seq,
  value: bytes(value),
  signature: bytes(signature),
});
const lookupReply = ({ peers, bump }: LookupHex): LookupReply => ({ peers: peers.map(peerRecord), bump });

function samples<Decoded, Message>(rows: Rows<Decoded>, message: (decoded: Decoded) => Message): Sample<Message>[] {
  return rows.map(({ hex, decoded }) => ({ hex, message: message(decoded) }));
}

testCodec<PeerRecord>({
  name: "a peer record",
  encode: encodePeerRecord,
  decode: decodePeerRecord,
  samples: samples(group.peer, peerRecord),
});

testCodec<Announce>({
  name: "an announcement",
  encode: encodeAnnounce,
  decode: decodeAnnounce,
  samples: samples(group.announce, ({ peer, refresh, signature, bump }) => ({
    peer: peer && peerRecord(peer),
    refresh: bytesOrNull(refresh),
    signature: bytesOrNull(signature),
    bump,
  })),
});

testCodec<MutablePut>({
  name: "a mutable put",
  encode: encodeMutablePut,
  decode: decodeMutablePut,
  samples: samples(group.mutablePutRequest, (put) => ({ publicKey: bytes(put.publicKey), ...mutableRecord(put) })),
});

testCodec<MutableRecord>({
  name: "a mutable record",
  encode: encodeMutableRecord,
  decode: decodeMutableRecord,
  samples: samples(group.mutableGetResponse, mutableRecord),
});

testCodec<PluginRequest>({
  name: "a plugin request",
  encode: encodePluginRequest,
  decode: decodePluginRequest,
  samples: samples(group.pluginRequest, ({ value, ...rest }) => ({ ...rest, value: bytesOrNull(value) })),
});

testCodec<LookupReply>({
  name: "a lookup reply",
  encode: encodeLookupReply,
  decode: decodeLookupReply,
  samples: samples(group.lookupRawReply, lookupReply),
  // A reply that ends with its records has no bump. Here the bump is the last thing, in one byte or in nine.
  truncated: ({ hex, message }, end) => {
    const bumpBytes = message.bump === 0 ? 1 : 9;
    return end === hex.length / 2 - bumpBytes ? { ...message, bump: 0 } : null;
  },
});

test("a lookup reply without a bump is one with bump 0", () => {
  for (const { hex, decoded } of group.lookupRawReplyWithoutBump) {
    expect(decodeLookupReply(bytes(hex))).toEqual(lookupReply(decoded));
  }
});

test("a lookup reply may be joined from records that are encoded already", () => {
  for (const { hex, decoded } of group.lookupRawReply) {
    const records = decoded.peers.map((peer) => encodePeerRecord(peerRecord(peer)));
    expect(joinLookupReply(records, decoded.bump).toHex()).toBe(hex);
  }
});

test("a mutable record's signable is the reference's", () => {
  for (const { hex, decoded } of group.mutableSignable) {
    const { seq, value } = decoded;
    expect(encodeMutableSignable({ seq, value: bytes(value) }).toHex()).toBe(hex);
    const r = new Reader(bytes(hex));
    expect<unknown>([r.uint(), r.bytes(2048).toHex(), r.ok, r.remaining]).toEqual([seq, value, true, 0]);
  }
});

test("what a stranger can make grow is bounded", () => {
  const relayAddresses = (length: number): Address[] =>
    Array.from({ length }, (_, i) => ({ host: "192.0.2.1", port: i }));
  const publicKey = new Uint8Array(32).fill(1);
  const signature = new Uint8Array(64).fill(2);

  const record = (relays: number) => encodePeerRecord({ publicKey, relayAddresses: relayAddresses(relays) });
  expect(decodePeerRecord(record(64))?.relayAddresses).toHaveLength(64);
  expect(decodePeerRecord(record(65))).toBeNull();

  const reply = (peers: number) =>
    encodeLookupReply({ peers: Array.from({ length: peers }, () => ({ publicKey, relayAddresses: [] })), bump: 0 });
  expect(decodeLookupReply(reply(256))?.peers).toHaveLength(256);
  expect(decodeLookupReply(reply(257))).toBeNull();

  for (const [length, isTaken] of [
    [2048, true],
    [2049, false],
  ] as const) {
    const value = new Uint8Array(length);
    const plugin = { plugin: "p", version: 1, command: 1, value };
    expect(decodeMutableRecord(encodeMutableRecord({ seq: 1, value, signature })) !== null).toBe(isTaken);
    expect(decodeMutablePut(encodeMutablePut({ publicKey, seq: 1, value, signature })) !== null).toBe(isTaken);
    expect(decodePluginRequest(encodePluginRequest(plugin)) !== null).toBe(isTaken);
  }
  const named = (length: number) =>
    encodePluginRequest({ plugin: "p".repeat(length), version: 1, command: 1, value: null });
  expect([decodePluginRequest(named(256)) !== null, decodePluginRequest(named(257)) !== null]).toEqual([true, false]);

  const endless = new Writer().uint(2 ** 40).finish();
  expect(decodeLookupReply(endless)).toBeNull();
});

test("numbers are the reference's", () => {
  const constants = vectors<{ COMMANDS: { [name: string]: number }; ERROR: { [name: string]: number } }>("constants");
  const commands = Object.entries(COMMAND).map(([name, number]) => [upperCase(name), number]);
  expect(Object.fromEntries(commands)).toEqual(constants.COMMANDS);
  expect(constants.ERROR).toMatchObject({ SEQ_REUSED: DHT_ERROR.seqReused, SEQ_TOO_LOW: DHT_ERROR.seqTooLow });
});

/** `peerHandshake` as PEER_HANDSHAKE. */
function upperCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
