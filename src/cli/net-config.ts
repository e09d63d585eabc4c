import { command } from "./command.ts";
import { DNET, DNET_HELP, passphraseOptions, stateOptions } from "./dnetdb-options.ts";
import { optionConflict } from "./option-values.ts";

/** How soon a change of the record is in the file. */
const LOOK_EVERY_MS = 1_000;

export const netConfig = command({
  name: "config",
  summary: "Print what an application needs to connect a dnet's machines, as JSON",
  details: [
    "This machine's addresses, every other member's name, key and addresses, and the clouds and relays that serve the dnet.",
    "With --watch FILE follows the records, until Ctrl-C; it is written only when something in it has changed.",
    DNET_HELP,
  ].join("\n"),
  arguments: [DNET],
  options: {
    out: { type: "string", placeholder: "FILE", complete: "file", description: "write it there, unless that has it" },
    watch: { type: "boolean", description: "write it again whenever it changes" },
    ...passphraseOptions,
    ...stateOptions,
  },
  async run({ positionals: [text = ""], values }, context) {
    const { out, watch } = values;
    if (watch && out === undefined) throw optionConflict("--watch writes a file", "--out FILE --watch");
    const { inDnetDb } = await import("./dnetdb-run.ts");
    const { configurationText } = await import("../overlay/configuration.ts");
    const { writeChanged } = await import("../io/changed-file.ts");
    await inDnetDb(values, context, async (session) => {
      const dnet = session.dnet(text);
      const render = () =>
        configurationText(session.readable(dnet), session.wallet.nodeKeyPair.publicKey, context.now());
      if (out === undefined) return session.terminal.stdout.write(render());
      const write = () => {
        if (writeChanged(out, render())) session.printWords(`wrote ${out}\n`);
      };
      write();
      if (!watch) return;
      const stop = context.stopSignal();
      // Also without a change of the record: an authorisation may be over.
      while (!stop.aborted) {
        await Bun.sleep(LOOK_EVERY_MS);
        write();
      }
    });
  },
});
