/** Bytes that the real udx-native produced: `test/vectors/udx.README.md` says what each part holds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SackBlock, UdxPacket } from "../../src/wire/udx.ts";

export interface DecodedPacket {
  readonly udx?: false;
  readonly magic: number;
  readonly version: number;
  readonly type: number;
  readonly flags: readonly string[];
  readonly dataOffset: number;
  readonly remoteId: number;
  readonly rwnd: number;
  readonly seq: number;
  readonly ack: number;
  readonly sacks?: readonly SackBlock[];
  readonly payloadLength: number;
  readonly paddingLength?: number;
}

export interface CodecSample {
  readonly from: string;
  readonly hex: string;
  readonly decoded: DecodedPacket;
}

export interface CapturedPacket {
  readonly t: number;
  readonly dir: string;
  readonly length: number;
  readonly hex?: string;
  readonly headHex?: string;
  readonly decoded: DecodedPacket;
  readonly dropped?: true;
}

export interface Scenario {
  readonly name: string;
  readonly kind: "pair" | "scripted" | "relay" | "change-remote";
  readonly setup: { readonly [name: string]: unknown };
  readonly events: readonly string[];
  readonly packets: readonly CapturedPacket[];
}

const file = JSON.parse(readFileSync(join(import.meta.dir, "../vectors/udx.json"), "utf8")) as {
  readonly codec: readonly CodecSample[];
  readonly scenarios: readonly Scenario[];
};

export const { codec, scenarios } = file;

export function scenario(name: string): Scenario {
  const found = scenarios.find((each) => each.name === name);
  if (!found) throw new Error(`udx.json has no scenario ${name}`);
  return found;
}

/** A packet in the words of the vectors. */
export function described(packet: UdxPacket): Omit<DecodedPacket, "magic" | "version" | "flags"> {
  const { type, id, rwnd, seq, ack, sacks, paddingBytes, payload } = packet;
  const isBeside = sacks.length > 0 && payload.length > 0;
  return {
    type,
    dataOffset: isBeside ? 8 * sacks.length : paddingBytes,
    remoteId: id,
    rwnd,
    seq,
    ack,
    ...(sacks.length > 0 ? { sacks } : {}),
    payloadLength: payload.length,
    ...(paddingBytes > 0 ? { paddingLength: paddingBytes } : {}),
  };
}

/** What of a captured packet `described` tells too. */
export function expected(decoded: DecodedPacket): Omit<DecodedPacket, "magic" | "version" | "flags"> {
  const { magic: _magic, version: _version, flags: _flags, ...rest } = decoded;
  return rest;
}
