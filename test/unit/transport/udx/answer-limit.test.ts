import { expect, test } from "bun:test";
import { AnswerLimit } from "../../../../src/transport/udx/answer-limit.ts";

test("a few at once, and then a hundred a second", () => {
  const limit = new AnswerLimit();
  let answers = 0;
  for (let now = 0; now < 1_000; now += 0.01) if (limit.take(now)) answers++;
  expect(answers).toBeGreaterThan(100);
  expect(answers).toBeLessThan(120);
  expect(limit.take(5_000)).toBe(true);
});
