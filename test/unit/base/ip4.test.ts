import { expect, test } from "bun:test";
import { parseIp } from "../../../src/base/ip.ts";
import { addressKey, ip4Number, prefix24 } from "../../../src/base/ip4.ts";
import { SeededRandom } from "../../support/random.ts";

test("a dotted address is its 32 bits", () => {
  expect(["0.0.0.0", "0.0.0.1", "1.2.3.4", "255.255.255.255"].map(ip4Number)).toEqual([0, 1, 0x01020304, 2 ** 32 - 1]);
});

test("what is not a dotted address has no number", () => {
  const others = [
    "",
    ".",
    "...",
    "1.2.3",
    "1.2.3.",
    ".1.2.3",
    "1..2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "1.2.3.4 ",
    "a.b.c.d",
  ];
  const odd = [
    "01.2.3.4",
    "00.0.0.0",
    "1.2.3.1e1",
    "-1.2.3.4",
    "::",
    "::1",
    "::ffff:1.2.3.4",
    "1.2.3.4:5",
    "99999.1.1.1",
  ];
  for (const host of [...others, ...odd]) expect([host, ip4Number(host)]).toEqual([host, -1]);
});

test("an address has a number exactly when it is one", () => {
  const random = new SeededRandom(1);
  const part = () => random.pick([`${random.below(300)}`, "0", "00", "", "255", "1x", `${random.below(10)}`]);
  for (let round = 0; round < 5_000; round++) {
    const host = Array.from({ length: random.pick([4, 4, 4, 3, 5]) }, part).join(".");
    const bytes = parseIp(host);
    const number = bytes ? bytes.reduce((value, byte) => value * 256 + byte, 0) : -1;
    expect([host, ip4Number(host)]).toEqual([host, number]);
  }
});

test("each address and port has a number of its own, exact, and negative when the host is not IPv4", () => {
  const random = new SeededRandom(2);
  for (let round = 0; round < 1_000; round++) {
    const [bytes, port] = [random.bytes(4), random.below(65_536)];
    const key = addressKey({ host: bytes.join("."), port });
    const expected = BigInt(`0x${bytes.toHex()}`) * 65_536n + BigInt(port);
    expect([BigInt(key), Number.isSafeInteger(key)]).toEqual([expected, true]);
  }
  for (const port of [0, 1, 65_535]) expect(addressKey({ host: "::1", port })).toBeLessThan(0);
});

test("hosts of one /24 have its number in common, and no others", () => {
  expect(prefix24("192.0.2.1")).toBe(prefix24("192.0.2.254"));
  expect(prefix24("192.0.2.1")).not.toBe(prefix24("192.0.3.1"));
  expect(prefix24("255.255.255.255")).toBe(0xffffff);
});
