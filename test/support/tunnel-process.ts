/** The executable itself as tests run it, and the files it reads. */
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TunnelPeerView, TunnelView } from "../../src/io/tunnel-view.ts";
import type { Namespace } from "./namespaces.ts";
import type { Actor, Finished, Scene } from "./scene.ts";
import { until } from "./until.ts";

const ROOT = join(import.meta.dir, "../..");
export const DNET = join(ROOT, "dist/dnet");
const UP_WITHIN_MS = 10_000;

/** One end's file in the format of wg-quick. Keys are base64. */
export interface TunnelText {
  readonly privateKey: string;
  readonly listenPort?: number;
  readonly addresses: readonly string[];
  readonly mtu?: number;
  readonly peers: readonly PeerText[];
}

export interface PeerText {
  readonly publicKey: string;
  readonly presharedKey?: string;
  readonly allowed: readonly string[];
  readonly endpoint?: string;
  readonly keepaliveSeconds?: number;
  readonly suite?: "dnet" | "wireguard";
}

export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Builds the executable when it is missing or older than what it is built from. */
export function ensureBuilt(): void {
  const builtAt = existsSync(DNET) ? statSync(DNET).mtimeMs : 0;
  const sources = ["src", "ffi"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(ROOT, folder, name)),
  );
  if (sources.every((path) => statSync(path).mtimeMs <= builtAt)) return;
  const { exitCode, stderr } = Bun.spawnSync([process.execPath, "build.ts"], { cwd: ROOT, stdout: "ignore" });
  if (exitCode !== 0) throw new Error(`the build failed: ${stderr?.toString()}`);
}

/** A new pair, made by `dnet tunnel genkey` and `pubkey`. */
export function newKeyPair(): KeyPair {
  const privateKey = newSecret("genkey");
  const { stdout } = Bun.spawnSync([DNET, "tunnel", "pubkey"], { stdin: Buffer.from(privateKey) });
  return { privateKey, publicKey: stdout.toString().trim() };
}

export function newSecret(command: "genkey" | "genpsk" = "genpsk"): string {
  return Bun.spawnSync([DNET, "tunnel", command]).stdout.toString().trim();
}

/** `stock` leaves out what wg(8) does not know. */
export function wgQuickText({ privateKey, listenPort, addresses, mtu, peers }: TunnelText, stock = false): string {
  const section = (name: string, values: { readonly [key: string]: string | number | undefined }) => {
    const lines = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
    return [`[${name}]`, ...lines.map(([key, value]) => `${key} = ${value}`), ""].join("\n");
  };
  const own = stock ? {} : { Address: addresses.join(", "), MTU: mtu };
  return [
    section("Interface", { PrivateKey: privateKey, ListenPort: listenPort, ...own }),
    ...peers.map((peer) =>
      section("Peer", {
        PublicKey: peer.publicKey,
        PresharedKey: peer.presharedKey,
        AllowedIPs: peer.allowed.join(", "),
        Endpoint: peer.endpoint,
        PersistentKeepalive: peer.keepaliveSeconds,
        Suite: stock ? undefined : peer.suite,
      }),
    ),
  ].join("\n");
}

/** A `dnet tunnel up --foreground` with a run directory of its own, so that equal names in two namespaces do not meet. */
export class TunnelProcess {
  readonly #scene: Scene;
  readonly #runDirectory: string;
  readonly #file: string;
  /** What the command that brings it up becomes: another environment, say. */
  wrap = (command: readonly string[]): readonly string[] => command;
  #actor: Actor | null = null;

  constructor(
    scene: Scene,
    readonly namespace: Namespace,
    text: TunnelText | string,
    readonly name = "dnet0",
    runDirectory = scene.newDirectory(),
  ) {
    this.#scene = scene;
    this.#runDirectory = runDirectory;
    this.#file = join(scene.newDirectory(), `${name}.conf`);
    writeFileSync(this.#file, typeof text === "string" ? text : wgQuickText(text), { mode: 0o600 });
  }

  /** Resolves when it says that it is up. */
  static async up(scene: Scene, namespace: Namespace, text: TunnelText, name?: string): Promise<TunnelProcess> {
    const tunnel = new TunnelProcess(scene, namespace, text, name);
    await tunnel.up();
    return tunnel;
  }

  get pid(): number {
    return this.#actor!.pid;
  }

  get isAlive(): boolean {
    return this.#actor?.isAlive() ?? false;
  }

  /** What it has written to its log. */
  get log(): string {
    return this.#actor?.stderr() ?? "";
  }

  get socketPath(): string {
    return join(this.#runDirectory, "tunnel", `${this.name}.sock`);
  }

  async up(): Promise<void> {
    const actor = this.#scene.start(this.namespace, this.wrap(this.upCommand), this.environment);
    this.#actor = actor;
    let stdout = "";
    void (async () => {
      for await (const chunk of actor.stdout) stdout += Buffer.from(chunk).toString();
    })();
    const where = `${this.name} in ${this.namespace.name}`;
    await until(`${where} is up`, () => stdout.includes("\n") || !actor.isAlive(), { withinMs: UP_WITHIN_MS });
    if (!stdout.includes('"dnet.tunnel/1"')) throw new Error(`${where} did not come up: ${stdout}${actor.stderr()}`);
  }

  get upCommand(): string[] {
    return [DNET, "tunnel", "up", this.#file, "--foreground", "--json"];
  }

  get environment(): { DNET_RUN_DIR: string } {
    return { DNET_RUN_DIR: this.#runDirectory };
  }

  /** Runs the command that would start it, to see it fail. */
  tryUp(): Promise<Finished> {
    return this.#scene.run(this.namespace, this.upCommand, this.environment);
  }

  /** `dnet tunnel show NAME --json`. */
  async show(): Promise<TunnelView> {
    const { exitCode, stdout, stderr } = await this.#command("show", "--json");
    if (exitCode !== 0) throw new Error(`show: ${stderr}${stdout}`);
    return JSON.parse(stdout);
  }

  async peer(number = 0): Promise<TunnelPeerView> {
    return (await this.show()).peers[number]!;
  }

  /** `dnet tunnel down NAME`. */
  async down(): Promise<void> {
    const { exitCode, stderr } = await this.#command("down");
    if (exitCode !== 0) throw new Error(`down: ${stderr}`);
    await until("the process ended", () => !this.isAlive);
  }

  async kill(signal: "SIGTERM" | "SIGINT" | "SIGKILL" = "SIGKILL"): Promise<number> {
    return this.#actor!.end(signal);
  }

  #command(...words: string[]): Promise<Finished> {
    const [verb = "", ...options] = words;
    return this.#scene.run(this.namespace, [DNET, "tunnel", verb, this.name, ...options], this.environment);
  }
}
