/** The tunnels that are compared: how each is configured and brought up at both ends of a stage. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Actor } from "../support/scene.ts";
import { DNET, newKeyPair, type TunnelText, wgQuickText } from "../support/tunnel-process.ts";
import { until } from "../support/until.ts";
import { withoutLibcrypto } from "../support/without-libcrypto.ts";
import { Lines } from "./lines.ts";
import { newestWireGuardGo, type Program } from "./newest-wireguard-go.ts";
import { INNER, SIDES, type Side, type Stage, TUNNEL_PORT, UNDERLAY } from "./stage.ts";
import { tinc } from "./tinc.ts";

export interface Tool {
  readonly name: string;
  readonly summary: string;
  readonly version: string;
  /** Makes keys and files, which nobody times, and returns what brings both ends up, which is timed. */
  prepare(stage: Stage): () => Promise<Running>;
}

export interface Running {
  /** B's address inside the tunnel. */
  readonly to: string;
  /** The tool's processes at both ends; none for the bare cable. */
  readonly actors: readonly Actor[];
}

/** A name that a user may ask for, and a tool or why there is none. */
export type Choice = { readonly name: string; readonly summary: string; open(): Tool };

/** All namespaces share the directory of wireguard-go's control sockets, so the two ends' interfaces differ in name. */
const WG_NAMES = { a: `wga${process.pid}`, b: `wgb${process.pid}` } as const;
const wgSocket = (side: Side) => `/run/wireguard/${WG_NAMES[side]}.sock`;
/** What a wireguard-go that was killed leaves behind. */
const removeWgSockets = () => SIDES.forEach((side) => void rmSync(wgSocket(side), { force: true }));
process.once("exit", removeWgSockets);

export const RAW = "raw";
export const NEWEST = "wireguard-go-newest";
export const INSTALLED = "wireguard-go";

/** In the order of the tables. `open` throws an error that says why a tool cannot be had. */
export const CHOICES: readonly Choice[] = [
  choice(RAW, "the bare cable, a veth pair, without a tunnel", () => ({
    version: "",
    prepare: () => async () => ({ to: UNDERLAY.b, actors: [] }),
  })),
  choice("dnet", "suite D, super-packets while nothing is lost", () => dnet("Suite = dnet")),
  choice("dnet-packets", "suite D, one message a datagram", () => dnet("Suite = dnet\nSuperPackets = off")),
  choice("dnet-w", "suite W, WireGuard's, at both ends", () => dnet("Suite = wireguard")),
  choice("dnet-w-portable", "suite W on a machine without libcrypto", () =>
    dnet("Suite = wireguard", withoutLibcrypto),
  ),
  choice(NEWEST, "the newest in Debian's archive", () => wireGuardGo(newestWireGuardGo())),
  choice(INSTALLED, "the one that is installed here", () => wireGuardGo(installedWireGuardGo())),
  choice("tinc", "tinc as it is installed, in router mode", tinc),
];

function choice(name: string, summary: string, make: () => Pick<Tool, "version" | "prepare">): Choice {
  return { name, summary, open: () => ({ name, summary, ...make() }) };
}

type Wrap = (command: readonly string[]) => readonly string[];

function dnet(peerLines: string, wrap: Wrap = (command) => command): Pick<Tool, "version" | "prepare"> {
  const version = Bun.spawnSync([DNET, "version"]).stdout.toString().split("\n")[0]!;
  return { version, prepare: (stage) => prepareDnet(stage, peerLines, wrap) };
}

function prepareDnet({ scene, ...ends }: Stage, peerLines: string, wrap: Wrap): () => Promise<Running> {
  const texts = configure();
  const files = SIDES.map((side) => {
    const path = join(scene.newDirectory(), "dnet0.conf");
    writeFileSync(path, `${wgQuickText(texts[side])}${peerLines}\n`, { mode: 0o600 }); // [Peer] is the last section
    return { side, path, runDirectory: scene.newDirectory() };
  });
  return async () => {
    const actors = files.map(({ side, path, runDirectory }) => {
      const command = [DNET, "tunnel", "up", path, "--foreground", "--json"];
      return scene.start(ends[side], wrap(command), { DNET_RUN_DIR: runDirectory });
    });
    await Promise.all(
      actors.map(async (actor) => {
        const line = await new Lines(actor.stdout).next();
        if (!line?.includes('"dnet.tunnel/1"')) throw new Error(`dnet did not come up: ${line ?? actor.stderr()}`);
      }),
    );
    return { to: INNER.b, actors };
  };
}

function wireGuardGo({ path, version }: Program): Pick<Tool, "version" | "prepare"> {
  if (!Bun.which("wg")) throw new Error("wg is not installed (Debian: wireguard-tools)");
  return { version, prepare: (stage) => prepareWireGuardGo(stage, path) };
}

function prepareWireGuardGo({ scene, ...ends }: Stage, program: string): () => Promise<Running> {
  const texts = configure();
  const scripts = SIDES.map((side) => {
    const [name, path] = [WG_NAMES[side], join(scene.newDirectory(), "wg.conf")];
    writeFileSync(path, wgQuickText(texts[side], true), { mode: 0o600 });
    const commands = [
      `wg setconf ${name} ${path}`,
      `ip address add ${INNER[side]}/24 dev ${name}`,
      `ip link set ${name} mtu 1420 up`,
    ];
    return { side, script: commands.join(" && ") };
  });
  scene.atEnd(removeWgSockets);
  return async () => {
    const environment = { LOG_LEVEL: "error" };
    const actors = SIDES.map((side) => scene.start(ends[side], [program, "--foreground", WG_NAMES[side]], environment));
    await Promise.all(
      scripts.map(async ({ side, script }) => {
        await until("wireguard-go answers", () => existsSync(wgSocket(side)), { everyMs: 1 });
        const { exitCode, stderr } = await scene.run(ends[side], ["sh", "-c", script]);
        if (exitCode !== 0) throw new Error(`wireguard-go could not be configured: ${stderr}`);
      }),
    );
    return { to: INNER.b, actors };
  };
}

function installedWireGuardGo(): Program {
  const path = Bun.which("wireguard-go");
  if (!path) throw new Error("wireguard-go is not installed");
  const { stdout } = Bun.spawnSync(["dpkg-query", "--show", "wireguard-go"]);
  return { path, version: stdout.toString().trim().split("\t")[1] ?? "of unknown version" };
}

/** Both ends' files with new keys; each knows where the other is. */
function configure(): { readonly [side in Side]: TunnelText } {
  const keys = { a: newKeyPair(), b: newKeyPair() };
  const text = (own: Side, other: Side): TunnelText => ({
    privateKey: keys[own].privateKey,
    listenPort: TUNNEL_PORT,
    addresses: [`${INNER[own]}/24`],
    peers: [
      {
        publicKey: keys[other].publicKey,
        allowed: [`${INNER[other]}/32`],
        endpoint: `${UNDERLAY[other]}:${TUNNEL_PORT}`,
      },
    ],
  });
  return { a: text("a", "b"), b: text("b", "a") };
}
