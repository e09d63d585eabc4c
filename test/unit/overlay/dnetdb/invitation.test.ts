import { expect, test } from "bun:test";
import { formatInvitation, type Invitation, parseInvitation } from "../../../../src/overlay/dnetdb/invitation.ts";
import { SeededRandom } from "../../../support/random.ts";

function anyInvitation(random: SeededRandom): Invitation {
  const hosts = ["cloud.example.org:1776", "192.0.2.1:1", "[2001:db8::1]:65535"];
  return {
    dnet: random.bytes(32),
    transaction: random.bytes(32),
    seed: random.bytes(32),
    networkKey: random.chance(0.5) ? { epoch: random.below(2 ** 32), key: random.bytes(32) } : null,
    clouds: Array.from({ length: random.below(9) }, () => ({ address: random.pick(hosts), key: random.bytes(32) })),
  };
}

test("DN-26 an invitation is one word of letters and digits, and comes back from it", () => {
  const random = new SeededRandom(1);
  for (let i = 0; i < 200; i++) {
    const invitation = anyInvitation(random);
    const text = formatInvitation(invitation);
    expect(text).toMatch(/^dnet1:[a-z0-9]+$/);
    expect(parseInvitation(text)).toEqual(invitation);
    expect(parseInvitation(` ${text}\n`)).toEqual(invitation);
  }
});

test("a typo, a part, another version, and any bytes at all are no invitation, and never thrown at", () => {
  const random = new SeededRandom(2);
  const text = formatInvitation(anyInvitation(random));
  for (let at = 0; at < text.length; at++) {
    expect(parseInvitation(text.slice(0, at))).toBeNull();
    const other = text[at] === "y" ? "b" : "y";
    expect(parseInvitation(text.slice(0, at) + other + text.slice(at + 1))).toBeNull();
  }
  for (const other of [
    "",
    "dnet1:",
    text.toUpperCase(),
    text.replace("dnet1", "dnet2"),
    text + text,
    "x".repeat(1 << 20),
  ]) {
    expect(parseInvitation(other)).toBeNull();
  }
});

test("what a cloud is not is refused though its checksum is right: no address, more than eight", () => {
  const random = new SeededRandom(3);
  const invitation = { ...anyInvitation(random), clouds: [] };
  const cloud = { address: "nowhere", key: random.bytes(32) };
  expect(parseInvitation(formatInvitation({ ...invitation, clouds: [cloud] }))).toBeNull();
  const nine = Array.from({ length: 9 }, () => ({ ...cloud, address: "a.example:1" }));
  expect(parseInvitation(formatInvitation({ ...invitation, clouds: nine }))).toBeNull();
});
