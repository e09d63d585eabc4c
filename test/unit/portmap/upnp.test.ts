import { expect, test } from "bun:test";
import { FakeRouter, GATEWAY, MappedHost } from "../../support/fake-router.ts";

const service = (type: string, controlUrl: string) =>
  `<service><serviceType>urn:schemas-upnp-org:service:${type}</serviceType><controlURL>${controlUrl}</controlURL></service>`;

/** Of a host whose router speaks UPnP alone, and is set up so. */
function host(setUp: (router: FakeRouter) => void): MappedHost {
  const router = new FakeRouter("UPnP");
  setUp(router);
  const mappedHost = new MappedHost(router);
  mappedHost.run(10_000);
  return mappedHost;
}

test("the outside address is asked for before anything is changed at the router", () => {
  const { router } = host((fresh) => void fresh);
  expect(new Set(router.asked)).toEqual(new Set(["UPnP search", "UPnP GetExternalIPAddress", "UPnP AddPortMapping"]));
  expect(router.asked.slice(-2)).toEqual(["UPnP GetExternalIPAddress", "UPnP AddPortMapping"]);
  const inside = host((fresh) => {
    fresh.outside = "192.168.178.20";
  });
  expect(inside.router.asked.at(-1)).toBe("UPnP GetExternalIPAddress");
});

test("a router with mappings that last for ever gets one, which is given back", () => {
  const mappedHost = host((router) => {
    router.onlyPermanent = true;
  });
  expect([...mappedHost.router.mappings.values()]).toEqual([{ nonce: null, internalPort: 1776, endsAt: Infinity }]);
  mappedHost.run(60 * 60_000);
  expect(mappedHost.events).toHaveLength(1);
  mappedHost.do((mapper, now) => mapper.release(now));
  mappedHost.run(mappedHost.now + 10);
  expect([mappedHost.router.mappings.size, mappedHost.events.at(-1)]).toEqual([0, `${mappedHost.now - 9} released`]);
});

test("when three other ports are taken as well nothing more is tried", () => {
  const { router, events } = host((fresh) => {
    for (let port = 1; port < 65_536; port++)
      fresh.mappings.set(port, { nonce: null, internalPort: 9, endsAt: Infinity });
  });
  expect(events).toEqual([]);
  expect(router.asked.filter((asked) => asked.endsWith("AddPortMapping"))).toHaveLength(4);
});

test("of several connections the first that has a public address is used", () => {
  class TwoConnections extends FakeRouter {
    override http(...[now, request]: Parameters<FakeRouter["http"]>) {
      const isDown = request.url.endsWith("/down");
      if (isDown) this.asked.push("down");
      return isDown ? { status: 500, body: "" } : super.http(now, request);
    }
  }
  const router = new TwoConnections("UPnP");
  router.extraServices = service("WANIPConnection:1", "/down");
  const mappedHost = new MappedHost(router);
  mappedHost.run(10_000);
  expect(router.asked.filter((asked) => asked === "down")).toHaveLength(1);
  expect(mappedHost.events).toHaveLength(1);
});

test("a control URL at another host is never asked", () => {
  const { sent, router, events } = host((fresh) => {
    fresh.extraServices =
      service("WANIPConnection:2", "http://192.168.1.66/control") +
      service("WANIPConnection:2", "https://evil.example/");
  });
  expect(events).toHaveLength(1);
  expect(sent.filter((each) => each.endsWith("POST"))).toHaveLength(2); // both to the router's own
  expect(router.asked.at(-1)).toBe("UPnP AddPortMapping");
});

test("a router that is found elsewhere after a restart is looked for again", () => {
  const mappedHost = host((fresh) => void fresh);
  mappedHost.router.speaks.clear();
  mappedHost.run(11 * 60_000);
  mappedHost.router.speaks.add("UPnP");
  mappedHost.router.restart(mappedHost.now);
  mappedHost.run(19 * 60_000);
  expect([mappedHost.router.live(mappedHost.now), mappedHost.events.length]).toEqual([[1776], 1]);
  expect(mappedHost.sent.filter((each) => each.endsWith(`${GATEWAY}:1900`)).length).toBeGreaterThan(1);
});

test("a mapping that lasts for ever is given back also when the last renewal had no answer", () => {
  const mappedHost = host((router) => {
    router.onlyPermanent = true;
  });
  mappedHost.router.speaks.clear();
  mappedHost.run(11 * 60_000);
  mappedHost.router.speaks.add("UPnP");
  mappedHost.do((mapper, now) => mapper.release(now));
  mappedHost.run(mappedHost.now + 10);
  expect(mappedHost.router.mappings.size).toBe(0);
});
