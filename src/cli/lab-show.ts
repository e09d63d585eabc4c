import { command } from "./command.ts";
import { labOption, labPid } from "./lab-running.ts";

export const labShow = command({
  name: "show",
  summary: "Show the running laboratory: who stands where, and what became of packets",
  options: labOption,
  async run({ values }, { terminal: { stdout } }) {
    const { readLab } = await import("../io/lab/control.ts");
    const { labPicture } = await import("./lab-picture.ts");
    const view = await readLab(await labPid(values.lab));
    stdout.write(values.json ? `${JSON.stringify(view)}\n` : labPicture(view));
  },
});
