/** Why a step was refused, for a person, and what there is to do. */
import { DnetError } from "../base/error.ts";
import { momentText } from "../base/moment-text.ts";
import { REFUSALS } from "../overlay/dnetdb/rules.ts";
import { STATEMENT_REFUSALS } from "../overlay/dnetdb/witnesses.ts";

const FORM = "it is not in the form that it has to have";
const MEANINGS: { readonly [why: string]: string } = {
  ...STATEMENT_REFUSALS,
  ...REFUSALS,
  MALFORMED: FORM,
  WRONG_HASH: FORM,
};

/** Of a step, or of what a cloud says of one. */
export function refusalMeaning(why: string): string {
  return MEANINGS[why] ?? why;
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
