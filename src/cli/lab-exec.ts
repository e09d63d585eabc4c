import { DnetError } from "../base/error.ts";
import { command, UsageError } from "./command.ts";
import { labOption, labPid } from "./lab-running.ts";

export const labExec = command({
  name: "exec",
  summary: "Run a program on a host of the running laboratory",
  details: "Before a command with options of its own stands --: dnet lab exec alice -- ping -c 3 192.31.196.2",
  arguments: [{ name: "HOST" }, { name: "COMMAND", isRepeated: true }],
  options: labOption,
  async run({ positionals: [host = "", ...words], values }, context) {
    const { readLab } = await import("../io/lab/control.ts");
    const { stations } = await readLab(await labPid(values.lab));
    const hosts = stations.filter(({ namespace }) => namespace !== null);
    const found = hosts.find(({ name }) => name === host);
    if (!found) {
      const names = hosts.map(({ name }) => name);
      throw new UsageError(
        "UNKNOWN_HOST",
        `${JSON.stringify(host)} is not a host of this laboratory; expected one of ${names.join(", ")}`,
        `dnet lab exec ${names[0]} -- ${words.join(" ")}`,
      );
    }
    context.stopSignal(); // Ctrl-C is for the program; we report how it ended
    const child = Bun.spawn(["ip", "netns", "exec", found.namespace!, ...words], {
      stdio: ["inherit", "inherit", "inherit"],
    });
    const exitCode = await child.exited;
    if (exitCode === 0) return;
    const end = child.signalCode ? `was ended by ${child.signalCode}` : `ended with exit code ${exitCode}`;
    throw new DnetError("COMMAND_FAILED", `${words[0]} on ${host} ${end}`, { hint: "read what it said, above" });
  },
});
