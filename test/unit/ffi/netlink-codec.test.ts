import { expect, test } from "bun:test";
import * as codec from "../../../ffi/netlink-codec.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s+/g, ""), "hex"));

test("requests have the kernel's bytes", () => {
  expect(hex(codec.encodeMessage(codec.RTM_DELLINK, 5, 7, codec.encodeLink({ index: 3 })))).toBe(
    hex(bytes("20000000 1100 0500 07000000 00000000  00000000 03000000 00000000 00000000")),
  );
  expect(hex(codec.encodeLink({ index: 3, up: true, mtu: 1420 }, "dn"))).toBe(
    hex(bytes("00000000 03000000 01000000 01000000  0700 0300 646e0000  0800 0400 8c050000")),
  );
  expect(hex(codec.encodeAddress(5, { bytes: Uint8Array.of(10, 1, 2, 3), bits: 24 }))).toBe(
    hex(bytes("02 18 00 00 05000000  0800 0200 0a010203  0800 0100 0a010203")),
  );
  const fd00 = `fd00${"00".repeat(13)}01`;
  expect(hex(codec.encodeAddress(5, { bytes: bytes(fd00), bits: 64 }))).toBe(
    hex(bytes(`0a 40 02 00 05000000  1400 0200 ${fd00}  1400 0100 ${fd00}  0800 0800 02000000`)),
  );
  expect(hex(codec.encodeRoute({ bytes: Uint8Array.of(10, 2, 0, 0), bits: 16, index: 5, metric: 9 }, "add"))).toBe(
    hex(bytes("02 10 00 00 fe 04 fd 01 00000000  0800 0100 0a020000  0800 0400 05000000  0800 0600 09000000")),
  );
  expect(hex(codec.encodeRoute({ bytes: new Uint8Array(4), bits: 0, index: 5 }, "remove"))).toBe(
    hex(bytes("02 00 00 00 fe 00 ff 00 00000000  0800 0400 05000000")),
  );
});

const LINK = `0000 feff 05000000 91100100 00000000
  0a00 0300 646e657430000000  0800 0400 8c050000  0800 2900 30f20000  0c00 1280 0800 0100 74756e00`;
const ROUTE = `02 18 00 00 fe 04 00 01 00000000
  0800 0f00 fe000000  0800 0100 0a020000  0c00 0880 0800 0200 14050000  0800 0500 0a000001  0800 0400 05000000`;
const MULTIPATH = "02 00 00 00 fe 04 00 01 00000000 1400 0900  1000 0000 05000000  0800 0500 0a000001";
const ADDRESS = "02 18 80 00 05000000  0800 0100 0a090909  0800 0200 0a010203";

test("answers are read with what they leave out", () => {
  expect(codec.decodeLink(bytes(LINK))).toEqual({
    index: 5,
    name: "dnet0",
    flags: 0x11091,
    mtu: 1420,
    kind: "tun",
    gsoMaxSize: 62_000,
  });
  expect(codec.decodeLink(bytes(LINK).subarray(0, 16))).toMatchObject({ name: "", mtu: 0, kind: "", gsoMaxSize: null });
  expect(codec.decodeAddress(bytes(ADDRESS))).toEqual({ index: 5, bytes: Uint8Array.of(10, 1, 2, 3), bits: 24 });
  expect(codec.decodeRoute(bytes(ROUTE))).toEqual({
    bytes: Uint8Array.of(10, 2, 0, 0),
    bits: 24,
    ifindex: 5,
    gateway: Uint8Array.of(10, 0, 0, 1),
    metric: 0,
    table: 254,
    type: 1,
    prefSrc: null,
    mtu: 1_300,
  });
  expect(codec.decodeRoute(bytes(MULTIPATH))).toMatchObject({
    ifindex: 5,
    gateway: Uint8Array.of(10, 0, 0, 1),
    bits: 0,
  });
});

test("an address of the wrong length for its family is none", () => {
  expect(codec.decodeAddress(bytes("0a 40 80 00 05000000  0800 0100 0a010203"))).toBeNull();
  expect(codec.decodeRoute(bytes("07 18 00 00 fe 04 00 01 00000000"))).toBeNull();
});

test("messages are read up to the first that does not fit", () => {
  const whole = "14000000 0300 0000 07000000 00000000 00000000";
  const messages = codec.decodeMessages(bytes(`${whole} ${whole} 15000000 0300 0000 07000000 00000000 00000000`));
  expect(messages.map(({ type, sequence, body }) => [type, sequence, body.length])).toEqual([
    [codec.NLMSG_DONE, 7, 4],
    [codec.NLMSG_DONE, 7, 4],
  ]);
  expect(codec.decodeMessages(bytes("0f000000 0300 0000 07000000 00000000"))).toEqual([]);
  expect(codec.decodeErrno(bytes("efffffff"))).toBe(17);
  expect(codec.decodeErrno(new Uint8Array(3))).toBe(0);
});

test("no truncation and no flipped byte of an answer makes a reader throw or hang", () => {
  const readers = [codec.decodeLink, codec.decodeAddress, codec.decodeRoute, codec.decodeMessages, codec.decodeErrno];
  for (const text of [LINK, ROUTE, MULTIPATH, ADDRESS]) {
    const answer = bytes(text);
    for (let end = 0; end <= answer.length; end++) for (const read of readers) read(answer.subarray(0, end));
    for (let at = 0; at < answer.length; at++) {
      for (const value of [0, 1, 3, 0x7f, 0xff]) {
        const broken = answer.slice();
        broken[at] = value;
        for (const read of readers) read(broken);
      }
    }
  }
});
