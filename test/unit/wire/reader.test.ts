/** Reader and Writer against the reference's compact encoding, both ways. */
import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import { Reader } from "../../../src/wire/reader.ts";
import { Writer } from "../../../src/wire/writer.ts";
import { bytesOrNull, vectors } from "../../support/vectors.ts";

interface Encoded<Value> {
  value: Value;
  hex: string;
  decoded?: Value;
}

const group = vectors<{
  uint: Encoded<number>[];
  uint16: Encoded<number>[];
  uint32: Encoded<number>[];
  buffer: Encoded<string>[];
  string: Encoded<string>[];
  optionalBuffer: Encoded<string | null>[];
  ipv4Address: Encoded<Address>[];
  ipv4AddressArray: Encoded<Address[]>[];
  ipv6Address: Encoded<Address>[];
  decodeErrors: { codec: string; hex: string }[];
  uintNonMinimalAccepted: { hex: string; value: number }[];
}>("compactEncoding");
const bytes = (hex: string) => Uint8Array.fromHex(hex);
const MAX = 1024;

interface Codec<Value> {
  write: (w: Writer, value: Value) => Writer;
  read: (r: Reader) => Value;
}

function check<Value>(rows: Encoded<Value>[], { write, read }: Codec<Value>): void {
  expect(rows.length).toBeGreaterThan(0);
  for (const { value, hex, decoded } of rows) {
    expect(write(new Writer(), value).finish().toHex()).toBe(hex);
    const r = new Reader(bytes(hex));
    expect<unknown>(read(r)).toEqual(decoded ?? value);
    expect([r.ok, r.remaining]).toEqual([true, 0]);
  }
}

test("numbers are the reference's", () => {
  check(group.uint, { write: (w, value) => w.uint(value), read: (r) => r.uint() });
  check(group.uint16, { write: (w, value) => w.u16(value), read: (r) => r.u16() });
  check(group.uint32, { write: (w, value) => w.u32(value), read: (r) => r.u32() });
});

test("bytes and strings are the reference's; bytes that may be absent are so when there are none", () => {
  check(group.buffer, { write: (w, value) => w.bytes(bytes(value)), read: (r) => r.bytes(MAX).toHex() });
  check(group.string, { write: (w, value) => w.string(value), read: (r) => r.string(MAX) });
  check(group.optionalBuffer, {
    write: (w, value) => w.bytes(bytesOrNull(value) ?? new Uint8Array(0)),
    read: (r) => r.bytes(MAX).toHex() || null,
  });
});

test("addresses are the reference's", () => {
  check(group.ipv4Address, { write: (w, value) => w.address4(value), read: (r) => r.address4() });
  const shortest = group.ipv6Address.map(({ value, hex }) => ({ value, hex })); // in text the reference has all eight groups
  check(shortest, { write: (w, value) => w.address6(value), read: (r) => r.address6() });
  check(group.ipv4AddressArray, {
    write: (w, value) => w.array(value, (address) => w.address4(address)),
    read: (r) => r.array(MAX, () => r.address4()),
  });
});

test("a uint may be longer than it needs to be", () => {
  for (const { hex, value } of group.uintNonMinimalAccepted) {
    const r = new Reader(bytes(hex));
    expect([r.uint(), r.ok]).toEqual([value, true]);
  }
});

test("what the reference cannot decode is refused", () => {
  const codecs: { [codec: string]: (r: Reader) => unknown } = {
    uint: (r) => r.uint(),
    buffer: (r) => r.bytes(MAX),
    fixed32: (r) => r.fixed(32),
    ipv4Address: (r) => r.address4(),
  };
  for (const { codec, hex } of group.decodeErrors) {
    const r = new Reader(bytes(hex));
    codecs[codec]!(r);
    expect(r.ok).toBe(false);
  }
});
