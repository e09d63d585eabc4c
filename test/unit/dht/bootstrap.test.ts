import { expect, test } from "bun:test";
import { Bootstrap, type BootstrapNode } from "../../../src/dht/bootstrap.ts";

const byAddress: BootstrapNode = { host: "192.0.2.1", port: 1776, suggested: null };
const byName: BootstrapNode = { host: "node1.example", port: 49737, suggested: null };
const withHint: BootstrapNode = { ...byName, host: "node2.example", suggested: "192.0.2.9" };

function bootstrap(...nodes: BootstrapNode[]) {
  const asked: string[] = [];
  return { asked, bootstrap: new Bootstrap(nodes, (host) => void asked.push(host)) };
}

test("a node by address is known at once, and nobody is asked", () => {
  const { asked, bootstrap: known } = bootstrap(byAddress);
  expect(known.addresses(0)).toEqual([{ host: "192.0.2.1", port: 1776 }]);
  known.failed(0, byAddress);
  expect([asked, known.isResolving, known.size]).toEqual([[], false, 1]);
});

test("OM-43 a name is resolved when it is needed, and awaited", () => {
  const { asked, bootstrap: known } = bootstrap(byName, byAddress);
  expect([asked, known.isResolving]).toEqual([[], false]);
  expect(known.addresses(0)).toEqual([{ host: "192.0.2.1", port: 1776 }]);
  expect([asked, known.isResolving]).toEqual([["node1.example"], true]);
  known.resolved("node1.example", "192.0.2.7");
  expect(known.isResolving).toBe(false);
  expect(known.addresses(1)).toEqual([
    { host: "192.0.2.7", port: 49737 },
    { host: "192.0.2.1", port: 1776 },
  ]);
  expect(asked).toHaveLength(1);
});

test("a name that cannot be resolved is asked for again, but not within ten seconds", () => {
  const { asked, bootstrap: known } = bootstrap(byName);
  for (const [now, times] of [
    [0, 1],
    [9_999, 1],
    [10_000, 2],
  ] as const) {
    expect(known.addresses(now)).toEqual([]);
    expect(asked).toHaveLength(times);
    known.resolved("node1.example", null);
    expect(known.isResolving).toBe(false);
  }
});

test("a name is not asked for twice at the same time, however long the answer takes", () => {
  const { asked, bootstrap: known } = bootstrap(byName);
  known.addresses(0);
  known.addresses(3_600_000);
  expect(asked).toHaveLength(1);
});

test("a suggested address is used at once; when it fails its name is resolved, and until then it stays", () => {
  const { asked, bootstrap: known } = bootstrap(withHint);
  expect(known.addresses(0)).toEqual([{ host: "192.0.2.9", port: 49737 }]);
  expect(asked).toEqual([]);
  known.failed(1, { host: "192.0.2.9", port: 1 }); // not this one
  expect(asked).toEqual([]);
  known.failed(2, { host: "192.0.2.9", port: 49737 });
  expect([asked, known.isResolving]).toEqual([["node2.example"], false]);
  expect(known.addresses(3)).toEqual([{ host: "192.0.2.9", port: 49737 }]);
  known.resolved("node2.example", "192.0.2.10");
  expect(known.addresses(4)).toEqual([{ host: "192.0.2.10", port: 49737 }]);
});

test("OM-43 an address that a name had is resolved anew whenever it fails", () => {
  const { asked, bootstrap: known } = bootstrap(byName);
  known.addresses(0);
  known.resolved("node1.example", "192.0.2.7");
  known.failed(5_000, { host: "192.0.2.7", port: 49737 });
  expect(asked).toHaveLength(1); // it was asked for less than ten seconds ago
  known.failed(10_000, { host: "192.0.2.7", port: 49737 });
  expect(asked).toHaveLength(2);
  known.resolved("node1.example", null);
  expect(known.addresses(10_001)).toEqual([{ host: "192.0.2.7", port: 49737 }]);
  known.failed(20_000, { host: "192.0.2.7", port: 49737 });
  known.resolved("node1.example", "192.0.2.8");
  expect(known.addresses(20_001)).toEqual([{ host: "192.0.2.8", port: 49737 }]);
});

test("two entries of one name with different ports are both resolved by one answer", () => {
  const { bootstrap: known } = bootstrap(byName, { ...byName, port: 1 });
  known.addresses(0);
  known.resolved("node1.example", "192.0.2.7");
  expect(known.addresses(0).map(({ port }) => port)).toEqual([49737, 1]);
  known.resolved("elsewhere.example", "192.0.2.99");
  expect(known.addresses(0).map(({ host }) => host)).toEqual(["192.0.2.7", "192.0.2.7"]);
});
