import { expect, test } from "bun:test";
import { formatIp, formatPrefix, parseIp } from "../../../../src/base/ip.ts";
import {
  defaultRange4,
  freeIp4s,
  isInRange,
  memberIp6,
  parseRange4,
  ula48,
} from "../../../../src/overlay/dnetdb/addresses.ts";
import { SeededRandom } from "../../../support/random.ts";

const DNET = new Uint8Array(32).fill(7);
const ip = (text: string) => parseIp(text)!;

test("a dnet's IPv6 addresses are unique local ones, a member's follows from its key, and both are always the same", () => {
  expect(formatPrefix(ula48(DNET))).toBe("fd25:11:4c64::/48");
  const address = memberIp6(DNET, new Uint8Array(32).fill(9));
  expect(formatIp(address)).toBe("fd25:11:4c64:6b2e:1e59:11c7:f9fa:84c8");
  expect(isInRange(DNET, null, address)).toBe(true);
  expect(isInRange(new Uint8Array(32).fill(8), null, address)).toBe(false);
  const random = new SeededRandom(1);
  const all = Array.from({ length: 1_000 }, () => memberIp6(DNET, random.bytes(32)).toHex());
  expect(new Set(all).size).toBe(1_000);
});

test("DN-20 a dnet has a range of private addresses by default, and any from /8 to /30 of private or shared space that its owner likes", () => {
  expect(formatPrefix(defaultRange4(DNET))).toBe("10.7.0.0/16");
  const good = ["10.0.0.0/8", "172.16.0.0/12", "192.168.1.0/24", "100.64.0.0/10", "10.1.2.4/30"];
  for (const text of good) expect(formatPrefix(parseRange4(text)!)).toBe(text);
  expect(formatPrefix(parseRange4("10.7.3.9/16")!)).toBe("10.7.0.0/16");
  const bad = [
    "10.0.0.0/7",
    "10.1.2.4/31",
    "10.1.2.4",
    "172.16.0.0/11",
    "192.0.2.0/24",
    "127.0.0.0/8",
    "fd00::/48",
    "8.0.0.0/8",
    "x",
  ];
  for (const text of bad) expect(parseRange4(text)).toBeNull();
});

test("in range is neither the network's own address nor its broadcast, nor anything beyond", () => {
  const range = parseRange4("10.1.2.4/30")!;
  const inside = ["10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.6", "10.1.2.7", "10.1.2.8"].filter((text) =>
    isInRange(DNET, range, ip(text)),
  );
  expect(inside).toEqual(["10.1.2.5", "10.1.2.6"]);
  expect(isInRange(DNET, null, ip("10.1.2.5"))).toBe(false);
  expect(isInRange(DNET, range, ip("::ffff:10.1.2.5"))).toBe(false);
  expect(isInRange(DNET, parseRange4("192.168.0.0/16"), ip("192.168.255.254"))).toBe(true);
});

test("DN-20 free addresses come lowest first, and those that are taken do not", () => {
  const taken = new Set(["10.1.2.1", "10.1.2.3"]);
  const free = freeIp4s(parseRange4("10.1.2.0/29")!, (each) => taken.has(formatIp(each)));
  expect([...free].map(formatIp)).toEqual(["10.1.2.2", "10.1.2.4", "10.1.2.5", "10.1.2.6"]);
});
