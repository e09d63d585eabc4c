/** A machine with its own state directory, keys and chance; all of them share one clock, which a test moves. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "../../support/random.ts";
import { dnet, type FakeTerminal, type Given, type Outcome } from "./fake-context.ts";

const MINUTE_MS = 60_000;

export class Machines {
  /** Ms since 1970; each command takes a minute. */
  now = Date.parse("2025-03-01T12:00:00Z");
  readonly folder = mkdtempSync(join(tmpdir(), "dnet-machines-"));
  #made = 0;

  make(name: string): Machine {
    return new Machine(this, join(this.folder, name), new SeededRandom(++this.#made));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export class Machine {
  readonly state: string;
  readonly #machines: Machines;
  readonly #random: SeededRandom;

  constructor(machines: Machines, state: string, random: SeededRandom) {
    this.#machines = machines;
    this.state = state;
    this.#random = random;
  }

  /** `dnet` with these words, on this machine. */
  run(line: string, given: Given = {}): Promise<Outcome> {
    this.#machines.now += MINUTE_MS;
    const now = () => this.#machines.now;
    return dnet([...line.split(" "), "--state", this.state], { random: this.#random, now, ...given });
  }

  /** Its result in one line; throws what it said when it failed. */
  async ok(line: string, given: Given = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(line, given);
    if (exitCode !== 0) throw new Error(`dnet ${line} ended with ${exitCode}: ${stderr}`);
    return stdout.trimEnd();
  }

  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects
  async json(line: string, given: Given = {}): Promise<any> {
    const { stdout } = await this.run(`${line} --json`, given);
    return JSON.parse(stdout);
  }

  /** Its error in two lines, and its exit code. */
  async error(line: string, given: Given & { readonly terminal?: FakeTerminal } = {}): Promise<string> {
    const { exitCode, stderr } = await this.run(line, given);
    return `${exitCode} ${stderr}`;
  }

  async key(which: "owner" | "node", form: "publicKey" | "c2pkh" = "publicKey"): Promise<string> {
    return (await this.json("wallet show"))[which][form];
  }
}
