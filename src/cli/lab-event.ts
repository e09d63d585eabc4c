import { EVENTS } from "../io/lab/disturbance.ts";
import { command } from "./command.ts";
import { labOption, labPid } from "./lab-running.ts";

const forms = Object.values(EVENTS);
const width = Math.max(...forms.map(([words]) => words.length));

export const labEvent = command({
  name: "event",
  summary: "Disturb the running laboratory: reboot a NAT, move a host, cut a line",
  details: [
    ...forms.map(([words, summary]) => `${words.padEnd(width)}  ${summary}`),
    "",
    "It has taken effect when the command returns. NAME is a host or a NAT; of what happens behind a NAT, no host is told.",
  ].join("\n"),
  arguments: [
    { name: "NAME" },
    { name: "EVENT", choices: Object.keys(EVENTS) },
    { name: "WORD", isOptional: true, isRepeated: true },
  ],
  options: labOption,
  async run({ positionals: [name = "", event = "", ...words], values }, { terminal }) {
    const { disturbLab } = await import("../io/lab/control.ts");
    const { labPicture } = await import("./lab-picture.ts");
    const view = await disturbLab(await labPid(values.lab), { name, event, words });
    terminal.stdout.write(values.json ? `${JSON.stringify(view)}\n` : labPicture(view));
  },
});
