/**
 * A DHT of one's own: nodes of both kinds on one cable, and another cable that leads to the rest of the world.
 *
 *   ┌ left ───────────────┐   ┌ right ──────────────┐
 *   │ ve0 192.0.2.1/24    ┼───┼ ve0 192.0.2.2/24    │      the network
 *   │ out 198.51.100.1/24 │   │ out 198.51.100.5/24 │      default routes
 *   └──────────┬──────────┘   └──────────┬──────────┘
 *   ┌ world ───┴─────────────────────────┴──────────┐
 *   │ counts what comes                             │
 *   └───────────────────────────────────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { HyperdhtProcess } from "../support/hyperdht-process.ts";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { Scene } from "../support/scene.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 30_000);
const DNET = [process.execPath, join(import.meta.dir, "../bench/dht-nodes.ts")];

let scene: Scene;
let ends: readonly Namespace[];

beforeAll(() => {
  if (!isRoot) return;
  scene = new Scene();
  const [left, right, world] = [scene.namespace(), scene.namespace(), scene.namespace()];
  ends = [left, right];
  const addresses = ["198.51.100.1/24", "198.51.100.5/24"];
  for (const [i, namespace] of ends.entries()) {
    scene.lab.join(
      { namespace, name: "out", addresses: [addresses[i]!] },
      { namespace: world, name: `w${i}`, addresses: [] },
    );
    namespace.run("ip", "route", "add", "default", "dev", "out");
  }
  const cable = ends.map((namespace, i) => ({ namespace, name: "ve0", addresses: [`192.0.2.${i + 1}/24`] }));
  scene.lab.join(cable[0]!, cable[1]!);
  // Only then: it looks for neighbours of its own accord.
  for (const end of [left, right, world]) end.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1");
}, 20_000);

afterAll(() => scene?.close());

const sentOutside = () => ends.map((end) => Number(end.run("cat", "/sys/class/net/out/statistics/tx_packets")));

rooted("OM-05 nodes that are told of each other form a DHT, and not one packet leaves their network", async () => {
  const before = sentOutside();
  await using ours = await HyperdhtProcess.start({ netns: ends[0]!.name, program: DNET });
  await using theirs = await HyperdhtProcess.start({ netns: ends[1]!.name });
  const first = await ours.bootstrapper("first", { host: "192.0.2.1", port: 1776 });
  const bootstrap = [{ host: "192.0.2.1", port: (await first.info()).serverPort! }];
  const options = { bootstrap, ephemeral: false, firewalled: false };
  for (const name of ["a", "b", "c"]) {
    await (await ours.node(name, { ...options, host: "192.0.2.1" })).ready();
    await (await theirs.node(name, { ...options, host: "192.0.2.2" })).ready();
  }
  const asker = await theirs.node("asker", { bootstrap, host: "192.0.2.2", ephemeral: true });
  const [topic, seed] = ["07".repeat(32), "08".repeat(32)];
  await asker.announce(topic, seed);
  const { replies } = await asker.lookup(topic);
  expect(replies.length).toBeGreaterThanOrEqual(7);
  expect(sentOutside()).toEqual(before);
});
