/** Which of the laboratories that run a command means. */
import { DnetError } from "../base/error.ts";
import type { Options } from "./command.ts";
import { optionConflict, parseIntegerOption } from "./option-values.ts";

export const labOption = {
  lab: { type: "string", placeholder: "PID", description: "where several run: the one of this process" },
} as const satisfies Options;

/** Throws DnetError when none runs, or several and none was named. */
export async function labPid(named: string | undefined): Promise<number> {
  if (named !== undefined) {
    return parseIntegerOption("lab", named, { least: 1, most: 2 ** 22, example: 4242, what: "a process id" });
  }
  const { runningLabs } = await import("../io/lab/control.ts");
  const [pid, ...others] = await runningLabs();
  if (pid === undefined) {
    throw new DnetError("LAB_NOT_RUNNING", "no laboratory is running", {
      failure: "not-running",
      hint: "sudo dnet lab up cone-cone, in another terminal",
    });
  }
  if (others.length === 0) return pid;
  throw optionConflict(`${others.length + 1} laboratories are running`, `--lab ${[pid, ...others].join(" or --lab ")}`);
}
