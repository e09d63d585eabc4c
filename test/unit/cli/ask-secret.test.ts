/** A real terminal: the program runs on a pseudo-terminal, whose state is asked for by stty(1) once it has ended. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../support/until.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-typed-"));
afterAll(() => rmSync(folder, { recursive: true }));
const MAIN = join(import.meta.dir, "../../../src/main.ts");
let made = 0;

class Typist {
  seen = "";
  readonly terminal = new Bun.Terminal({
    data: (_, bytes) => {
      this.seen += new TextDecoder().decode(bytes);
    },
  });
  readonly state = join(folder, String(++made));

  run(words: string, state = this.state) {
    const command = [process.execPath, MAIN, ...words.split(" "), "--state", state];
    return Bun.spawn(command, { terminal: this.terminal });
  }

  asked(prompt: string): Promise<unknown> {
    return until(`it asks ${prompt}`, () => this.seen.endsWith(prompt));
  }

  /** Whether the terminal shows what is typed, and reads by lines. */
  async isAsItWas(): Promise<boolean> {
    const from = this.seen.length;
    await Bun.spawn(["stty", "-a"], { terminal: this.terminal }).exited;
    await until("stty has said it", () => this.seen.slice(from).endsWith("extproc\r\n"));
    const settings = this.seen.slice(from).split(/\s+/);
    return ["echo", "icanon", "isig"].every((each) => settings.includes(each));
  }
}

test("a passphrase is asked for on the terminal, twice when it is new, not shown, and the terminal is as it was", async () => {
  const typist = new Typist();
  const setting = typist.run("wallet passphrase");
  await typist.asked("new passphrase: ");
  typist.terminal.write("wrong\x15correct hoarse\x7f\x7f\x7f\x7fse\r");
  await typist.asked("the same again: ");
  typist.terminal.write("correct hose\n");
  expect(await setting.exited).toBe(0);
  await until("it says so", () => typist.seen.includes("the owner's key is locked\r\n"));
  const using = typist.run("net create home --passphrase-file -");
  await typist.asked("passphrase: ");
  typist.terminal.write("correct hose\r");
  expect(await using.exited).toBe(0);
  // Typed ahead, and all at once: the present one, then the new one twice.
  const changing = typist.run("wallet passphrase --passphrase-file -");
  await typist.asked("present passphrase: ");
  typist.terminal.write("correct hose\rnext\rnextt\r");
  expect(await changing.exited).toBe(2);
  await until("it says so", () => typist.seen.includes("error PASSPHRASES_DIFFER: "));
  expect(typist.seen).not.toContain("hose");
  expect(typist.seen).not.toContain("next");
  expect(await typist.isAsItWas()).toBe(true);
}, 30_000);

test("Ctrl-C, Ctrl-D and signals end it, and leave the terminal as it was", async () => {
  const typist = new Typist();
  const ends = [
    { end: () => typist.terminal.write("abc\x03"), signal: "SIGINT" },
    { end: (pid: number) => process.kill(pid, "SIGTERM"), signal: "SIGTERM" },
    { end: (pid: number) => process.kill(pid, "SIGHUP"), signal: "SIGHUP" },
    { end: () => typist.terminal.write("\x04"), signal: null },
  ] as const;
  for (const { end, signal } of ends) {
    const asking = typist.run("wallet passphrase");
    await typist.asked("new passphrase: ");
    end(asking.pid);
    await asking.exited;
    expect(signal ? asking.signalCode : asking.exitCode).toBe(signal ?? 2);
    expect(await typist.isAsItWas()).toBe(true);
  }
  expect(typist.seen).toContain("error NOTHING_TYPED: ");
  expect(typist.seen).not.toContain("abc");
}, 30_000);
