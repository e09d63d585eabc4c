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
    const { views, silent } = await tunnels.readAll();
    const sorted = views.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    for (const name of silent.toSorted())
      stderr.write(`warning: ${name} does not answer; see dnet tunnel show ${name}\n`);
    if (values.json) stdout.write(`${JSON.stringify({ schema: "dnet.tunnels/1", tunnels: sorted, silent })}\n`);
    else if (sorted.length > 0) stdout.write(sorted.map((view) => tunnelText(view, color)).join("\n"));
    else if (silent.length === 0) stderr.write("no tunnel of this user is running\n");
  },
});
