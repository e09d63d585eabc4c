import { expect, test } from "bun:test";
import { Internet } from "../../sim/internet/internet.ts";
import { LINUX, RANDOM, RFC_4787 } from "../../sim/internet/nat-behaviour.ts";
import { TraceHash } from "../../sim/internet/trace-hash.ts";
import { End } from "./end.ts";

test("between the parts of a partition nothing passes, nor what was on its way; who is in none reaches all", () => {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat({ filtering: "endpoint-independent" });
  const [a, b, outsider] = [internet.addHost(), internet.addHost(), internet.addHost()].map((host) => new End(host, 7));
  const inside = new End(internet.addHost({ behind: nat }), 7);
  const [all, run] = [[a!, b!, outsider!, inside], () => internet.runFor(500)];
  inside.say(a!.address);
  run();
  const addresses = [a!.address, b!.address, outsider!.address, a!.lastFrom()];
  const talk = () => {
    for (const end of all) for (const to of addresses) end.say(to);
  };
  const counts = () => all.map((end) => end.heard.splice(0).length);
  counts();

  talk();
  internet.partition([[a!.host], [b!.host, nat]]);
  run();
  expect(counts()).toEqual([2, 3, 4, 3]);
  expect(internet.carrier.dropped).toEqual({ partitioned: 4 });

  const late = new End(internet.addHost({ behind: nat }), 8); // stands in its NAT's part
  late.say(a!.address);
  late.say(b!.address);
  run();
  expect(counts()).toEqual([0, 1, 0, 0]);

  internet.heal();
  talk();
  run();
  expect(counts()).toEqual([4, 4, 4, 4]);
});

test("a partition divides a site too", () => {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat();
  const [a, b] = [new End(internet.addHost({ behind: nat })), new End(internet.addHost({ behind: nat }))];
  internet.partition([[a.host], [b.host]]);
  a.say(b.address);
  internet.runFor(500);
  expect(b.heard).toEqual([]);
});

test("what a partition keeps out does not keep a mapping alive", () => {
  const internet = new Internet({ seed: 1 });
  const nat = internet.addNat(LINUX);
  const [a, x] = [new End(internet.addHost({ behind: nat })), new End(internet.addHost())];
  a.say(x.address);
  internet.runFor(20_000);
  internet.partition([[x.host], [nat]]);
  x.say(x.lastFrom());
  internet.runFor(LINUX.expiryMs - 20_000);
  expect(nat.mappings).toBe(0);
});

/** A minute in which everything goes wrong that can. */
function stormyMinute(seed: number) {
  const internet = new Internet({ seed, loss: 0.05, duplication: 0.02, reordering: 0.05 });
  const hash = new TraceHash();
  internet.carrier.observer = hash.observe;
  const { random } = internet;
  const cgn = internet.addNat({
    ...LINUX,
    inside: "100.64.0.0/10",
    addresses: 2,
    pooling: "arbitrary",
    maxMappings: 30,
  });
  const nats = [cgn, internet.addNat({ behind: cgn }), internet.addNat(RANDOM), internet.addNat(RFC_4787)];
  const places = [...nats, undefined, undefined];
  const ends = Array.from({ length: 40 }, () => {
    const behind = random.pick(places);
    return new End(internet.addHost(behind ? { behind } : {}));
  });
  const act = () => {
    const [end, other] = [random.pick(ends), random.pick(ends)];
    const disturb = [
      () => end.host.sleep(random.between(0, 2000)),
      () => end.host.move(random.pick(places)),
      () => {
        end.host.offline();
        internet.after(random.between(0, 3000), () => end.host.online());
      },
      () => random.pick(nats).reboot(),
      () => random.pick(nats).renumber(),
      () => {
        internet.partition([ends.slice(0, 10).map(({ host }) => host), [cgn]]);
        internet.after(random.between(0, 3000), () => internet.heal());
      },
    ];
    if (random.chance(0.02)) random.pick(disturb)();
    end.say(other.heard.length > 0 && random.chance(0.8) ? other.lastFrom() : other.address, "x", random.pick([5, 64]));
    if (internet.now < 60_000) internet.after(random.between(0, 20), act);
  };
  act();
  internet.runFor(70_000);
  return { digest: hash.digest, carrier: internet.carrier };
}

test("the same seed leaves the same trace, another seed another", () => {
  const digests = [1, 2, 3].map((seed) => stormyMinute(seed).digest);
  expect([1, 2, 3].map((seed) => stormyMinute(seed).digest)).toEqual(digests);
  expect(new Set(digests).size).toBe(3);
});

test.each([4, 5, 6])(
  "seed %d: every datagram and every copy ends once, delivered or dropped for one reason",
  (seed) => {
    const { carrier } = stormyMinute(seed);
    const dropped = Object.values(carrier.dropped).reduce((sum, count) => sum + count);
    expect(carrier.delivered).toBeGreaterThan(1000);
    expect(carrier.delivered + dropped).toBe(carrier.sent + carrier.duplicated);
    expect(Object.keys(carrier.dropped).length).toBeGreaterThan(9);
  },
);

test("public addresses are public, and no two hosts share one", () => {
  const internet = new Internet({ seed: 1 });
  const hosts = Array.from({ length: 5000 }, () => internet.addHost());
  const addresses = hosts.map(({ address }) => address);
  expect(new Set(addresses).size).toBe(5000);
  const special =
    /^(0|10|127|22[4-9]|2[3-5]\d)\.|^192\.168\.|^169\.254\.|^172\.(1[6-9]|2\d|3[01])\.|^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./;
  expect(addresses.filter((address) => special.test(address))).toEqual([]);
});
