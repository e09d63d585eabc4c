/**
 * A node behind a router that gives every destination another port and lets nobody in, and real miniupnpd on it; a DHT outside.
 *
 *   ┌ home ─────────────┐   ┌ router ──────────────────────────────┐   ┌ world ───────────────────────┐
 *   │ eth0 192.168.77.2 ┼───┼ lan 192.168.77.1  NAT   wan 11.7.0.1 ┼───┼ wan 11.7.1.1, 11.7.2.1, ...  │
 *   └───────────────────┘   └──────────────────────────────────────┘   └────────────────────────────┬─┘
 *   ┌ away ─────────────┐   ┌ another router, such a NAT as well ──┐                              │
 *   │ eth0 192.168.78.2 ┼───┼ lan 192.168.78.1        wan 11.6.0.1 ┼──────────────────────────────┘
 *   └───────────────────┘   └──────────────────────────────────────┘
 *
 * The addresses are public ones, as miniupnpd maps nothing where it takes its own for a private one; they stay in the namespaces.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { formatPublicKey, parsePublicKey } from "../../src/base/public-key.ts";
import type { NodeView } from "../../src/cli/gateway-view.ts";
import { Lines } from "../bench/lines.ts";
import { HomeRouter, hasMiniupnpd, LAN, needsMiniupnpd, WAN } from "../support/home-router.ts";
import { HyperdhtProcess, hasNode, needsNode } from "../support/hyperdht-process.ts";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { type Actor, Scene } from "../support/scene.ts";
import { until } from "../support/until.ts";

const possible = isRoot && hasMiniupnpd;
const rooted = (name: string, run: () => Promise<void>) =>
  test.skipIf(!possible)(`${name}${needsRoot || needsMiniupnpd}`, run, 40_000);

const DNET = [process.execPath, join(import.meta.dir, "../../src/main.ts")];
const NODES = [process.execPath, join(import.meta.dir, "../bench/dht-nodes.ts")];
const BOOTSTRAP = "11.7.1.1:1776";
const OUTSIDE = "11.7.0.1:1776";
const MAPPING = "1776 to 192.168.77.2:1776";

let scene: Scene;
let home: Namespace;
let world: Namespace;
let away: Namespace;
let router: HomeRouter;
let dht: HyperdhtProcess;
let node: Actor | null = null;

beforeAll(async () => {
  if (!possible) return;
  scene = new Scene();
  const routing = scene.namespace();
  [home, world] = [scene.namespace(), scene.namespace()];
  const hosts = [1, 2, 3, 4, 5, 6, 9].map((i) => `11.7.${i}.1/16`);
  scene.lab.join(
    { namespace: home, name: "eth0", addresses: ["192.168.77.2/24"] },
    { namespace: routing, name: LAN, addresses: ["192.168.77.1/24"] },
  );
  scene.lab.join(
    { namespace: routing, name: WAN, addresses: ["11.7.0.1/16"] },
    { namespace: world, name: WAN, addresses: hosts },
  );
  home.run("ip", "route", "add", "default", "via", "192.168.77.1");
  router = new HomeRouter(scene, routing, "192.168.77.0/24");
  const other = scene.namespace();
  away = scene.namespace();
  scene.lab.join(
    { namespace: away, name: "eth0", addresses: ["192.168.78.2/24"] },
    { namespace: other, name: LAN, addresses: ["192.168.78.1/24"] },
  );
  scene.lab.join(
    { namespace: other, name: WAN, addresses: ["11.6.0.1/16"] },
    { namespace: world, name: "wan2", addresses: ["11.6.0.9/16"] },
  );
  away.run("ip", "route", "add", "default", "via", "192.168.78.1");
  other.run("ip", "route", "add", "default", "via", "11.6.0.9");
  routing.run("ip", "route", "add", "default", "via", "11.7.9.1");
  world.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  new HomeRouter(scene, other, "192.168.78.0/24");
  dht = await HyperdhtProcess.start({ netns: world.name, program: NODES });
  await dht.bootstrapper("first", { host: "11.7.1.1", port: 1776 });
  const bootstrap = [{ host: "11.7.1.1", port: 1776 }];
  for (const i of [2, 3, 4, 5, 6]) {
    const options = { bootstrap, host: `11.7.${i}.1`, port: 1776, ephemeral: false, firewalled: false };
    await (await dht.node(`n${i}`, options)).ready();
  }
}, 30_000);

afterEach(async () => {
  await node?.end("SIGKILL");
  await router?.stop();
  router?.reset();
});

afterAll(async () => {
  await dht?.stop();
  await scene?.close();
});

interface Event {
  readonly event: string;
  readonly at: string;
  readonly nodes?: readonly NodeView[];
}

/** `dnet gateway --json` at home, and what it has told so far. */
function startNode(...words: string[]): { actor: Actor; events: Event[]; view: () => NodeView | undefined } {
  const command = [...DNET, "gateway", "--json", "--bootstrap", BOOTSTRAP, "--port", "1776", ...words];
  const actor = scene.start(home, command, { DNET_STATE_DIR: scene.newDirectory() });
  const events: Event[] = [];
  node = actor;
  void (async () => {
    const lines = new Lines(actor.stdout);
    for (let line = await lines.next(); line !== null; line = await lines.next()) events.push(JSON.parse(line));
  })();
  return { actor, events, view: () => events.findLast(({ event }) => event === "status")?.nodes?.[0] };
}

/** Whether a stranger's datagram to the router's outside address reaches the node, and is answered. */
async function isReached(): Promise<boolean> {
  const { exitCode } = await scene.run(world, [...DNET, "dht", "ping", OUTSIDE, "--timeout", "2s"]);
  return exitCode === 0;
}

for (const { protocol, isVersion1 = false } of [
  { protocol: "PCP" },
  { protocol: "NAT-PMP" },
  { protocol: "UPnP" },
  { protocol: "UPnP", isVersion1: true },
] as const) {
  const name = `${protocol}${isVersion1 ? ", version 1," : ""}`;
  rooted(`by ${name} strangers reach a node behind a symmetric NAT, until it ends`, async () => {
    await router.start({ speaks: [protocol], isVersion1 });
    const { actor, view } = startNode();
    const mapping = { address: OUTSIDE, protocol };
    await until("it is mapped and reached", () => view()?.remoteAddress, { withinMs: 15_000 });
    expect(view()).toMatchObject({ mapping, remoteAddress: OUTSIDE, nat: "open", isPersistent: false });
    expect(router.mappings()).toEqual([MAPPING]);
    expect(await isReached()).toBe(true);
    const startedAt = performance.now();
    expect(await actor.end("SIGTERM")).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(router.mappings()).toEqual([]);
  });
}

rooted("without a mapping nobody reaches it, and a router that is told to be left alone is not asked", async () => {
  await router.start({ speaks: ["PCP", "NAT-PMP", "UPnP"] });
  const { actor, events, view } = startNode("--no-port-mapping");
  await until("it is ready", () => events.some(({ event }) => event === "ready"), { withinMs: 15_000 });
  await until("it has a status", view);
  expect(view()).toMatchObject({ mapping: null, remoteAddress: null, nat: "random" });
  expect(await isReached()).toBe(false);
  expect([router.asked(), router.mappings()]).toEqual([0, []]);
  await actor.end("SIGTERM");
});

rooted("what a node that was killed leaves behind ends by itself", async () => {
  await router.start({ speaks: ["PCP"], maxLifetimeS: 5 });
  const { actor, view } = startNode();
  await until("it is mapped", () => view()?.mapping, { withinMs: 15_000 });
  await actor.end("SIGKILL");
  expect(router.mappings()).toEqual([MAPPING]);
  await until("the lease is over", () => router.mappings().length === 0, { withinMs: 15_000, everyMs: 100 });
});

rooted(
  "a silent router costs twelve datagrams in three seconds, and delays neither the start nor the end",
  async () => {
    await router.start({ speaks: [] });
    const { actor, events } = startNode();
    await until("it is ready", () => events.some(({ event }) => event === "ready"), { withinMs: 15_000 });
    const at = (what: string) => Date.parse(events.find(({ event }) => event === what)!.at);
    expect(at("ready") - at("listening")).toBeLessThan(2_500); // the router has had no three seconds
    await until("it has given up", () => router.asked() === 12, { withinMs: 5_000 });
    const startedAt = performance.now();
    expect(await actor.end("SIGTERM")).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  },
);

rooted("a router that announces that it has restarted has the mapping again within seconds", async () => {
  await router.start({ speaks: ["PCP"], isLongUp: true });
  const { actor, view } = startNode();
  await until("it is mapped", () => view()?.mapping, { withinMs: 15_000 });
  await router.stop();
  router.reset();
  expect(router.mappings()).toEqual([]);
  await router.start({ speaks: ["PCP"] });
  router.announce();
  // Sooner than it would be asked for any other reason.
  await until("it is mapped again", () => router.mappings()[0] === MAPPING, { withinMs: 7_000, everyMs: 100 });
  expect(await isReached()).toBe(true);
  await actor.end("SIGTERM");
  expect(router.mappings()).toEqual([]);
});

/** `dnet dht listen`, and its key once it is announced. */
async function listen(namespace: Namespace): Promise<{ actor: Actor; key: string }> {
  const actor = scene.start(namespace, [...DNET, "dht", "listen", "--bootstrap", BOOTSTRAP]);
  node = actor;
  const key = () => /connect (\w{52})/.exec(actor.stderr())?.[1];
  return { actor, key: await until("it listens", key, { withinMs: 15_000 }) };
}

/** Whether `dnet dht connect` gets there. */
async function connects(namespace: Namespace, key: string): Promise<string> {
  const { exitCode, stderr } = await scene.run(namespace, [...DNET, "dht", "connect", key, "--bootstrap", BOOTSTRAP]);
  return exitCode === 0 ? "connected" : stderr;
}

rooted("a server behind a symmetric NAT with a mapping is connected to from behind another without", async () => {
  await router.start({ speaks: ["PCP"] });
  const { key } = await listen(home);
  await until("it is mapped", () => router.mappings().length === 1);
  expect(await connects(away, key)).toBe("connected");
});

rooted("a client behind a symmetric NAT with a mapping connects to a server behind another without", async () => {
  await router.start({ speaks: ["PCP"] });
  const { key } = await listen(away);
  const caller = [process.execPath, join(import.meta.dir, "../support/mapped-caller.ts"), BOOTSTRAP, key];
  expect(await scene.run(home, caller)).toEqual({ exitCode: 0, stdout: "open\n", stderr: "" });
});

rooted("without a mapping neither connects to the other, and they are told why", async () => {
  await router.start({ speaks: [] });
  const { key } = await listen(away);
  expect(await connects(home, key)).toContain("HOLEPUNCH_DOUBLE_RANDOMIZED_NATS");
});

test.skipIf(!possible || !hasNode)(
  `a hyperdht connects to a server behind a symmetric NAT with a mapping${needsRoot || needsMiniupnpd || needsNode}`,
  async () => {
    await router.start({ speaks: ["NAT-PMP"] });
    const { actor, key } = await listen(home);
    await until("it is mapped", () => router.mappings().length === 1);
    await using theirs = await HyperdhtProcess.start({ netns: world.name });
    const bootstrap = [{ host: "11.7.1.1", port: 1776 }];
    const caller = await theirs.node("caller", { bootstrap, host: "11.7.9.1" });
    await caller.ready();
    const { remotePublicKey, remote } = await caller.connect("stream", parsePublicKey(key)!.toHex());
    expect([formatPublicKey(Uint8Array.fromHex(remotePublicKey)), remote.host]).toEqual([key, "11.7.0.1"]);
    expect(actor.isAlive()).toBe(true);
  },
  40_000,
);
