/** Why a step was refused, for a person, and what there is to do. */
import { DnetError } from "../base/error.ts";
import { momentText } from "../base/moment-text.ts";
import { REFUSALS, type Refusal } from "../overlay/dnetdb/rules.ts";

/** Of a reason that the rules do not name it is the form that is wrong. */
export function refusalMeaning(why: string): string {
  return Object.hasOwn(REFUSALS, why) ? REFUSALS[why as Refusal] : "it is not in the form that steps have";
}

/** `now`: ms since 1970. */
export function refusalHint(why: string, now: number): string {
  if (why === "SPENT_INPUT") return "have the draft made anew";
  if (why === "ABSURD_TIME")
    return `set the clock right, here or of who signed it; this machine's says ${momentText(now)}`;
  return "dnet db log shows how it stands";
}

/** Of a file whose first step was refused, and with it all that follow. */
export function nothingTaken(path: string, why: string, now: number): DnetError {
  return new DnetError("RECORDS_REFUSED", `nothing of ${path} was accepted, ${why}: ${refusalMeaning(why)}`, {
    hint: refusalHint(why, now),
  });
}
