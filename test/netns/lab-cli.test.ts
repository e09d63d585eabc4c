/**
 * `dnet lab` as a person uses it: one command keeps the laboratory, others look at it, disturb it, and run programs in it.
 *
 *   alice ── home-a (random) ──┐
 *   bob ──── home-b ───────────┼── internet       the preset random-cone
 *   server1, 2, 3 ─────────────┘
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot, needsRoot } from "../support/namespaces.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 30_000);
const DNET = [process.execPath, join(import.meta.dir, "../../src/main.ts")];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), `dnet-${process.pid}-`));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const environment = () => ({ ...process.env, DNET_RUN_DIR: join(folder, "run") });

async function dnet(...words: string[]) {
  const child = Bun.spawn([...DNET, ...words], { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, stdout, stderr };
}

rooted("a laboratory is up until Ctrl-C; it is shown, disturbed, and programs run in it", async () => {
  const lab = Bun.spawn([...DNET, "lab", "up", "random-cone"], {
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = new Response(lab.stdout).text();
  const words = new Response(lab.stderr).text();
  try {
    const shown = await until("it is up", async () => {
      const { exitCode, stdout } = await dnet("lab", "show", "--json");
      return exitCode === 0 && JSON.parse(stdout);
    });
    expect(shown).toMatchObject({ schema: "dnet.lab/1", pid: lab.pid, hops: 10 });
    const server = shown.stations.find(({ name }: { name: string }) => name === "server1").address;

    const ping = await dnet("lab", "exec", "alice", "--", "ping", "-c", "1", "-W", "2", server);
    expect(ping).toMatchObject({ exitCode: 0, stderr: "" });
    expect(ping.stdout).toContain("1 received");
    const failed = await dnet("lab", "exec", "alice", "--", "sh", "-c", "exit 3");
    expect(failed).toMatchObject({ exitCode: 1, stdout: "" });
    expect(failed.stderr).toStartWith("error COMMAND_FAILED: sh on alice ended with exit code 3\n");
    const nobody = await dnet("lab", "exec", "carol", "--", "true");
    expect(nobody.stderr).toContain('"carol" is not a host of this laboratory; expected one of alice, bob, server1');

    const moved = await dnet("lab", "event", "alice", "move", "home-b");
    expect(moved.stdout).toMatch(/home-b .*\n│ {2}├─ alice/);
    const refused = await dnet("lab", "event", "alice", "move", "bob");
    expect(refused.stderr).toStartWith("error LAB_EVENT: bob is a host; expected a NAT, or internet, to move to\n");
    expect(refused.exitCode).toBe(2);
  } finally {
    lab.kill("SIGINT");
  }
  expect(await lab.exited).toBe(0);
  expect(await output).toMatch(/^internet: 10 routers .*\n├─ home-a .* random NAT of /);
  expect(await words).toContain(`ip netns exec dnet-lab-${lab.pid}-alice COMMAND`);
  expect(Bun.spawnSync(["ip", "netns", "list"]).stdout.toString()).not.toContain(`dnet-lab-${lab.pid}-`);
  expect((await dnet("lab", "show")).exitCode).toBe(3);
});
