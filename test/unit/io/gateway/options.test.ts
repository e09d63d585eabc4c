import { expect, test } from "bun:test";
import { Gateway } from "../../../../src/index.ts";
import { checkOptions, type GatewayOptions, parseBootstrap } from "../../../../src/io/gateway/options.ts";

const check = (options: GatewayOptions) => checkOptions(options, null, 0);
/** What a refusal says; the option's type may be as wrong as its value. */
const refusal = (options: { readonly [name: string]: unknown }) => {
  try {
    check(options);
  } catch (error) {
    const { code, message, failure } = error as { code: string; message: string; failure: string };
    return { code, message, failure };
  }
  return null;
};

test("OM-01 a bootstrap entry is an address, a name, either with an address to try before, or a port of this machine", () => {
  expect(parseBootstrap("127.0.0.1:1776")).toEqual({ host: "127.0.0.1", port: 1776, suggested: null });
  expect(parseBootstrap("node.example.org:49737")).toMatchObject({ host: "node.example.org", port: 49_737 });
  expect(parseBootstrap("192.0.2.1@node.example.org:80")).toMatchObject({ suggested: "192.0.2.1", port: 80 });
  expect(parseBootstrap({ host: "192.0.2.1", port: 80 })).toEqual({ host: "192.0.2.1", port: 80, suggested: null });
  expect(parseBootstrap(1776)).toEqual({ host: "127.0.0.1", port: 1776, suggested: null });
});

test("OM-01 OM-36 a malformed bootstrap entry is refused, and quoted", () => {
  const malformed = ["", "127.0.0.1", ":1776", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http"];
  const wrongHosts = ["256.0.0.1:80", "1.2.3:80", "a b:80", "-a.example:80", "a..example:80", "[::1]:80", "::1:80"];
  const wrongSuggestions = ["@a.example:80", "1.2.3@a.example:80", "a.example@b.example:80"];
  for (const entry of [...malformed, ...wrongHosts, ...wrongSuggestions]) {
    const found = refusal({ bootstrap: ["127.0.0.1:1776", entry] });
    expect(found).toMatchObject({ code: "BAD_OPTION", failure: "configuration" });
    expect(found!.message).toStartWith(`bootstrap is ${entry}; expected HOST:PORT`);
  }
  for (const entry of [{ host: "127.0.0.1" }, { port: 80 }, { host: "127.0.0.1", port: 0 }, null, 0, 65_536, 1.5]) {
    const shown = typeof entry === "number" ? { host: "127.0.0.1", port: entry } : entry;
    expect(refusal({ bootstrap: [entry] })!.message).toContain(JSON.stringify(shown));
  }
});

test("OM-44 without a list the public network's is taken; it may be empty, and then nobody is asked", () => {
  const names = check({}).node.bootstrap.map(({ suggested, host, port }) => `${suggested}@${host}:${port}`);
  expect(names).toEqual([...Gateway.BOOTSTRAP]);
  expect(names).toHaveLength(3);
  expect(check({ bootstrap: [] }).node.bootstrap).toEqual([]);
});

test("OM-45 what dht-rpc and hyperdht take is taken, and reaches the node", () => {
  const filterNode = () => false;
  const { host, ports, keyPair, node } = check({
    ...{ bootstrap: ["127.0.0.1:1"], nodes: [{ host: "127.0.0.2", port: 2 }], host: "127.0.0.3", port: [7, 9] },
    ...{ seed: new Uint8Array(32), ephemeral: true, firewalled: false, quickFirewall: false, concurrency: 3 },
    ...{ maxWindow: 5, maxPingDelay: 100, sendDownHints: false, downHintsRateLimit: -1, stableTicks: 2 },
    ...{ maxSize: 10, maxAge: 60_000, filterNode },
  });
  expect([host, ports]).toEqual(["127.0.0.3", [7, 8, 0]]);
  expect(keyPair).toEqual(Gateway.keyPair(new Uint8Array(32)));
  expect(node).toMatchObject({
    ...{ nodes: [{ host: "127.0.0.2", port: 2 }], isEphemeral: true, isFirewalled: false, quickFirewall: false },
    ...{ concurrency: 3, maxWindow: 5, maxPingDelayMs: 100, sendDownHints: false, downHintsPerTick: -1 },
    ...{ stableTicks: 2, maxSize: 10, maxAgeMs: 60_000 },
  });
  expect(node.admits({ host: "192.0.2.1", port: 1 })).toBe(false);
});

test("OM-45 what is left out is as hyperdht has it", () => {
  const { host, node } = check({ bootstrap: [] });
  expect(host).toBe("0.0.0.0");
  expect(node).toMatchObject({
    ...{ isEphemeral: null, isFirewalled: true, quickFirewall: true, concurrency: 10, maxWindow: 80 },
    ...{ maxPingDelayMs: 10_000, sendDownHints: true, downHintsPerTick: 50, stableTicks: 240 },
  });
  expect(check({ bootstrap: [], adaptive: false }).node.isEphemeral).toBe(true);
  expect(check({ bootstrap: [], adaptive: false, ephemeral: false }).node.isEphemeral).toBe(false);
});

test("the router is asked for a mapping where the network may be the public one, unless told otherwise", () => {
  const maps = (options: GatewayOptions) => check(options).mapsPort;
  expect(maps({})).toBe(true);
  for (const entry of ["88.99.3.86:1776", "node.example.org:1776"]) {
    expect(maps({ bootstrap: ["10.0.0.1:1776", entry] })).toBe(true);
    expect(maps({ bootstrap: [entry], portMapping: false })).toBe(false);
    expect(maps({ bootstrap: [entry], firewalled: false })).toBe(false);
  }
  for (const entry of ["127.0.0.1:1776", "192.168.1.1:1776", "192.0.2.1:1776"]) {
    expect(maps({ bootstrap: [entry] })).toBe(false);
    expect(maps({ bootstrap: [entry], hardened: true })).toBe(false);
    expect(maps({ bootstrap: [entry], portMapping: true })).toBe(true);
  }
  expect(maps({ bootstrap: [] })).toBe(false);
});

test("OM-36 OM-45 an unknown option is named", () => {
  expect(refusal({ bootstrp: [] })).toMatchObject({
    ...{ code: "UNKNOWN_OPTION", message: 'a gateway has no option "bootstrp"', failure: "configuration" },
  });
});

test("OM-36 OM-45 an option of a wrong kind or beyond its bounds is refused, with its value and what was expected", () => {
  const wrong: readonly (readonly [name: string, value: unknown, expected: string])[] = [
    ["ephemeral", "yes", "a boolean"],
    ["filterNode", true, "a function"],
    ["seed", new Uint8Array(31), "32 bytes"],
    ["concurrency", 0, "an integer from 1 to 1000"],
    ["concurrency", 1.5, "an integer"],
    ["maxWindow", Number.NaN, "an integer"],
    ["maxPingDelay", -1, "an integer from 0"],
    ["downHintsRateLimit", -2, "an integer from -1"],
    ["host", "localhost", "an IPv4 address"],
    ["host", "::", "an IPv4 address"],
    ["port", -1, "a port from 0 to 65535"],
    ["port", 65_536, "a port"],
    ["port", "1776", "a port"],
    ["port", [9, 9], "a port"],
    ["nodes", [{ host: "127.0.0.1", port: 0 }], "{ host, port }"],
  ];
  for (const [name, value, expected] of wrong) {
    const found = refusal({ bootstrap: [], [name]: value });
    expect(found).toMatchObject({ code: "BAD_OPTION" });
    expect(found!.message).toStartWith(`${name} is `);
    expect(found!.message).toContain(`expected ${expected}`);
  }
});

test("a secret seed is never shown", () => {
  expect(refusal({ bootstrap: [], seed: "my secret" })!.message).not.toContain("my secret");
});

test("OM-29 the port is 1776 or one of the next four, or what is said, or any", () => {
  const ports = (options: GatewayOptions) => check({ bootstrap: [], ...options }).ports;
  expect(ports({})).toEqual([1776, 1777, 1778, 1779, 1780, 0]);
  expect(ports({ port: 49_737 })).toEqual([49_737, 49_738, 49_739, 49_740, 49_741, 0]);
  expect(ports({ port: 65_534 })).toEqual([65_534, 65_535, 0]);
  expect(ports({ port: 49_737, anyPort: false })).toEqual([49_737]);
  expect(ports({ port: [10, 12] })).toEqual([10, 11, 0]);
  expect(ports({ port: 0 })).toEqual([0]);
});

test("a node hardens itself when someone on the internet is among those it asks, and when it is told to", () => {
  const isPublic = (options: GatewayOptions) => check(options).node.isPublic;
  expect(isPublic({})).toBe(true);
  expect(isPublic({ bootstrap: ["192.168.0.1:1", "5.1.0.1:1"] })).toBe(true);
  expect(isPublic({ bootstrap: ["a.example:1"] })).toBe(true);
  expect(isPublic({ bootstrap: [] })).toBe(false);
  expect(isPublic({ bootstrap: ["127.0.0.1:1", "10.0.0.1:1", "192.168.0.1:1"] })).toBe(false);
  expect(isPublic({ bootstrap: ["127.0.0.1:1"], hardened: true })).toBe(true);
  expect(isPublic({ hardened: false })).toBe(false);
  expect(checkOptions({ bootstrap: [] }, { host: "5.1.0.1", port: 1 }, 0).node.isPublic).toBe(true);
});

test("nodes of the public network that are known not to work are neither asked nor kept", () => {
  const { admits } = check({ bootstrap: [] }).node;
  expect(admits({ host: "134.209.28.98", port: 49_738 })).toBe(false);
  expect(admits({ host: "134.209.28.98", port: 49_737 })).toBe(true);
  expect(admits({ host: "150.136.142.116", port: 1 })).toBe(false);
});
