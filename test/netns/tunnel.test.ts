/**
 * Two dnets and what crosses between them. Each test makes its own tunnels over one underlay:
 *
 *   ┌ left ────────────────┐     ┌ router ──────────┐     ┌ right ───────────────┐
 *   │ dnet0 10.7.0.1       │     │                  │     │ dnet0 10.7.0.2       │
 *   │       fd07::1        │     │                  │     │       fd07::2        │
 *   │ ve0   10.8.1.2     ──┼─────┼── ve1      ve2 ──┼─────┼── ve0 10.8.2.2       │
 *   │       fd08:1::2      │     │                  │     │       fd08:2::2      │
 *   └──────────────────────┘     └──────────────────┘     └──────────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { TunnelView } from "../../src/io/tunnel-view.ts";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { Scene } from "../support/scene.ts";
import { echoSizes, ping, transfer } from "../support/traffic.ts";
import { ensureBuilt, newSecret, TunnelProcess } from "../support/tunnel-process.ts";
import { inner4, inner6, type PairOptions, pairTexts, routedEnds } from "../support/underlay.ts";
import { until } from "../support/until.ts";
import { withoutLibcrypto } from "../support/without-libcrypto.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const MEGABYTE = 1_000_000;
/** For a ping that nobody will answer. */
const BRIEFLY = { options: ["-W", "0.3"] };

let scene: Scene;
let left: Namespace;
let right: Namespace;

beforeAll(() => {
  if (!isRoot) return;
  ensureBuilt();
  scene = new Scene();
  [left, right] = routedEnds(scene, 2).ends as [Namespace, Namespace];
}, 20_000);

afterAll(() => scene?.close());

/** Runs `act` with both ends up, and takes them down. */
async function withPair(
  options: PairOptions,
  act: (a: TunnelProcess, b: TunnelProcess) => Promise<void>,
): Promise<void> {
  const texts = pairTexts(options);
  const b = await TunnelProcess.up(scene, right, texts.right);
  const a = await TunnelProcess.up(scene, left, texts.left);
  try {
    await act(a, b);
  } finally {
    await Promise.all([a.kill(), b.kill()]);
  }
}

/** A new interface's IPv6 sends to multicast groups, which no peer has. */
function withoutChatter({ noRoute: _, ...counters }: TunnelView["counters"]): TunnelView["counters"] {
  return counters;
}

const bothAddresses = (end: number) => [inner4(end), inner6(end)];

for (const suite of ["dnet", "wireguard"] as const) {
  for (const over of [4, 6] as const) {
    rooted(
      `suite ${suite} over IPv${over} carries ping and TCP of both versions, both ways (EV-50, CD-08)`,
      async () => {
        await withPair({ suite, over, presharedKey: true }, async (a, b) => {
          for (const address of bothAddresses(2)) expect((await ping(scene, left, address)).answered).toBe(3);
          for (const address of bothAddresses(1)) expect((await ping(scene, right, address)).answered).toBe(3);
          for (const [from, to, end] of [
            [left, right, 2],
            [right, left, 1],
          ] as const) {
            for (const address of bothAddresses(end)) {
              const { sent, received } = await transfer(from, to, address, 5 * MEGABYTE);
              expect(received).toEqual(sent);
            }
          }
          for (const end of [a, b]) {
            const view = await end.show();
            expect(withoutChatter(view.counters)).toEqual({});
            expect(view.peers[0]).toMatchObject({ presharedKey: true, drops: {}, suite });
          }
        });
      },
    );
  }

  rooted(`suite ${suite} carries datagrams of every size from 0 to 2,000 bytes, and up to 65,507`, async () => {
    const sizes = [...Array.from({ length: 2_001 }, (_, size) => size), 4_096, 9_000, 16_385, 40_000, 65_507];
    await withPair({ suite }, async (a, b) => {
      for (const address of bothAddresses(2)) expect(await echoSizes(left, right, address, sizes)).toEqual([]);
      for (const end of [a, b]) expect((await end.peer()).drops).toEqual({});
    });
  });

  rooted(`suite ${suite} makes no session with another pre-shared key`, async () => {
    const options = { suite, presharedKey: true, rightPeer: { presharedKey: newSecret() } };
    await withPair(options, async (a, b) => {
      expect((await ping(scene, left, inner4(2), BRIEFLY)).answered).toBe(0);
      const view = await a.show();
      expect(view.counters["badDecrypt"]).toBeGreaterThan(0);
      expect(view.peers[0]).toMatchObject({ latestHandshakeSecondsAgo: null, receivedBytes: 0 });
      expect(await b.peer()).toMatchObject({ latestHandshakeSecondsAgo: null, receivedBytes: 0 });
    });
  });
}

rooted("200 MB cross each way, by super-packets once the path has shown itself clean", async () => {
  await withPair({}, async (a, b) => {
    for (const [from, to, end, sender] of [
      [left, right, 2, a],
      [right, left, 1, b],
    ] as const) {
      const { sent, received } = await transfer(from, to, inner4(end), 200 * MEGABYTE);
      expect(received).toEqual(sent);
      expect(await sender.peer()).toMatchObject({ superPackets: true });
    }
    for (const end of [a, b]) expect((await end.peer()).drops).toEqual({});
  });
});

rooted("a machine without libcrypto talks to one that has it, in both suites", async () => {
  for (const suite of ["dnet", "wireguard"] as const) {
    const texts = pairTexts({ suite });
    const b = await TunnelProcess.up(scene, right, texts.right);
    const a = new TunnelProcess(scene, left, texts.left);
    a.wrap = withoutLibcrypto;
    await a.up();
    const { features } = await a.show();
    expect(features).toMatchObject({ "aes-256-gcm": "node:crypto", "chacha20-poly1305": "noble" });
    const there = await transfer(left, right, inner4(2), 2 * MEGABYTE);
    const back = await transfer(right, left, inner6(1), 2 * MEGABYTE);
    expect([there.received, back.received]).toEqual([there.sent, back.sent]);
    await Promise.all([a.kill(), b.kill()]);
  }
});

rooted("the two ends of different suites make no session, and say why", async () => {
  await withPair({ leftPeer: { suite: "wireguard" } }, async (_a, b) => {
    expect((await ping(scene, left, inner4(2), BRIEFLY)).answered).toBe(0);
    expect(withoutChatter((await b.show()).counters)).toEqual({ wrongSuite: 1 });
  });
});

rooted("an idle tunnel with a persistent keepalive makes its session by itself", async () => {
  await withPair({ leftPeer: { keepaliveSeconds: 25 } }, async (a, b) => {
    for (const end of [a, b]) {
      await until("a session", async () => (await end.peer()).latestHandshakeSecondsAgo !== null, { everyMs: 100 });
    }
  });
});
