/**
 * One interface with several peers, and what each may send:
 *
 *   ┌ hub ───────────────┐     ┌ router ─────┐     ┌ spoke 2 ───────────┐
 *   │ dnet0 10.7.0.1     │     │             │     │ dnet0 10.7.0.2     │
 *   │ ve0   10.8.1.2   ──┼─────┼── ve1  ve2 ─┼─────┼── ve0 10.8.2.2     │
 *   └────────────────────┘     │             │     └────────────────────┘
 *                              │             │     ┌ spoke 3 ───────────┐
 *                              │        ve3 ─┼─────┼── ve0 10.8.3.2     │
 *                              └─────────────┘     │ dnet0 10.7.0.3     │
 *                                                  └────────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { Scene } from "../support/scene.ts";
import { ping, pingUntilAnswered, transfer } from "../support/traffic.ts";
import { ensureBuilt, newKeyPair, type PeerText, TunnelProcess } from "../support/tunnel-process.ts";
import { inner4, inner6, routedEnds, TUNNEL_PORT, underlay4 } from "../support/underlay.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const MEGABYTE = 1_000_000;
const HUB = 1;
const SPOKES = [2, 3] as const;
/** For a ping that nobody will answer. */
const BRIEFLY = { count: 3, options: ["-W", "0.3"] };

let scene: Scene;
let namespaces: readonly Namespace[];
let hub: TunnelProcess;
let spokes: TunnelProcess[];

const inside = (end: number) => namespaces[end - 1]!;

beforeAll(async () => {
  if (!isRoot) return;
  ensureBuilt();
  scene = new Scene();
  namespaces = routedEnds(scene, 3).ends;
  const keys = [HUB, ...SPOKES].map(() => newKeyPair());
  const peer = (end: number, allowed: readonly string[]): PeerText => ({
    publicKey: keys[end - 1]!.publicKey,
    endpoint: `${underlay4(end)}:${TUNNEL_PORT}`,
    suite: end === 3 ? "wireguard" : "dnet",
    allowed,
  });
  const up = (end: number, peers: readonly PeerText[]) =>
    TunnelProcess.up(scene, inside(end), {
      privateKey: keys[end - 1]!.privateKey,
      listenPort: TUNNEL_PORT,
      addresses: [`${inner4(end)}/24`, `${inner6(end)}/64`],
      peers,
    });
  const own = (end: number) => [`${inner4(end)}/32`, `${inner6(end)}/128`];
  hub = await up(
    HUB,
    SPOKES.map((end) => peer(end, own(end))),
  );
  // A spoke reaches the other through the hub, in the suite that the hub speaks with it.
  const everyone = ["10.7.0.0/24", "fd07::/64"];
  spokes = await Promise.all(
    SPOKES.map((end) => up(end, [{ ...peer(HUB, everyone), suite: end === 3 ? "wireguard" : "dnet" }])),
  );
  inside(HUB).run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
}, 30_000);

afterAll(() => scene?.close());

rooted("two peers of different suites share an interface, and one's traffic is not the other's", async () => {
  const streams = SPOKES.map((end) => transfer(inside(HUB), inside(end), inner4(end), 10 * MEGABYTE));
  for (const { sent, received } of await Promise.all(streams)) expect(received).toEqual(sent);
  const { peers } = await hub.show();
  for (const { sentBytes } of peers) {
    expect(sentBytes).toBeGreaterThan(10 * MEGABYTE);
    expect(sentBytes).toBeLessThan(12 * MEGABYTE);
  }
});

rooted("peers reach each other through the one that both have, where it forwards", async () => {
  for (const address of [inner4(3), inner6(3)]) expect((await ping(scene, inside(2), address)).answered).toBe(3);
  const { sent, received } = await transfer(inside(2), inside(3), inner6(3), 10 * MEGABYTE);
  expect(received).toEqual(sent);
});

rooted("one peer's restart leaves the other's session and counters as they were (NU-12)", async () => {
  const before = (await hub.peer(1)).receivedBytes;
  await spokes[0]!.kill();
  await spokes[0]!.up();
  await pingUntilAnswered(scene, inside(2), inner4(1));
  expect(await hub.peer(1)).toMatchObject({ receivedBytes: before });
  expect((await ping(scene, inside(HUB), inner4(3))).answered).toBe(3);
});

rooted("a source address that is not the sender's is dropped and counted (EV-55)", async () => {
  for (const [end, stolen] of [
    [2, inner4(3)],
    [2, inner6(3)],
    [3, "10.7.0.77"],
    [3, "fd99::1"],
  ] as const) {
    const before = (await hub.peer(end - 2)).drops["sourceNotAllowed"] ?? 0;
    inside(end).run("ip", "address", "add", stolen, "dev", "lo", ...(stolen.includes(":") ? ["nodad"] : []));
    const target = stolen.includes(":") ? inner6(HUB) : inner4(HUB);
    const options = [...BRIEFLY.options, "-I", stolen];
    expect((await ping(scene, inside(end), target, { ...BRIEFLY, options })).answered).toBe(0);
    expect((await hub.peer(end - 2)).drops["sourceNotAllowed"]).toBe(before + 3);
    inside(end).run("ip", "address", "delete", stolen, "dev", "lo");
  }
});

rooted("a destination that no peer has is dropped and counted, and our own is looped back (NU-33)", async () => {
  const before = (await hub.show()).counters["noRoute"] ?? 0;
  inside(HUB).run("ip", "route", "add", "10.99.0.0/16", "dev", "dnet0");
  expect((await ping(scene, inside(HUB), "10.99.0.1", BRIEFLY)).answered).toBe(0);
  expect((await hub.show()).counters["noRoute"]).toBeGreaterThanOrEqual(before + 3);
  expect((await ping(scene, inside(HUB), inner4(HUB))).answered).toBe(3);
});
