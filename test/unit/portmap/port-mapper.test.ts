import { expect, test } from "bun:test";
import type { ProtocolName } from "../../../src/portmap/protocol.ts";
import {
  FakeRouter,
  GATEWAY,
  INTERNAL,
  MappedHost,
  natPmpAddress,
  pcpAnnouncement,
  pcpMapResponse,
  searchReply,
} from "../../support/fake-router.ts";
import { SeededRandom } from "../../support/random.ts";

const MINUTE = 60_000;
const PROTOCOLS: readonly ProtocolName[] = ["PCP", "NAT-PMP", "UPnP"];
const STRANGER = "192.168.1.66";

function mapped(...speaks: ProtocolName[]): MappedHost {
  const host = new MappedHost(new FakeRouter(...speaks));
  host.run(5_000);
  expect(host.mapping?.external).toEqual({ host: "88.99.3.86", port: 1776 });
  return host;
}

test("a router that knows all three is asked by PCP alone, and the port is open a round trip later", () => {
  const host = mapped("PCP", "NAT-PMP", "UPnP");
  expect([host.events, host.router.asked]).toEqual([["1 mapped 88.99.3.86:1776 PCP"], ["PCP 1200"]]);
});

test("one that knows an older protocol says so at once, or costs a second of silence", () => {
  expect(mapped("NAT-PMP").events).toEqual(["3 mapped 88.99.3.86:1776 NAT-PMP"]);
  expect(mapped("UPnP").events).toEqual(["2004 mapped 88.99.3.86:1776 UPnP"]);
});

test("a silent router is asked three times by each protocol within three seconds, and again after twenty minutes", () => {
  const host = new MappedHost(new FakeRouter());
  host.run(20 * MINUTE);
  const each = (from: number, to: string) => [0, 250, 750].map((after) => `${from + after} ${to}`);
  const searches = each(2_000, `${GATEWAY}:1900`).flatMap((unicast) => [
    unicast,
    unicast.replace(GATEWAY, "239.255.255.250"),
  ]);
  expect(host.sent).toEqual([...each(0, `${GATEWAY}:5351`), ...each(1_000, `${GATEWAY}:5351`), ...searches]);
  expect(host.mapper.deadline()).toBe(3_000 + 20 * MINUTE);
  host.router.speaks.add("PCP");
  host.run(21 * MINUTE);
  expect(host.events).toEqual([`${3_001 + 20 * MINUTE} mapped 88.99.3.86:1776 PCP`]);
});

test("however often the network seems to be another, a router is asked once in ten seconds", () => {
  for (const protocols of [["PCP"], []] as const) {
    const host = new MappedHost(new FakeRouter(...protocols));
    for (let second = 1; second <= 60; second++) {
      host.run(second * 1_000);
      host.do((mapper, now) => mapper.refresh(now));
    }
    const times = new Set(host.sent.map((sent) => sent.split(" ")[0]));
    expect(times.size).toBeLessThanOrEqual(protocols.length > 0 ? 7 : 5 * 9);
  }
});

test("a change of network has it asked at once", () => {
  const host = new MappedHost(new FakeRouter());
  host.run(MINUTE);
  host.router.speaks.add("NAT-PMP");
  host.do((mapper, now) => mapper.refresh(now));
  host.run(MINUTE + 10);
  expect(host.events).toEqual([`${MINUTE + 3} mapped 88.99.3.86:1776 NAT-PMP`]);
});

for (const protocol of PROTOCOLS) {
  test(`a mapping by ${protocol} is renewed at half of its time, for days, and nobody is told`, () => {
    const host = mapped(protocol);
    for (let minute = 1; minute < 3 * 24 * 60; minute++) {
      host.run(minute * MINUTE);
      expect(host.router.live(host.now)).toEqual([1776]);
    }
    expect(host.events).toHaveLength(1);
    const renewals = host.router.asked.filter((asked) => asked === "UPnP AddPortMapping" || asked.endsWith(" 1200"));
    expect(renewals).toHaveLength(3 * 24 * 6);
  });

  test(`a mapping by ${protocol} is given back, and the router has forgotten it`, () => {
    const host = mapped(protocol);
    host.do((mapper, now) => mapper.release(now));
    host.run(host.now + 10);
    expect(host.router.live(host.now)).toEqual([]);
    expect(host.events.at(-1)).toBe("5001 released");
    expect(host.mapper.deadline()).toBe(Infinity);
  });

  test(`a router that has gone silent holds nobody up who gives a mapping by ${protocol} back, beyond a second`, () => {
    const host = mapped(protocol);
    host.router.speaks.clear();
    host.do((mapper, now) => mapper.release(now));
    host.run(host.now + 1_000);
    expect(host.events.at(-1)).toMatch(/^(5001|6000) released$/);
  });

  test(`when renewals by ${protocol} get no answer it is tried ever sooner, is lost at its end, and then searched for anew`, () => {
    const host = mapped(protocol);
    const [grantedAt] = host.events[0]!.split(" ").map(Number);
    host.router.speaks.clear();
    const endsAt = grantedAt! + 20 * MINUTE;
    host.run(endsAt - 1);
    expect(host.events).toHaveLength(1);
    expect(host.sent.filter((sent) => Number(sent.split(" ")[0]) > 15 * MINUTE).length).toBeGreaterThan(10);
    host.run(endsAt);
    expect(host.events.at(-1)).toBe(`${endsAt} lost`);
    host.router.speaks.add("PCP");
    host.do((mapper, now) => mapper.refresh(now));
    host.run(endsAt + 5_000);
    expect(host.events.at(-1)).toEndWith("mapped 88.99.3.86:1776 PCP");
  });

  test(`by ${protocol} a restarted router has the mapping again with the next renewal`, () => {
    const host = mapped(protocol);
    host.router.restart(host.now);
    host.run(11 * MINUTE);
    expect(host.router.live(host.now)).toEqual([1776]);
    expect(host.events).toHaveLength(1);
  });

  test(`by ${protocol} another outside address is told with the next renewal`, () => {
    const host = mapped(protocol);
    host.router.outside = "5.9.17.33";
    host.run(11 * MINUTE);
    expect(host.events.at(-1)).toEndWith(`mapped 5.9.17.33:1776 ${protocol}`);
  });

  test(`an outside address by ${protocol} that the internet does not route is of no use, and no mapping stays`, () => {
    for (const outside of [
      "192.168.178.2",
      "100.64.0.9",
      "10.0.0.1",
      "0.0.0.0",
      "169.254.1.1",
      "203.0.113.5",
      "224.0.0.1",
    ]) {
      const router = new FakeRouter(protocol);
      router.outside = outside;
      const host = new MappedHost(router);
      host.run(10_000);
      expect([host.events, router.live(host.now)]).toEqual([[], []]);
    }
  });

  test(`in a private network a private outside address by ${protocol} is as good as any`, () => {
    const router = new FakeRouter(protocol);
    router.outside = "10.0.0.1";
    const host = new MappedHost(router, { isPublic: false });
    host.run(5_000);
    expect(host.mapping?.external.host).toBe("10.0.0.1");
  });

  test(`when our port is taken outside, ${protocol} gets another, keeps it and gives that one back`, () => {
    const router = new FakeRouter(protocol);
    router.mappings.set(1776, { nonce: null, internalPort: 9, endsAt: Infinity });
    const host = new MappedHost(router);
    host.run(25 * MINUTE);
    const { port } = host.mapping!.external;
    expect([port === 1776, host.events.length, router.live(host.now).toSorted()]).toEqual([
      false,
      1,
      [1776, port].toSorted(),
    ]);
    host.do((mapper, now) => mapper.release(now));
    host.run(host.now + 10);
    expect(router.live(host.now)).toEqual([1776]);
  });
}

test("what was asked for is taken back also when we leave before it is granted", () => {
  for (const protocol of ["PCP", "NAT-PMP"] as const) {
    const host = new MappedHost(new FakeRouter(protocol));
    host.do((mapper, now) => mapper.release(now));
    expect(host.events).toEqual(["0 released"]);
    host.run(10_000);
    expect(host.router.live(host.now)).toEqual([]);
  }
});

test("a router that grants a moment is not asked all the time", () => {
  const router = new FakeRouter("PCP");
  router.maxLifetimeS = 1;
  new MappedHost(router).run(MINUTE);
  expect(router.asked.length).toBeLessThanOrEqual(7);
});

test("a PCP answer with another's secret, or about another port, is no answer", () => {
  const said = { result: 0, lifetimeS: 9, epochS: 0, nonce: new Uint8Array(12), externalPort: 1, outside: "5.9.17.33" };
  const host = new MappedHost(new FakeRouter());
  for (const internalPort of [INTERNAL.port, 1]) {
    const answer = pcpMapResponse({ ...said, internalPort });
    host.do((mapper, now) => mapper.receive(now, { host: GATEWAY, port: 5351 }, answer));
  }
  host.run(900);
  expect([host.events, host.sent.length]).toEqual([[], 3]);
});

test("a mapping that somebody before us left, with a secret that is lost, is had by the older protocol", () => {
  const router = new FakeRouter("PCP", "NAT-PMP");
  router.mappings.set(1776, { nonce: "00", internalPort: INTERNAL.port, endsAt: 15 * MINUTE });
  const host = new MappedHost(router);
  host.run(1_000);
  expect(host.events).toEqual(["3 mapped 88.99.3.86:1776 NAT-PMP"]);
});

test("a router that announces it has restarted is asked within five seconds; one that has not, nobody asks", () => {
  for (const announce of [pcpAnnouncement, (epochS: number) => natPmpAddress("88.99.3.86", epochS)]) {
    const host = mapped("PCP");
    host.run(5 * MINUTE);
    const say = (epochS: number, from = { host: GATEWAY, port: 5351 }) =>
      host.do((mapper, now) => mapper.announced(now, from, announce(epochS)));
    say(5 * 60);
    say(0, { host: STRANGER, port: 5351 });
    say(0, { host: GATEWAY, port: 1900 });
    host.run(5 * MINUTE + 6_000);
    expect(host.router.asked).toHaveLength(1);
    host.router.restart(host.now);
    say(0);
    host.run(host.now + 5_000);
    expect([host.router.asked.length, host.router.live(host.now)]).toEqual([2, [1776]]);
  }
});

test("a router that announces another outside address is asked for the mapping there", () => {
  const host = mapped("NAT-PMP");
  host.run(5 * MINUTE);
  host.router.outside = "5.9.17.33";
  const announcement = natPmpAddress("5.9.17.33", 5 * 60);
  host.do((mapper, now) => mapper.announced(now, { host: GATEWAY, port: 5351 }, announcement));
  host.run(5 * MINUTE + 5_010);
  expect(host.events.at(-1)).toEndWith("mapped 5.9.17.33:1776 NAT-PMP");
});

test("nobody but the router is heard", () => {
  const host = new MappedHost(new FakeRouter());
  for (const port of [5351, 1900]) {
    for (const bytes of [natPmpAddress("5.9.17.33", 1), searchReply(`http://${STRANGER}/`), new Uint8Array(0)]) {
      host.do((mapper, now) => mapper.receive(now, { host: STRANGER, port }, bytes));
    }
  }
  host.run(3_000);
  expect(host.sent).toHaveLength(12);
});

test("no bytes of the router's, and no answers to what was not asked, make it throw or spin", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const host = mapped(...PROTOCOLS.slice(seed % 3));
    const bytes = random.bytes(random.below(90));
    bytes.set([random.pick([0, 2]), 0x80 + random.below(2)].slice(0, bytes.length));
    host.do((mapper, now) => mapper.receive(now, { host: GATEWAY, port: 5351 }, bytes));
    host.do((mapper, now) => mapper.announced(now, { host: GATEWAY, port: 5351 }, bytes));
    host.do((mapper, now) => mapper.responded(now, random.below(9), { status: 200, body: "<".repeat(seed) }));
    host.run(30 * MINUTE);
  }
});
