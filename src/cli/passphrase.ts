import { DnetError } from "../base/error.ts";
import type { Context } from "./command.ts";
import { readInput } from "./input-file.ts";
import { printable } from "./printable.ts";

const MAX_BYTES = 1_024;

/** The first line of a file or, for `-`, of standard input, without its end. Throws DnetError, which never says what is in it. */
export async function readPassphrase(path: string, context: Context): Promise<string> {
  const [line = ""] = new TextDecoder().decode(await readInput(path, MAX_BYTES, context)).split(/\r?\n/, 1);
  if (line !== "") return line;
  throw new DnetError("NO_PASSPHRASE", `there is no passphrase in the first line of ${printable(path)}`, {
    failure: "configuration",
    hint: "a file whose first line it is",
  });
}
