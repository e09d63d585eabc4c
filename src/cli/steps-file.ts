import { decodeSteps, type Step } from "../overlay/dnetdb/steps.ts";
import type { Context } from "./command.ts";
import { readText } from "./input-file.ts";
import { escaped } from "./printable.ts";

const MAX_BYTES = 1 << 26;

/** What a `--draft` has written, perhaps on another machine. Throws DnetError. Its notes can be shown. */
export async function readSteps(path: string, context: Context): Promise<Step[]> {
  const steps = decodeSteps(await readText(path, MAX_BYTES, context));
  return steps.map((step) => ({ ...step, note: escaped(step.note) }));
}
