/**
 * What does not grow: one tunnel under ten million packets, and one process through a thousand tunnels.
 *
 *   ┌ left ────────────────┐     ┌ router ──────────┐     ┌ right ───────────────┐
 *   │ dnet0 10.7.0.1       │     │                  │     │ dnet0 10.7.0.2       │
 *   │ ve0   10.8.1.2     ──┼─────┼── ve1      ve2 ──┼─────┼── ve0 10.8.2.2       │
 *   └──────────────────────┘     └──────────────────┘     └──────────────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { Scene } from "../support/scene.ts";
import { pingUntilAnswered } from "../support/traffic.ts";
import { ensureBuilt, TunnelProcess, wgQuickText } from "../support/tunnel-process.ts";
import { inner4, pairTexts, routedEnds } from "../support/underlay.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 180_000);
const SUPPORT = join(import.meta.dir, "../support");
const MEGABYTE_KB = 1024;

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

function holdings(pid: number) {
  const residentKb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return { residentKb, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** Sends until so many packets have entered the tunnel: a full queue refuses some. A super-packet counts once. */
async function flood(packets: number, ...mode: string[]): Promise<void> {
  const entered = () => Number(left.run("cat", "/sys/class/net/dnet0/statistics/tx_packets"));
  const target = entered() + packets;
  while (entered() < target) {
    const count = mode.includes("whole") ? 1_600_000 : 400_000;
    const command = [process.execPath, join(SUPPORT, "flood.ts"), inner4(2), "9", `${count}`, ...mode];
    const { exitCode, stderr } = await scene.run(left, command);
    if (exitCode !== 0) throw new Error(stderr);
  }
}

rooted("ten million packets leave memory and descriptors as they were", async () => {
  const texts = pairTexts();
  const ends = [
    await TunnelProcess.up(scene, right, texts.right),
    await TunnelProcess.up(scene, left, texts.left),
  ] as const;
  await pingUntilAnswered(scene, left, inner4(2));
  // First what every tunnel needs once: compiled code, touched buffers.
  await flood(400_000);
  await flood(50_000, "whole");
  const before = ends.map(({ pid }) => holdings(pid));
  await flood(2_000_000);
  await flood(250_000, "whole"); // of 32 packets each
  const after = ends.map(({ pid }) => holdings(pid));

  for (const [i, { descriptors, residentKb }] of after.entries()) {
    expect(descriptors).toBe(before[i]!.descriptors);
    expect(residentKb - before[i]!.residentKb).toBeLessThan(8 * MEGABYTE_KB);
  }
  // Under a flood some are lost in queues, but most went all the way.
  expect((await ends[0].peer()).receivedBytes).toBeGreaterThan(5_000_000 * 64);
  await pingUntilAnswered(scene, left, inner4(2));
  for (const end of ends) await end.down();
});

rooted("NU-10 a thousand interfaces up and down in one process leave nothing behind", async () => {
  const file = join(scene.newDirectory(), "dnet0.conf");
  await Bun.write(file, wgQuickText(pairTexts().left));
  const command = [process.execPath, join(SUPPORT, "up-and-down.ts"), file, "1000"];
  const { stdout, stderr } = await scene.run(left, command, { DNET_RUN_DIR: scene.newDirectory() });
  if (stdout === "") throw new Error(stderr);
  const [early, late] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(late.descriptors).toBe(early.descriptors);
  expect(late.threads).toBeLessThanOrEqual(early.threads + 2); // the runtime's own come and go
  expect(late.residentKb - early.residentKb).toBeLessThan(20 * MEGABYTE_KB);
  expect(left.run("ip", "-o", "link")).not.toContain("dnet0");
});
