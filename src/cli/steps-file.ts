import { DnetError } from "../base/error.ts";
import { decodeSteps, type Step } from "../overlay/dnetdb/steps.ts";
import type { Context } from "./command.ts";
import { readText } from "./input-file.ts";
import { escaped, printable } from "./printable.ts";

const MAX_BYTES = 1 << 26;

/** What a `--draft` has written, perhaps on another machine. Throws DnetError. Its notes can be shown. */
export async function readSteps(path: string, context: Context): Promise<Step[]> {
  const text = await readText(path, MAX_BYTES, context);
  try {
    return decodeSteps(text).map((step) => ({ ...step, note: escaped(step.note) }));
  } catch (error) {
    if (!(error instanceof DnetError)) throw error;
    throw new DnetError(error.code, `${printable(path)}: ${error.message}`, {
      failure: "configuration",
      hint: "have the draft made anew",
      cause: error,
    });
  }
}
