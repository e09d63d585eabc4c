import { expect, test } from "bun:test";
import { LiveLine } from "../../../src/cli/live-line.ts";
import { FakeTerminal } from "./fake-context.ts";

test("a live line is rewritten in place, cut before the last column, and makes room for lines that stay", () => {
  const terminal = new FakeTerminal({ columns: 8 });
  const live = new LiveLine(terminal);
  live.show("one");
  live.show("two · three");
  live.printResult("result\n");
  live.printWords("words\n");
  live.show("four");
  live.clear();
  live.clear();
  expect(terminal.output).toBe("result\n");
  expect(terminal.errors).toBe("\rone\x1b[K\rtwo · t\x1b[K\r\x1b[Kwords\n\rfour\x1b[K\r\x1b[K");
});

test("without a terminal there is no live line, and lines that stay are written as they are", () => {
  const terminal = new FakeTerminal();
  const live = new LiveLine(terminal);
  expect(live.isPossible).toBe(false);
  live.show("one");
  live.printWords("words\n");
  live.clear();
  expect(terminal.errors).toBe("words\n");
});
