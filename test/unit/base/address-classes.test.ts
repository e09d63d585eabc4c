import { expect, test } from "bun:test";
import type { Address } from "../../../src/base/address.ts";
import {
  isBogon,
  isGlobalIp6,
  isPrivateAddress,
  isReservedAddress,
  matchAddress,
} from "../../../src/base/address-classes.ts";
import { vectors } from "../../support/vectors.ts";

const at = (host: string, port = 1): Address => ({ host, port });

test("classes are the reference's", () => {
  type Row = { ip: string; private: boolean; reserved: boolean; bogon: boolean };
  for (const row of vectors<Row[]>("addressClasses")) {
    const { ip } = row;
    const ours = { ip, private: isPrivateAddress(ip), reserved: isReservedAddress(ip), bogon: isBogon(ip) };
    expect(ours).toEqual(row);
  }
});

test("of IPv6 what begins with the bits 001 is global, and nothing else", () => {
  for (const host of ["2000::", "2001:db8::1", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]) {
    expect([host, isGlobalIp6(host)]).toEqual([host, true]);
  }
  const others = [
    "1fff::1",
    "4000::",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "fe80::1",
    "fd00::1",
    "ff02::1",
  ];
  for (const host of [...others, "8.8.8.8", "", "2001:db8::1%eth0"]) {
    expect([host, isGlobalIp6(host)]).toEqual([host, false]);
  }
});

test("each range ends where it is said to", () => {
  const edges: [inside: string, outside: string][] = [
    ["10.255.255.255", "11.0.0.0"],
    ["100.127.255.255", "100.128.0.0"],
    ["169.254.255.255", "169.255.0.0"],
    ["172.16.0.0", "172.15.255.255"],
    ["192.168.255.255", "192.169.0.0"],
    ["0.255.255.255", "1.0.0.0"],
    ["192.0.2.255", "192.0.3.0"],
    ["192.0.0.255", "192.0.1.0"],
    ["198.19.255.255", "198.20.0.0"],
    ["198.18.0.0", "198.17.255.255"],
    ["224.0.0.0", "223.255.255.255"],
  ];
  for (const [inside, outside] of edges) expect([isBogon(inside), isBogon(outside)]).toEqual([true, false]);
});

test("what is not IPv4 is in no class", () => {
  for (const host of ["", "::1", "fd00::1", "10.0.0", "10.0.0.0.1", "010.0.0.1", "example.test"]) {
    expect([isPrivateAddress(host), isReservedAddress(host), isBogon(host)]).toEqual([false, false, false]);
  }
});

test("matches are the reference's", () => {
  type Row = { mine: Address[]; theirs: Address[]; result: Address | null };
  for (const { mine, theirs, result } of vectors<Row[]>("matchAddress")) {
    expect(matchAddress(mine, theirs)).toEqual(result);
  }
});

test("the closest match wins, the first of equals, whichever of our addresses it is close to", () => {
  const mine = [at("10.1.2.3"), at("192.168.7.9")];
  expect(matchAddress(mine, [at("10.9.9.9", 1), at("192.168.1.1", 2)])).toEqual(at("192.168.1.1", 2));
  expect(matchAddress(mine, [at("192.168.1.1", 1), at("10.1.9.9", 2)])).toEqual(at("10.1.9.9", 2));
  expect(matchAddress(mine, [at("192.168.7.1", 1), at("10.1.2.9", 2)])).toEqual(at("10.1.2.9", 2));
  expect(matchAddress(mine, [at("10.9.9.1", 1), at("10.9.9.2", 2)])).toEqual(at("10.9.9.1", 1));
  expect(matchAddress(mine, [at("110.1.2.3")])).toBeNull();
  expect(matchAddress([], [at("10.1.2.3")])).toBeNull();
});
