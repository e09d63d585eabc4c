import { type Command, command } from "./command.ts";

export const completion = command({
  name: "completion",
  summary: "Print a script that completes dnet commands in your shell",
  details: [
    "bash: dnet completion bash > ~/.local/share/bash-completion/completions/dnet",
    "zsh:  dnet completion zsh > a file _dnet in one of the folders of $fpath",
    "fish: dnet completion fish > ~/.config/fish/completions/dnet.fish",
  ].join("\n"),
  arguments: [{ name: "SHELL", choices: ["bash", "zsh", "fish"] }],
  async run({ positionals: [shell], values }, { terminal, root }) {
    const scripts = await import("./completion-scripts.ts");
    const write: { readonly [shell: string]: (root: Command) => string } = {
      bash: scripts.bashCompletion,
      zsh: scripts.zshCompletion,
      fish: scripts.fishCompletion,
    };
    const script = write[shell!]!(root);
    terminal.stdout.write(values.json ? `${JSON.stringify({ schema: "dnet.completion/1", shell, script })}\n` : script);
  },
});
