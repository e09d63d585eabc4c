import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { compareBytes, sameBytes } from "../../../src/base/bytes.ts";
import { compareDistance, nodeId, peerAt, sharedBits } from "../../../src/dht/peer.ts";
import { SeededRandom } from "../../support/random.ts";
import { vectors } from "../../support/vectors.ts";

const random = new SeededRandom(1);
const id = () => random.bytes(32);
const number = (bytes: Uint8Array) => BigInt(`0x${bytes.toHex()}`);

test("a node's id is the reference's, and another for another host or port", () => {
  const rows = vectors<(Address & { id: string })[]>("nodeId");
  for (const { id, ...address } of rows) {
    expect(nodeId(address).toHex()).toBe(id);
    expect(peerAt(address)).toEqual({ ...address, id: Uint8Array.fromHex(id), key: peerAt(address).key });
  }
  const [{ id: _, ...address }] = rows as [(typeof rows)[0]];
  const others = [address, { ...address, port: address.port ^ 1 }, { ...address, host: "5.9.17.34" }];
  expect(new Set(others.map((other) => nodeId(other).toHex())).size).toBe(3);
  expect(new Set(others.map((other) => peerAt(other).key)).size).toBe(3);
});

test("distance is the XOR, read as a number with its first byte highest", () => {
  for (let round = 0; round < 500; round++) {
    const [target, a, b] = [id(), id(), id()];
    if (random.chance(0.3)) b.set(a.subarray(0, 1 + random.below(31))); // ids that begin alike
    const expected = (number(a) ^ number(target)) < (number(b) ^ number(target)) ? -1 : 1;
    expect(Math.sign(compareDistance(target, a, b))).toBe(expected);
    expect(Math.sign(compareDistance(target, b, a))).toBe(-expected);
    expect(compareDistance(target, a, a.slice())).toBe(0);
  }
});

test("two ids share as many leading bits as their numbers do", () => {
  expect(sharedBits(new Uint8Array(32), new Uint8Array(32))).toBe(256);
  for (let bit = 0; bit < 256; bit++) {
    const a = id();
    const b = a.with(bit >> 3, a[bit >> 3]! ^ (0x80 >> (bit & 7)));
    b.set(random.bytes(31 - (bit >> 3)), (bit >> 3) + 1); // what comes after the first difference does not count
    expect(sharedBits(a, b)).toBe(bit);
  }
});

test("bytes are equal or come before one another as strings do", () => {
  expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(sameBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
  expect(sameBytes(new Uint8Array(0), new Uint8Array(0))).toBe(true);
  expect(compareBytes(Uint8Array.of(1, 255), Uint8Array.of(2, 0))).toBeLessThan(0);
});
