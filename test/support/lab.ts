/**
 * A laboratory for tests and benchmarks: hosts behind NATs, each a namespace in which real programs run (src/io/lab/README.md).
 * `dnet lab up` runs it in a process of its own, which ends with this one, however that ends.
 *
 *   await using lab = await startLab({ nats: { home: { kind: "random" } }, hosts: { alice: { behind: "home" }, server: {} } });
 *   const child = lab.host("alice").namespace.spawn("ping", lab.host("server").address);
 *   await lab.disturb("home", "reboot");
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disturbLab, readLab } from "../../src/io/lab/control.ts";
import type { LabDescription } from "../../src/io/lab/description.ts";
import type { LabView } from "../../src/io/lab/lab.ts";
import type { RouterCounters } from "../../src/io/lab/router.ts";
import { Lines } from "../bench/lines.ts";
import { Namespace } from "./namespaces.ts";

const DNET = [process.execPath, join(import.meta.dir, "../../src/main.ts")];
/** Runs its arguments until its stdin ends: that happens also when we are killed. */
const WARDEN = '"$@" & exec >&- 2>/dev/null; cat >/dev/null; kill "$!"; wait "$!"';

export interface LabHostHandle {
  readonly namespace: Namespace;
  /** Its own address now: a private one behind a NAT. */
  readonly address: string;
}

export class RunningLab {
  readonly #warden: ReturnType<typeof startWarden>;
  #view: LabView;

  constructor(warden: ReturnType<typeof startWarden>, view: LabView) {
    this.#warden = warden;
    this.#view = view;
  }

  /** Of the process that runs it; names of namespaces carry it. */
  get pid(): number {
    return this.#view.pid;
  }

  host(name: string): LabHostHandle {
    const { address, namespace } = this.#station(name);
    if (namespace === null) throw new Error(`${name} is a NAT`);
    return { address, namespace: new Namespace(namespace) };
  }

  /** Of a host or a NAT, the outside address. */
  address(name: string): string {
    return this.#station(name).address;
  }

  /** As `dnet lab event NAME EVENT WORD...`; it has taken effect when this resolves. Throws DnetError. */
  async disturb(name: string, event: string, ...words: string[]): Promise<void> {
    this.#view = await disturbLab(this.pid, { name, event, words });
  }

  async counters(): Promise<RouterCounters> {
    this.#view = await readLab(this.pid);
    return this.#view.counters;
  }

  /** How many UDP mappings of the NAT are alive. */
  async mappings(nat: string): Promise<number> {
    this.#view = await readLab(this.pid);
    return this.#station(nat).nat?.mappings ?? 0;
  }

  /** Ends what runs inside, and removes everything. */
  async close(): Promise<void> {
    this.#warden.stdin.end();
    await this.#warden.exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #station(name: string): LabView["stations"][number] {
    const found = this.#view.stations.find((station) => station.name === name);
    if (!found) throw new Error(`no ${name} in this laboratory`);
    return found;
  }
}

/** Needs root. Throws with the words of `dnet lab up` when that fails. */
export async function startLab(description: LabDescription): Promise<RunningLab> {
  const directory = mkdtempSync(join(tmpdir(), `dnet-lab-${process.pid}-`));
  try {
    const file = join(directory, "lab.json");
    writeFileSync(file, JSON.stringify(description));
    const warden = startWarden(file);
    const line = await new Lines(warden.stdout).next();
    const view = JSON.parse(line ?? '{ "message": "it ended and said nothing" }');
    if (view.schema === "dnet.lab/1") return new RunningLab(warden, view);
    warden.stdin.end();
    throw new Error(`the laboratory did not start: ${view.message}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function startWarden(file: string) {
  const command = ["sh", "-c", WARDEN, "dnet-lab-warden", ...DNET, "lab", "up", "--json", file];
  return Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
}
