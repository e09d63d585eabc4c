/** Debian's wireguard-go as a tunnel's other end. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Namespace } from "./namespaces.ts";
import type { Actor, Scene } from "./scene.ts";
import { type TunnelText, wgQuickText } from "./tunnel-process.ts";
import { until } from "./until.ts";

const PROGRAM_PATH = `${process.env["PATH"]}:/usr/sbin:/sbin`;
/** Whether wireguard-go and wg are installed. */
export const hasWireGuard = ["wireguard-go", "wg"].every(
  (program) => Bun.which(program, { PATH: PROGRAM_PATH }) !== null,
);
/** For the name of a test that is skipped without them. */
export const needsWireGuard = hasWireGuard ? "" : " (skipped: needs wireguard-go and wireguard-tools)";

let made = 0;

export class WireGuardGo {
  /** Its control socket lies in one directory for all namespaces, so its name holds our pid. */
  readonly name = `wg${process.pid}x${++made}`;
  readonly #scene: Scene;
  readonly #text: TunnelText;
  readonly #file: string;
  #actor: Actor | null = null;

  constructor(
    scene: Scene,
    readonly namespace: Namespace,
    text: TunnelText,
  ) {
    this.#scene = scene;
    this.#text = text;
    this.#file = join(scene.newDirectory(), "wg.conf");
    writeFileSync(this.#file, wgQuickText(text, true), { mode: 0o600 });
    scene.atEnd(() => rmSync(`/run/wireguard/${this.name}.sock`, { force: true }));
  }

  static async up(scene: Scene, namespace: Namespace, text: TunnelText): Promise<WireGuardGo> {
    const end = new WireGuardGo(scene, namespace, text);
    await end.up();
    return end;
  }

  async up(): Promise<void> {
    this.#actor = this.#scene.start(this.namespace, ["wireguard-go", "--foreground", this.name]);
    await until("wireguard-go answers", () => this.wg("show", this.name) !== "", { everyMs: 25 });
    this.wg("setconf", this.name, this.#file);
    for (const address of this.#text.addresses) this.namespace.run("ip", "address", "add", address, "dev", this.name);
    this.namespace.run("ip", "link", "set", this.name, "mtu", "1420", "up");
  }

  /** Has it forget its peers with their sessions, and know them as at the start. */
  forgetPeers(): void {
    for (const { publicKey } of this.#text.peers) this.wg("set", this.name, "peer", publicKey, "remove");
    this.wg("setconf", this.name, this.#file);
  }

  wg(...words: string[]): string {
    return this.namespace.run("wg", ...words);
  }

  /** When the newest session began, in Unix seconds; 0 for never. */
  latestHandshake(): number {
    return Number(this.wg("show", this.name, "latest-handshakes").trim().split("\t")[1] ?? 0);
  }

  endpoint(): string {
    return this.wg("show", this.name, "endpoints").trim().split("\t")[1] ?? "";
  }

  async end(): Promise<void> {
    await this.#actor!.end("SIGTERM");
  }
}
