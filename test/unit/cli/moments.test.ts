import { expect, test } from "bun:test";
import { momentText } from "../../../src/base/moment-text.ts";
import { UsageError } from "../../../src/cli/command.ts";
import { isoMoment, parseEndOption, parseMoment, requireMoment } from "../../../src/cli/moments.ts";

test("a date alone is its end in UTC; with a time it is that moment, in the zone that it names", () => {
  const readings: [string, string][] = [
    ["2026-03-01", "2026-03-01T23:59:59.999Z"],
    ["2024-02-29", "2024-02-29T23:59:59.999Z"],
    ["2026-03-01T12:00", "2026-03-01T12:00:00.000Z"],
    ["2026-03-01T12:00Z", "2026-03-01T12:00:00.000Z"],
    ["2026-03-01T12:00:30", "2026-03-01T12:00:30.000Z"],
    ["2026-03-01T12:00:30.25Z", "2026-03-01T12:00:30.250Z"],
    ["2026-03-01T00:30+01:00", "2026-02-28T23:30:00.000Z"],
    ["2026-03-01T12:00-05:30", "2026-03-01T17:30:00.000Z"],
  ];
  for (const [text, wanted] of readings) expect(isoMoment(parseMoment(text))).toBe(wanted);
  expect(momentText(Date.parse("2026-03-01T12:00:30.250Z"))).toBe("2026-03-01 12:00:30Z");
});

test("what is in no calendar is no date", () => {
  const none = [
    "",
    "today",
    "2026",
    "2026-3-1",
    "2026-02-29",
    "2026-13-01",
    "2026-00-10",
    "2026-03-01T24:00",
    "2026-03-01T12:60",
  ];
  for (const text of [...none, "2026-03-01T12:00:61Z", "2026-03-01T12:00+99:00", "2026-03-01 12:00", " 2026-03-01"]) {
    expect(parseMoment(text)).toBeNull();
    expect(() => requireMoment(text)).toThrow(UsageError);
  }
});

test("an end is a span from now on, a date to come, or never", () => {
  const now = Date.parse("2026-03-01T12:00:00Z");
  const end = (text: string) => isoMoment(parseEndOption("expires", text, now));
  expect(end("30m")).toBe("2026-03-01T12:30:00.000Z");
  expect(end("7d")).toBe("2026-03-08T12:00:00.000Z");
  expect(end("2026-04-01")).toBe("2026-04-01T23:59:59.999Z");
  expect(end("never")).toBeNull();
  for (const text of ["0d", "7", "7w", "2026-02-01", "2026-03-01T12:00Z", ""])
    expect(() => end(text)).toThrow("--expires is");
});
