import { expect, test } from "bun:test";
import { refusalHint, refusalMeaning } from "../../../src/cli/refusal-words.ts";
import { REFUSALS } from "../../../src/overlay/dnetdb/rules.ts";
import { STATEMENT_REFUSALS } from "../../../src/overlay/dnetdb/witnesses.ts";

test("every reason of a refusal has words, and what there is to do", () => {
  for (const why of [...Object.keys(REFUSALS), ...Object.keys(STATEMENT_REFUSALS), "MALFORMED", "WRONG_HASH"]) {
    expect([why, refusalMeaning(why)]).toEqual([why, expect.stringContaining(" ")]);
    expect(refusalHint(why, 0)).toContain(" ");
  }
  expect(refusalMeaning("FORKED_CLOUD")).toBe(STATEMENT_REFUSALS.FORKED_CLOUD);
  expect(refusalHint("ABSURD_TIME", 0)).toEndWith("this machine's says 1970-01-01 00:00:00Z");
});
