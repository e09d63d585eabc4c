import { command, UsageError } from "./command.ts";
import { nearest } from "./nearest.ts";

export const labPresets = command({
  name: "presets",
  summary: "List the laboratories that are ready, or print one as a file to start from",
  arguments: [{ name: "NAME", isOptional: true }],
  async run({ positionals: [wanted], values }, { terminal: { stdout } }) {
    const { PRESETS } = await import("../io/lab/presets.ts");
    if (wanted === undefined) {
      const width = Math.max(...PRESETS.map(({ name }) => name.length));
      const lines = PRESETS.map(({ name, summary }) => `${name.padEnd(width)}  ${summary}\n`);
      stdout.write(
        values.json ? `${JSON.stringify({ schema: "dnet.lab-presets/1", presets: PRESETS })}\n` : lines.join(""),
      );
      return;
    }
    const found = PRESETS.find(({ name }) => name === wanted);
    if (found) return stdout.write(`${JSON.stringify(found.description, null, values.json ? 0 : 2)}\n`);
    const names = PRESETS.map(({ name }) => name);
    throw new UsageError(
      "UNKNOWN_PRESET",
      `${JSON.stringify(wanted)} is not a preset; expected one of ${names.join(", ")}`,
      `dnet lab presets ${nearest(wanted, names) ?? ""}`.trimEnd(),
    );
  },
});
