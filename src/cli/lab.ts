import { group } from "./command.ts";
import { labEvent } from "./lab-event.ts";
import { labExec } from "./lab-exec.ts";
import { labPresets } from "./lab-presets.ts";
import { labShow } from "./lab-show.ts";
import { labUp } from "./lab-up.ts";

export const lab = group({
  name: "lab",
  summary: "Put programs behind NATs of every kind on this machine, to reproduce what others report",
  subcommands: [labUp, labShow, labExec, labEvent, labPresets],
});
