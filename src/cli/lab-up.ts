import { command } from "./command.ts";

export const labUp = command({
  name: "up",
  summary: "Build a laboratory of hosts behind NATs, until Ctrl-C; needs root",
  details: [
    "LAB is a preset (dnet lab presets) or a JSON file such as this:",
    "",
    "  {",
    '    "network": { "delayMs": 20, "loss": 0.01 },',
    '    "nats": {',
    '      "carrier": { "kind": "full-cone", "hairpins": false },',
    '      "home": { "kind": "port-restricted", "behind": "carrier", "expiryMs": 30000 }',
    "    },",
    '    "hosts": { "alice": { "behind": "home", "jitterMs": 5 }, "server": {} }',
    "  }",
    "",
    "Each host is a network namespace in which any program runs unchanged; nothing in it reaches the real network.",
    "Kinds of NAT: full-cone, address-restricted, port-restricted, sequential, random, linux, blocked.",
    "With --json the laboratory is printed as one line once it is up.",
  ].join("\n"),
  arguments: [{ name: "LAB", complete: "file" }],
  async run({ positionals: [lab = ""], values }, context) {
    const { terminal } = context;
    const { readLab } = await import("./lab-file.ts");
    const { labHelp, labPicture } = await import("./lab-picture.ts");
    const { runLab } = await import("../io/lab/lab.ts");
    const description = readLab(lab);
    await runLab(description, {
      signal: context.stopSignal(),
      onReady(view) {
        terminal.stdout.write(values.json ? `${JSON.stringify(view)}\n` : labPicture(view));
        if (!values.json) terminal.stderr.write(`\n${labHelp(view)}`);
      },
    });
  },
});
