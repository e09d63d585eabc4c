/**
 * dnet with the real wireguard-go as the other end:
 *
 *   ┌ left ────────────────┐     ┌ router ──────────┐     ┌ right ───────────────┐
 *   │ dnet0 10.7.0.1       │     │                  │     │ wireguard-go 10.7.0.2│
 *   │       fd07::1        │     │                  │     │              fd07::2 │
 *   │ ve0   10.8.1.2     ──┼─────┼── ve1      ve2 ──┼─────┼── ve0 10.8.2.2       │
 *   │       fd08:1::2      │     │                  │     │       fd08:2::2      │
 *   └──────────────────────┘     └──────────────────┘     └──────────────────────┘
 *
 * Keys are replaced after two minutes. The pairs that are to show it have such namespaces of their own, begin first and are
 * looked at last, so that the other tests take none of their own time.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type LongPing, startLongPing } from "../support/long-ping.ts";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { Scene } from "../support/scene.ts";
import { ping, pingUntilAnswered, transfer } from "../support/traffic.ts";
import { ensureBuilt, newSecret, TunnelProcess } from "../support/tunnel-process.ts";
import {
  inner4,
  inner6,
  type PairOptions,
  pairTexts,
  routedEnds,
  TUNNEL_PORT,
  underlay4,
  underlay6,
} from "../support/underlay.ts";
import { until } from "../support/until.ts";
import { hasWireGuard, needsWireGuard, WireGuardGo } from "../support/wireguard-go.ts";

const possible = isRoot && hasWireGuard;
const rooted = (name: string, run: () => Promise<void>, timeoutMs = 60_000) =>
  test.skipIf(!possible)(`${name}${needsRoot || needsWireGuard}`, run, timeoutMs);
const MEGABYTE = 1_000_000;

let scene: Scene;
let left: Namespace;
let right: Namespace;
let dnet: TunnelProcess | null = null;
let stock: WireGuardGo | null = null;

beforeAll(async () => {
  if (!possible) return;
  ensureBuilt();
  scene = new Scene();
  [left, right] = routedEnds(scene, 2).ends as [Namespace, Namespace];
  for (const lasting of LASTING) await lasting.begin();
}, 30_000);

afterEach(async () => {
  await Promise.all([dnet?.isAlive && dnet.kill(), stock?.end()]);
  [dnet, stock] = [null, null];
});

afterAll(() => scene?.close());

/** Who begins is who knows where the other is. */
function texts(initiator: "dnet" | "stock", options: PairOptions = {}) {
  const { over = 4 } = options;
  const left = over === 4 ? `${underlay4(1)}:${TUNNEL_PORT}` : `[${underlay6(1)}]:${TUNNEL_PORT}`;
  const endpoints = initiator === "dnet" ? {} : { leftPeer: { endpoint: "" }, rightPeer: { endpoint: left } };
  return pairTexts({ suite: "wireguard", ...endpoints, ...options });
}

async function bringUp(initiator: "dnet" | "stock", options?: PairOptions): Promise<[TunnelProcess, WireGuardGo]> {
  const text = texts(initiator, options);
  stock = await WireGuardGo.up(scene, right, text.right);
  dnet = await TunnelProcess.up(scene, left, text.left);
  return [dnet, stock];
}

/** The first ping of the one that begins has to wait for the handshake; the rest not even for that. */
async function bothWays(initiator: "dnet" | "stock"): Promise<void> {
  const ways = [
    [left, 2],
    [right, 1],
  ] as const;
  for (const [from, end] of initiator === "dnet" ? ways : ways.toReversed()) {
    for (const address of [inner4(end), inner6(end)]) expect((await ping(scene, from, address)).answered).toBe(3);
  }
}

for (const initiator of ["dnet", "stock"] as const) {
  for (const over of [4, 6] as const) {
    const role = initiator === "dnet" ? "initiator" : "responder";
    rooted(`dnet as ${role} over IPv${over} carries ping and TCP of both versions, both ways (EV-50)`, async () => {
      const [a] = await bringUp(initiator, { over, presharedKey: true });
      await bothWays(initiator);
      for (const [from, to, end] of [
        [left, right, 2],
        [right, left, 1],
      ] as const) {
        for (const address of [inner4(end), inner6(end)]) {
          const { sent, received } = await transfer(from, to, address, 10 * MEGABYTE);
          expect(received).toEqual(sent);
        }
      }
      expect(await a.peer()).toMatchObject({ presharedKey: true, drops: {} });
    });
  }

  rooted(`another pre-shared key makes no session (${initiator} begins)`, async () => {
    const [a, b] = await bringUp(initiator, { presharedKey: true, rightPeer: keyed(initiator) });
    const [from, to] = initiator === "dnet" ? [left, inner4(2)] : [right, inner4(1)];
    expect((await ping(scene, from, to, { options: ["-W", "0.3"] })).answered).toBe(0);
    expect((await a.peer()).latestHandshakeSecondsAgo).toBeNull();
    expect(b.latestHandshake()).toBe(0);
  });
}

/** Another pre-shared key, and the endpoint of the one that begins. */
function keyed(initiator: "dnet" | "stock") {
  const endpoint = initiator === "stock" ? { endpoint: `${underlay4(1)}:${TUNNEL_PORT}` } : {};
  return { presharedKey: newSecret(), ...endpoint };
}

rooted("a stream outlives a restart of dnet", async () => {
  const [a] = await bringUp("dnet");
  const stream = transfer(left, right, inner4(2), 100 * MEGABYTE);
  await until("it is under way", async () => (await a.peer()).sentBytes > 10 * MEGABYTE);
  await a.kill();
  await a.up();
  const { sent, received } = await stream;
  expect(received).toEqual(sent);
});

rooted("a stream outlives a restart of wireguard-go", async () => {
  const [a, b] = await bringUp("stock");
  await pingUntilAnswered(scene, right, inner4(1));
  const stream = transfer(right, left, inner4(1), 100 * MEGABYTE);
  await until("it is under way", async () => (await a.peer()).receivedBytes > 10 * MEGABYTE);
  await b.end();
  await b.up();
  const { sent, received } = await stream;
  expect(received).toEqual(sent);
});

rooted("dnet notices within 20 s that a restarted wireguard-go knows its session no more", async () => {
  const [, b] = await bringUp("dnet");
  await pingUntilAnswered(scene, left, inner4(2));
  await b.end();
  await b.up();
  expect(b.latestHandshake()).toBe(0);
  await pingUntilAnswered(scene, left, inner4(2), { withinMs: 20_000 });
});

rooted("a stream goes on while wireguard-go forgets the peer and shakes hands anew", async () => {
  const [a, b] = await bringUp("stock");
  await pingUntilAnswered(scene, right, inner4(1));
  const stream = transfer(right, left, inner4(1), 200 * MEGABYTE);
  for (let part = 1; part <= 3; part++) {
    await until("a part of it", async () => (await a.peer()).receivedBytes > part * 20 * MEGABYTE);
    b.forgetPeers();
    await until("a new session", () => b.latestHandshake() > 0);
  }
  const { sent, received } = await stream;
  expect(received).toEqual(sent);
});

rooted("either end may move to another address, and the other follows", async () => {
  const [a, b] = await bringUp("dnet");
  await bothWays("dnet");
  move(right, 2, "10.8.2.77");
  b.wg("set", b.name, "listen-port", "51821"); // wireguard-go goes on sending from the old address until its sockets are new
  await pingUntilAnswered(scene, right, inner4(1));
  expect((await a.peer()).endpoint).toBe("10.8.2.77:51821");
  await bothWays("dnet");

  move(left, 1, "10.8.1.77");
  await pingUntilAnswered(scene, left, inner4(2));
  expect(b.endpoint()).toBe(`10.8.1.77:${TUNNEL_PORT}`);
  await bothWays("dnet");
  move(right, 2, underlay4(2));
  move(left, 1, underlay4(1));
});

/** Gives an end another address in its network, and only that. */
function move(namespace: Namespace, end: number, address: string): void {
  namespace.run("ip", "-4", "address", "flush", "dev", "ve0");
  namespace.run("ip", "address", "add", `${address}/24`, "dev", "ve0");
  namespace.run("ip", "route", "add", "default", "via", `10.8.${end}.1`);
}

/** A pair that lasts beyond the life of a session's keys, pinged all the time. */
class Lasting {
  #dnet!: TunnelProcess;
  #ping!: LongPing;
  #begunAt = 0;

  constructor(
    readonly name: string,
    readonly initiator: "dnet" | "stock",
    readonly other: "dnet" | "stock",
  ) {}

  async begin(): Promise<void> {
    const [left, right] = routedEnds(scene, 2).ends as [Namespace, Namespace];
    const text = texts(this.initiator, { suite: this.other === "dnet" ? "dnet" : "wireguard" });
    await (this.other === "dnet" ? TunnelProcess : WireGuardGo).up(scene, right, text.right);
    this.#dnet = await TunnelProcess.up(scene, left, text.left);
    const [from, to] = this.initiator === "dnet" ? [left, inner4(2)] : [right, inner4(1)];
    await pingUntilAnswered(scene, from, to);
    this.#begunAt = performance.now();
    this.#ping = startLongPing(scene, from, to);
  }

  /** Waits for new keys, then sees whether any ping got lost. */
  async conclude(): Promise<void> {
    const age = () => (performance.now() - this.#begunAt) / 1000;
    const isRenewed = async () => {
      const { latestHandshakeSecondsAgo: ago } = await this.#dnet.peer();
      return ago !== null && ago + 100 < age();
    };
    await until("new keys", isRenewed, { withinMs: 135_000 - age() * 1000, everyMs: 500 });
    expect(age()).toBeGreaterThan(115);
    const { sent, answered } = await this.#ping.end();
    expect(sent).toBeGreaterThan(500);
    expect(answered).toBe(sent);
    expect((await this.#dnet.peer()).drops).toEqual({});
  }
}

const LASTING = [
  new Lasting("dnet replaces its keys with wireguard-go after two minutes, and no packet is lost", "dnet", "stock"),
  new Lasting("wireguard-go replaces its keys with dnet after two minutes, and no packet is lost", "stock", "stock"),
  new Lasting("dnet replaces its keys with dnet after two minutes, and no packet is lost", "dnet", "dnet"),
];

for (const lasting of LASTING) rooted(lasting.name, () => lasting.conclude(), 150_000);
