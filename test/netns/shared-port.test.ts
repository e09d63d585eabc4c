/**
 * A tunnel and a DHT node on one UDP port at either end; packets and requests cross the same cable.
 *
 *   ┌ left ─────────────────┐     ┌ router ─┐     ┌ right ────────────────┐
 *   │ dnet0 10.7.0.1        │     │         │     │ dnet0 10.7.0.2        │
 *   │ ve0   10.8.1.2:51820  ┼─────┼─────────┼─────┼ ve0   10.8.2.2:51820  │
 *   │ joins by right        │     │         │     │ bootstrap node        │
 *   └───────────────────────┘     └─────────┘     └───────────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { type Actor, Scene } from "../support/scene.ts";
import { ping, transfer } from "../support/traffic.ts";
import { ensureBuilt, wgQuickText } from "../support/tunnel-process.ts";
import { inner4, pairTexts, routedEnds, TUNNEL_PORT, underlay4 } from "../support/underlay.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const MEGABYTE = 1_000_000;

let scene: Scene;
let ends: readonly Namespace[];

beforeAll(() => {
  if (!isRoot) return;
  ensureBuilt(); // for keys
  scene = new Scene();
  ends = routedEnds(scene, 2).ends;
}, 20_000);

afterAll(() => scene?.close());

/** What the node said last. */
function listen(actor: Actor): () => { event: string; isEphemeral: boolean; isFirewalled: boolean; nodes: object[] } {
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of actor.stdout) text += decoder.decode(chunk, { stream: true });
  })();
  return () => JSON.parse(text.trim().split("\n").at(-1) || "{}");
}

function start(end: number, text: string, ...bootstrap: string[]): Actor {
  const file = join(scene.newDirectory(), "dnet0.conf");
  writeFileSync(file, text, { mode: 0o600 });
  const script = join(import.meta.dir, "../support/shared-port-end.ts");
  const command = [process.execPath, script, file, underlay4(end), ...bootstrap];
  return scene.start(ends[end - 1]!, command, { DNET_RUN_DIR: scene.newDirectory() });
}

for (const suite of ["dnet", "wireguard"] as const) {
  rooted(`in suite ${suite} the first byte tells the tunnel's datagrams from the DHT's on one port`, async () => {
    const texts = pairTexts({ suite });
    const right = start(2, wgQuickText(texts.right));
    const rightSays = listen(right);
    await until("the bootstrap node is up", () => rightSays().event === "ready", { withinMs: 10_000 });
    const left = start(1, wgQuickText(texts.left), `${underlay4(2)}:${TUNNEL_PORT}`);
    const leftSays = listen(left);
    const isReady = () => leftSays().event === "ready" || leftSays().event === "persistent";
    await until("the other node joined", isReady, { withinMs: 10_000 });
    expect(leftSays()).toMatchObject({
      isEphemeral: false,
      isFirewalled: false,
      nodes: [{ host: underlay4(2), port: TUNNEL_PORT }],
    });
    expect((await ping(scene, ends[0]!, inner4(2))).answered).toBe(3);
    const { sent, received } = await transfer(ends[0]!, ends[1]!, inner4(2), MEGABYTE);
    expect(received).toEqual(sent);
    await until("each knows the other by the tunnel's port", () =>
      rightSays().nodes.some((node) => Bun.deepEquals(node, { host: underlay4(1), port: TUNNEL_PORT })),
    );
    expect(await Promise.all([left.end("SIGTERM"), right.end("SIGTERM")])).toEqual([0, 0]);
  });
}
