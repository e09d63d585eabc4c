import { resolve } from "node:path";
import { DnetError } from "../base/error.ts";
import type { TunnelView } from "../io/tunnel-view.ts";
import { type Context, command, type Terminal } from "./command.ts";
import { tunnelText } from "./tunnel-text.ts";

export const tunnelUp = command({
  name: "up",
  summary: "Start the tunnel that a file describes",
  details: [
    "FILE is in the format of wg-quick, with one key more in [Peer]: Suite = wireguard | dnet.",
    "The interface gets the file's name without .conf. The command returns when the tunnel works.",
  ].join("\n"),
  arguments: [{ name: "FILE", complete: "file" }],
  options: { foreground: { type: "boolean", description: "stay, log to standard error, and stop at Ctrl-C" } },
  async run({ positionals: [file = ""], values }, context) {
    const path = resolve(file);
    const { readTunnelFile } = await import("./tunnel-file.ts");
    const { config, warnings } = readTunnelFile(path);
    for (const warning of warnings) context.terminal.stderr.write(`${warning}\n`);
    const { tunnels, terminal } = context;
    await refuseRunning(config.name, context);
    if (values.foreground) {
      const stop = context.stopSignal();
      const log = (line: string) => terminal.stderr.write(`${new Date().toISOString()} ${line}\n`);
      await tunnels.run(config, { signal: stop, log, onReady: (view) => print(view, values.json, terminal) });
      return;
    }
    print(await tunnels.start(config.name, path), values.json, terminal);
  },
});

/**
 * Before anything is started: a second one would empty the log of the one that runs and, being in another network
 * namespace where its interface's name is free, take its socket.
 */
async function refuseRunning(name: string, { tunnels }: Context): Promise<void> {
  try {
    await tunnels.read(name);
  } catch (error) {
    if (error instanceof DnetError && error.failure === "not-running") return;
    throw error;
  }
  throw new DnetError("TUNNEL_RUNNING", `the tunnel ${name} is up already`, { hint: `dnet tunnel down ${name}` });
}

function print(view: TunnelView, json: boolean, { stdout, color }: Terminal): void {
  stdout.write(json ? `${JSON.stringify(view)}\n` : tunnelText(view, color));
}
