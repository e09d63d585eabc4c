import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dnet } from "./fake-context.ts";

const folder = mkdtempSync(join(tmpdir(), "dnet-completion-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "wg home.conf"), "");
writeFileSync(join(folder, "wg0.conf"), "");
// Stands for the dnet that is completed: two tunnels run.
writeFileSync(join(folder, "dnet"), "#!/bin/sh\nprintf 'interface: wg0\\n  mtu: 1420\\n\\ninterface: wg1\\n'\n", {
  mode: 0o755,
});

// What each shell is asked to say, given the completion script as $1 and the typed words after it.
const ASK: { readonly [shell: string]: string } = {
  bash: `compopt() { :; }; source "$1"; shift
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dnet; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: `_describe() { print -l -- "\${(@)\${(P)4}%%:*}" | grep -e "^$PREFIX"; }; _files() { print -l -- $PREFIX*(N); }
    compdef() { :; }; source "$1"; shift
    words=("$@"); CURRENT=$#; PREFIX=$words[-1]; _dnet`,
  fish: `source $argv[1]; complete -C "$argv[2..]" | string replace -r '\\t.*' ''`,
};

async function complete(shell: string, ...words: string[]): Promise<string[]> {
  const script = join(folder, `completion.${shell}`);
  writeFileSync(script, (await dnet(["completion", shell])).stdout);
  const typed = ["dnet", ...words];
  const argv: { readonly [shell: string]: string[] } = {
    bash: ["bash", "--norc", "-c", ASK["bash"]!, "bash", script, ...typed],
    zsh: ["zsh", "-f", "-c", ASK["zsh"]!, "zsh", script, ...typed],
    fish: ["fish", "--no-config", "-c", ASK["fish"]!, script, ...typed],
  };
  const { stdout, stderr } = Bun.spawnSync(argv[shell]!, {
    cwd: folder,
    env: { ...process.env, HOME: folder, PATH: `${folder}:${process.env["PATH"]}` },
  });
  expect(stderr.toString()).toBe("");
  const lines = stdout.toString().split("\n");
  return lines.filter((line) => line !== "").toSorted();
}

for (const shell of ["bash", "zsh", "fish"]) {
  const isInstalled = Bun.which(shell) !== null;
  const name = `${shell} completes commands, flags, files, running tunnels and shells`;
  test.skipIf(!isInstalled)(isInstalled ? name : `${name} (skipped: ${shell} is not installed)`, async () => {
    expect(await complete(shell, "t")).toEqual(["tunnel"]);
    expect(await complete(shell, "tunnel", "gen")).toEqual(["genkey", "genpsk"]);
    expect(await complete(shell, "tunnel", "up", "--f")).toEqual(["--foreground"]);
    expect(await complete(shell, "tunnel", "up", "wg")).toEqual(["wg home.conf", "wg0.conf"]);
    expect(await complete(shell, "tunnel", "down", "w")).toEqual(["wg0", "wg1"]);
    expect(await complete(shell, "tunnel", "--json", "sh")).toEqual(["show"]);
    expect(await complete(shell, "completion", "")).toEqual(expect.arrayContaining(["bash", "fish", "zsh"]));
    expect(await complete(shell, "help", "v")).toEqual(["version"]);
    expect(await complete(shell, "version", "x")).toEqual([]);
  });

  const valueName = `${shell} completes the value of an option where it needs one, and options where it may be left out`;
  test.skipIf(!isInstalled)(isInstalled ? valueName : `${valueName} (skipped: ${shell} is not installed)`, async () => {
    expect(await complete(shell, "gateway", "--bo")).toEqual(["--bootstrap"]);
    expect(await complete(shell, "gateway", "--bootstrap", "--h")).toEqual(["--help", "--host"]);
    expect(await complete(shell, "dht", "node", "--no-b")).toEqual(["--no-bootstrap"]);
    expect(await complete(shell, "dht", "put", "value", "--key-file", "wg")).toEqual(["wg home.conf", "wg0.conf"]);
    expect(await complete(shell, "gateway", "--host", "w")).toEqual([]);
    expect(await complete(shell, "dht", "key")).toEqual(["keygen"]);
  });
}

test("as JSON the script comes with the name of its shell", async () => {
  expect((await dnet(["completion", "fish", "--json"])).json()).toMatchObject({
    schema: "dnet.completion/1",
    shell: "fish",
    script: (await dnet(["completion", "fish"])).stdout,
  });
});
