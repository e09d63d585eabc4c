import { command } from "./command.ts";
import { tunnelText } from "./tunnel-text.ts";
import { tunnelNameOf } from "./wg-quick.ts";

export const tunnelShow = command({
  name: "show",
  summary: "Show a running tunnel, or all of them",
  details: "NAME is the interface's name, or the file that the tunnel was started from.",
  arguments: [{ name: "NAME", isOptional: true, complete: "tunnel" }],
  async run({ positionals: [named], values }, { terminal, tunnels }) {
    const { stdout, stderr, color } = terminal;
    if (named !== undefined) {
      const view = await tunnels.read(tunnelNameOf(named));
      stdout.write(values.json ? `${JSON.stringify(view)}\n` : tunnelText(view, color));
      return;
    }
    const names = (await tunnels.running()).toSorted();
    const views = await Promise.all(names.map((name) => tunnels.read(name)));
    if (values.json) stdout.write(`${JSON.stringify({ schema: "dnet.tunnels/1", tunnels: views })}\n`);
    else if (views.length === 0) stderr.write("no tunnel is running\n");
    else stdout.write(views.map((view) => tunnelText(view, color)).join("\n"));
  },
});
