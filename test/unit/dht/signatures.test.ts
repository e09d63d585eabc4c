import { expect, test } from "bun:test";
import { blake2b256 } from "../../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../../src/crypto/ed25519.ts";
import {
  type AnnounceTerms,
  announceSignable,
  mutableSignable,
  signAnnounce,
  signMutable,
  verifyAnnounce,
  verifyMutable,
} from "../../../src/dht/signatures.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

interface AnnounceRow {
  kind: "announce" | "unannounce";
  seed: string;
  target: string;
  nodeId: string;
  token: string;
  peer: { publicKey: string; relayAddresses: { host: string; port: number }[] };
  refresh: string | null;
  signable: string;
  signature: string;
}
const announcements = vectors<AnnounceRow[]>("announceSignatures").map((row) => {
  const peer = { publicKey: bytes(row.peer.publicKey), relayAddresses: row.peer.relayAddresses };
  const named = { target: bytes(row.target), nodeId: bytes(row.nodeId), token: bytes(row.token) };
  const terms: AnnounceTerms = { action: row.kind, ...named, peer, refresh: bytesOrNull(row.refresh) };
  return { row, terms, signature: bytes(row.signature), secretKey: keyPairFromSeed(bytes(row.seed)).secretKey };
});

test("OM-18 an announcement's signature is the reference's", () => {
  expect(new Set(announcements.map(({ row }) => row.kind)).size).toBe(2);
  for (const { row, terms, signature, secretKey } of announcements) {
    expect(announceSignable(terms).toHex()).toBe(row.signable);
    expect(signAnnounce(terms, secretKey)).toEqual(signature);
    expect(verifyAnnounce(terms, signature)).toBe(true);
  }
});

test("OM-18 it holds for its purpose, target, node, token, record and refresh, and for no others", () => {
  const other = new Uint8Array(32).fill(9);
  for (const { terms, signature } of announcements) {
    const { peer } = terms;
    const changes: Partial<AnnounceTerms>[] = [
      { action: terms.action === "announce" ? "unannounce" : "announce" },
      { target: other },
      { nodeId: other },
      { token: other },
      { refresh: terms.refresh ? null : other },
      { peer: { ...peer, publicKey: other } },
      { peer: { ...peer, relayAddresses: [...peer.relayAddresses, { host: "192.0.2.1", port: 1 }] } },
    ];
    for (const change of changes) expect(verifyAnnounce({ ...terms, ...change }, signature)).toBe(false);
    expect(verifyAnnounce(terms, signature.with(0, signature[0]! ^ 1))).toBe(false);
    expect(verifyAnnounce(terms, new Uint8Array(0))).toBe(false);
  }
});

interface MutableRow {
  seed: string;
  publicKey: string;
  target: string;
  seq: number;
  value: string;
  signable: string;
  signature: string;
}

test("OM-23 a mutable record's signature is the reference's, and holds for its number, value and key alone", () => {
  for (const row of vectors<MutableRow[]>("mutableSignatures")) {
    const { seq } = row;
    const [value, publicKey, signature] = [bytes(row.value), bytes(row.publicKey), bytes(row.signature)];
    expect(mutableSignable(seq, value).toHex()).toBe(row.signable);
    expect(signMutable(seq, value, keyPairFromSeed(bytes(row.seed)).secretKey)).toEqual(signature);
    expect(blake2b256(publicKey).toHex()).toBe(row.target);
    expect(verifyMutable(seq, value, publicKey, signature)).toBe(true);
    expect(verifyMutable(seq + 1, value, publicKey, signature)).toBe(false);
    expect(verifyMutable(seq, Uint8Array.of(...value, 0), publicKey, signature)).toBe(false);
    expect(verifyMutable(seq, value, publicKey.with(0, publicKey[0]! ^ 1), signature)).toBe(false);
  }
});

test("OM-22 an immutable value's target is the reference's: its hash", () => {
  for (const { value, target } of vectors<{ value: string; target: string }[]>("immutable")) {
    expect(blake2b256(bytes(value)).toHex()).toBe(target);
  }
});
