import { expect, test } from "bun:test";
import { formatPrefix, network, type Prefix, parseIp, parsePrefix } from "../../../src/base/ip.ts";
import { AllowedAddresses } from "../../../src/tunnel/allowed-addresses.ts";
import { SeededRandom } from "../../support/random.ts";

const prefix = (text: string) => parsePrefix(text)!;
const lookup = (table: AllowedAddresses, ip: string) => lookupBytes(table, parseIp(ip)!);

function lookupBytes(table: AllowedAddresses, bytes: Uint8Array): number {
  return bytes.length === 4 ? table.lookup4(Buffer.from(bytes).readUInt32BE(0)) : table.lookup6(bytes, 0);
}

test("the longest prefix decides, in each family by itself", () => {
  const table = new AllowedAddresses();
  table.insert(prefix("0.0.0.0/0"), 1);
  table.insert(prefix("10.0.0.0/8"), 2);
  table.insert(prefix("10.1.2.3/32"), 3);
  table.insert(prefix("200.1.0.0/16"), 4);
  table.insert(prefix("fd00::/8"), 5);
  table.insert(prefix("fd00::1/128"), 6);
  const found = ["9.9.9.9", "10.9.9.9", "10.1.2.3", "200.1.255.1", "fd00::2", "fd00::1", "2001:db8::1"];
  expect(found.map((ip) => lookup(table, ip))).toEqual([1, 2, 3, 4, 5, 6, -1]);
});

test("an empty table knows nobody", () => {
  const table = new AllowedAddresses();
  expect([lookup(table, "10.0.0.1"), lookup(table, "::1")]).toEqual([-1, -1]);
});

test("a prefix given to another peer moves, and the bits beyond its length do not count", () => {
  const table = new AllowedAddresses();
  table.insert(prefix("10.0.0.1/24"), 1);
  table.insert(prefix("10.0.0.2/24"), 2);
  expect(lookup(table, "10.0.0.1")).toBe(2);
});

test("a removed peer's packets go to whoever has the next shorter prefix", () => {
  const table = new AllowedAddresses();
  table.insert(prefix("10.0.0.0/8"), 1);
  table.insert(prefix("10.0.0.0/24"), 2);
  table.insert(prefix("fd00::/64"), 2);
  table.removePeer(2);
  expect([lookup(table, "10.0.0.1"), lookup(table, "fd00::1")]).toEqual([1, -1]);
});

test("an IPv6 address is read at its offset", () => {
  const table = new AllowedAddresses();
  table.insert(prefix("fd00::1/128"), 1);
  const packet = Buffer.concat([new Uint8Array(24), parseIp("fd00::1")!]);
  expect([table.lookup6(packet, 24), table.lookup6(packet, 8)]).toEqual([1, -1]);
});

test("it agrees with a plain list, through insertions and removals", () => {
  for (let seed = 0; seed < 15; seed++) {
    const random = new SeededRandom(seed);
    const table = new AllowedAddresses();
    let plain: { prefix: Prefix; peer: number }[] = [];
    for (let step = 0; step < 150; step++) {
      const peer = random.below(8);
      if (random.chance(0.05)) {
        table.removePeer(peer);
        plain = plain.filter((entry) => entry.peer !== peer);
      } else {
        const inserted = randomPrefix(random);
        table.insert(inserted, peer);
        plain = plain.filter((entry) => formatPrefix(entry.prefix) !== formatPrefix(inserted));
        plain.push({ prefix: inserted, peer });
      }
      for (let i = 0; i < 8; i++) {
        const { bytes } = random.chance(0.7) && plain.length > 0 ? random.pick(plain).prefix : randomPrefix(random);
        const address = random.chance(0.5) ? bytes : bytes.with(random.below(bytes.length), random.below(256));
        if (lookupBytes(table, address) !== plainLookup(plain, address))
          throw new Error(`seed ${seed} step ${step}: ${address}`);
      }
    }
  }
});

test("a hundred thousand prefixes are found among each other", () => {
  const table = new AllowedAddresses();
  for (let i = 0; i < 100_000; i++) {
    table.insert({ bytes: Uint8Array.of(10, i >> 16, i >> 8, i), bits: 32 }, i % 1000);
  }
  for (let i = 0; i < 100_000; i += 7) expect(table.lookup4(0x0a000000 + i)).toBe(i % 1000);
  table.removePeer(7);
  expect([table.lookup4(0x0a000007), table.lookup4(0x0a000008)]).toEqual([-1, 8]);
});

/** Few distinct bytes, so that prefixes nest and collide. */
function randomPrefix(random: SeededRandom): Prefix {
  const length = random.pick([4, 16]);
  const bytes = Uint8Array.from({ length }, () => random.pick([0, 1, 0x80, 0xff]));
  return network({ bytes, bits: random.below(8 * length + 1) });
}

function plainLookup(plain: { prefix: Prefix; peer: number }[], address: Uint8Array): number {
  const holds = ({ prefix: { bytes, bits } }: { prefix: Prefix }) =>
    bytes.length === address.length &&
    formatPrefix(network({ bytes: address, bits })) === formatPrefix({ bytes, bits });
  return plain.filter(holds).sort((a, b) => b.prefix.bits - a.prefix.bits)[0]?.peer ?? -1;
}
