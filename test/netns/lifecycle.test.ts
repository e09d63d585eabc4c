/**
 * How a tunnel begins and ends, and what it leaves behind:
 *
 *   ┌ left ────────────────┐     ┌ router ──────────┐     ┌ right ───────────────┐
 *   │ dnet0 10.7.0.1       │     │                  │     │ dnet0 10.7.0.2       │
 *   │ ve0   10.8.1.2     ──┼─────┼── ve1      ve2 ──┼─────┼── ve0 10.8.2.2       │
 *   └──────────────────────┘     └──────────────────┘     └──────────────────────┘
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { type Finished, Scene } from "../support/scene.ts";
import { ping } from "../support/traffic.ts";
import { DNET, ensureBuilt, newKeyPair, TunnelProcess, type TunnelText } from "../support/tunnel-process.ts";
import { inner4, pairTexts, routedEnds } from "../support/underlay.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const NOBODY = 65_534;
const CYCLES = 20;

let scene: Scene;
let left: Namespace;
let right: Namespace;
const running: TunnelProcess[] = [];

beforeAll(() => {
  if (!isRoot) return;
  ensureBuilt();
  scene = new Scene();
  [left, right] = routedEnds(scene, 2).ends as [Namespace, Namespace];
}, 20_000);

afterEach(async () => {
  await Promise.all(running.splice(0).map((tunnel) => tunnel.isAlive && tunnel.kill()));
});

afterAll(() => scene?.close());

async function up(namespace: Namespace, text: TunnelText, name?: string): Promise<TunnelProcess> {
  const tunnel = await TunnelProcess.up(scene, namespace, text, name);
  running.push(tunnel);
  return tunnel;
}

/** Everything that a tunnel could have changed in a namespace. */
function networkOf(namespace: Namespace): string {
  const parts = [
    ["ip", "-o", "link"],
    ["ip", "-o", "address"],
    ["ip", "route", "show", "table", "all"],
    ["ip", "-6", "route", "show", "table", "all"],
    ["ip", "rule"],
    ["ss", "-Hlun"],
  ];
  // Lifetimes and statistics move by themselves.
  return parts.map((command) => namespace.run(...command).replaceAll(/expires \d+sec/g, "")).join("\n");
}

rooted("down removes interface, addresses, routes, port and socket (NU-10, NU-17)", async () => {
  const { left: text } = pairTexts();
  const before = networkOf(left);
  const tunnel = await up(left, text);
  const whileUp = networkOf(left);
  for (const part of ["dnet0", "10.7.0.1/24", "fd07::1/64", "10.7.0.2 dev dnet0", ":51820"])
    expect(whileUp).toContain(part);
  await tunnel.down();
  expect(networkOf(left)).toBe(before);
  expect(existsSync(tunnel.socketPath)).toBe(false);
  await tunnel.up();
  expect(networkOf(left)).toContain("10.7.0.2 dev dnet0");
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  rooted(`${signal} ends it cleanly`, async () => {
    const before = networkOf(left);
    const tunnel = await up(left, pairTexts().left);
    expect(await tunnel.kill(signal)).toBe(0);
    expect(networkOf(left)).toBe(before);
    expect(existsSync(tunnel.socketPath)).toBe(false);
  });
}

rooted("up without --foreground returns once the tunnel works, and the tunnel goes on until down", async () => {
  const before = networkOf(left);
  const tunnel = new TunnelProcess(scene, left, pairTexts().left);
  const command = tunnel.upCommand.filter((word) => word !== "--foreground");
  const started = await scene.run(left, command, tunnel.environment);
  const { pid } = JSON.parse(started.stdout);
  scene.atEnd(() => void (hasEnded(pid) || process.kill(pid, "SIGKILL")));
  expect(started).toMatchObject({ exitCode: 0, stderr: "" });
  expect(await tunnel.show()).toMatchObject({ name: "dnet0", pid });
  expect(errorOf(await scene.run(left, command, tunnel.environment))).toMatchObject({ code: "TUNNEL_RUNNING" });
  await tunnel.down();
  expect(networkOf(left)).toBe(before);
  await until("its process ended", () => hasEnded(pid));
});

/** A process that nobody has reaped yet has ended too: it has no command line any more. */
function hasEnded(pid: number): boolean {
  return !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/cmdline`, "utf8") === "";
}

rooted("kill -9 leaves nothing but a socket, and the next up replaces that", async () => {
  const texts = pairTexts();
  const before = networkOf(left);
  const b = await up(right, texts.right);
  const a = await up(left, texts.left);
  expect((await ping(scene, left, inner4(2))).answered).toBe(3);
  await a.kill("SIGKILL");
  expect(networkOf(left)).toBe(before);
  expect(existsSync(a.socketPath)).toBe(true);
  await a.up();
  expect((await ping(scene, left, inner4(2))).answered).toBe(3);
  expect((await a.show()).pid).toBe(a.pid);
  expect(b.isAlive).toBe(true);
});

rooted("an interface that someone else removes ends its tunnel, loudly", async () => {
  const tunnel = await up(left, pairTexts().left);
  left.run("ip", "link", "delete", "dnet0");
  await until("its process ended", () => !tunnel.isAlive);
  expect(tunnel.log).toContain("the datapath of dnet0 stopped: SyscallError: read tun");
  expect(existsSync(tunnel.socketPath)).toBe(false);
});

rooted("a name, a port or an address that is taken is refused with its holder, and nothing changes", async () => {
  const { left: text } = pairTexts();
  const tunnel = await up(left, text);
  const before = networkOf(left);
  const other = { privateKey: newKeyPair().privateKey, listenPort: 51_999, addresses: ["10.70.0.1/24"], peers: [] };
  const attempt = (changes: Partial<TunnelText>, name: string) =>
    new TunnelProcess(scene, left, { ...other, ...changes }, name).tryUp();
  const cases = [
    [await attempt({}, "dnet0"), "INTERFACE_IN_USE", `process ${tunnel.pid}`],
    [await attempt({ listenPort: text.listenPort! }, "dnet1"), "PORT_IN_USE", `process ${tunnel.pid}`],
    [await attempt({ addresses: text.addresses }, "dnet1"), "ADDRESS_IN_USE", "interface dnet0"],
    [await attempt({}, "ve0"), "INTERFACE_IN_USE", "ve0"],
  ] as const;
  for (const [result, code, holder] of cases) {
    expect(errorOf(result)).toMatchObject({ code, exitCode: 9 });
    expect(errorOf(result).message).toContain(holder);
    expect(result.exitCode).toBe(9);
  }
  expect(networkOf(left)).toBe(before);
  expect((await tunnel.show()).pid).toBe(tunnel.pid);
});

/** The error that a command with --json ended with. */
function errorOf({ stdout, stderr }: Finished): { code: string; message: string; hint: string; exitCode: number } {
  const line = stdout.trim();
  if (!line.includes('"dnet.error/1"')) throw new Error(`no error: ${stdout}${stderr}`);
  return JSON.parse(line);
}

rooted(
  "without permission it says the command that grants it, and leaves nothing half made (NU-17, CD-01)",
  async () => {
    const before = networkOf(left);
    // The executable alone, where everyone may read it.
    const directory = scene.newDirectory();
    const program = join(directory, "dnet");
    copyFileSync(DNET, program);
    chmodSync(program, 0o755);
    const denied = new TunnelProcess(scene, left, pairTexts().left);
    const [, , , file = ""] = denied.upCommand;
    const own = join(directory, "dnet0.conf");
    copyFileSync(file, own);
    for (const path of [scene.directory, directory]) chmodSync(path, 0o755);
    for (const path of [own, denied.environment.DNET_RUN_DIR]) chownSync(path, NOBODY, NOBODY);
    const asNobody = ["setpriv", "--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, "--clear-groups"];
    const command = [program, "tunnel", "up", own, "--foreground", "--json"];
    const result = await scene.run(left, [...asNobody, ...command], denied.environment);
    expect(result.exitCode).toBe(8);
    const { code, hint } = errorOf(result);
    expect(code).toBe("TUN_DENIED");
    expect(hint).toContain(`sudo setcap cap_net_admin+ep ${program}`);
    expect(networkOf(left)).toBe(before);
    expect(readdirSync(denied.environment.DNET_RUN_DIR, { recursive: true })).toEqual([]);
  },
);

rooted(
  `${CYCLES} ups and downs leave no interface, route, file or descriptor behind, here or at the peer`,
  async () => {
    const texts = pairTexts();
    const before = networkOf(left);
    const b = await up(right, texts.right);
    const a = new TunnelProcess(scene, left, texts.left);
    running.push(a);
    let descriptors = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await a.up();
      expect((await ping(scene, left, inner4(2), { count: 1 })).answered).toBe(1);
      if (cycle === 1) descriptors = descriptorsOf(b.pid);
      await a.down();
      expect(networkOf(left)).toBe(before);
    }
    await until("the peer has no more descriptors than at first", () => descriptorsOf(b.pid) <= descriptors);
    expect(readdirSync(a.environment.DNET_RUN_DIR, { recursive: true }).filter((path) => path !== "tunnel")).toEqual(
      [],
    );
  },
);

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
