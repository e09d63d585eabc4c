import { command } from "./command.ts";
import { tunnelNameOf } from "./wg-quick.ts";

export const tunnelDown = command({
  name: "down",
  summary: "Stop a running tunnel and remove its interface",
  details: "NAME is the interface's name, or the file that the tunnel was started from.",
  arguments: [{ name: "NAME", complete: "tunnel" }],
  async run({ positionals: [named = ""], values }, { terminal, tunnels }) {
    const name = tunnelNameOf(named);
    await tunnels.stop(name);
    if (values.json) terminal.stdout.write(`${JSON.stringify({ schema: "dnet.tunnel-down/1", name })}\n`);
    else terminal.stderr.write(`${name} is down\n`);
  },
});
