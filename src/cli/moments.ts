/**
 * Moments in text, ISO 8601 in UTC unless they say another zone: `2026-03-01`, which is the end of that day, `2026-03-01T12:00`,
 * `2026-03-01T12:00:30.250Z`, `2026-03-01T12:00+01:00`. And spans from now on: `30m`, `24h`, `7d`.
 */
import { UsageError } from "./command.ts";
import { badOption } from "./option-values.ts";
import { printable } from "./printable.ts";

const DATE = /^(\d{4})-(\d\d)-(\d\d)$/;
const DATE_TIME = /^(\d{4}-\d\d-\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:\d\d)?$/;
const SPAN = /^(\d{1,5})(m|h|d)$/;
const UNITS_MS: { readonly [unit: string]: number } = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const DAY_MS = 86_400_000;
/** For the help of every command that takes one. */
export const MOMENTS_HELP =
  "A date is ISO 8601 in UTC: 2026-03-01 is the end of that day, 2026-03-01T12:00 that minute; with Z or +01:00 another zone.";

/** Ms since 1970; null for what is no such moment. */
export function parseMoment(text: string): number | null {
  if (DATE.test(text)) {
    const day = dayOf(text);
    return day === null ? null : day + DAY_MS - 1;
  }
  const [, date = "", hour, minute, second = "0", fraction = "", zone = "Z"] = DATE_TIME.exec(text) ?? [];
  const day = dayOf(date);
  const offset = offsetMs(zone);
  if (day === null || offset === null) return null;
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)];
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  return day + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + Number(fraction.padEnd(3, "0")) - offset;
}

/** Of an argument. Throws UsageError. */
export function requireMoment(text: string): number {
  const moment = parseMoment(text);
  if (moment !== null) return moment;
  throw new UsageError("BAD_DATE", `${printable(text)} is no date`, "2026-03-01, or 2026-03-01T12:00Z");
}

/** A span from `now` on, a moment, or `never`, which is null. Throws UsageError. */
export function parseEndOption(name: string, text: string, now: number): number | null {
  if (text === "never") return null;
  const [, digits, unit = ""] = SPAN.exec(text) ?? [];
  const end = unit ? now + Number(digits) * UNITS_MS[unit]! : parseMoment(text);
  if (end !== null && end > now) return end;
  throw badOption(name, text, "a span such as 24h or 7d, a date to come, or never", "7d");
}

/** `2026-03-01T12:00:30.250Z`, for scripts; null for never. */
export function isoMoment(moment: number | null): string | null {
  return moment === null ? null : new Date(moment).toISOString();
}

/** The first moment of a day, in UTC; null for a day that is not in the calendar. */
function dayOf(text: string): number | null {
  const [, year, month, day] = DATE.exec(text) ?? [];
  if (!year) return null;
  const moment = Date.UTC(Number(year), Number(month) - 1, Number(day));
  return new Date(moment).toISOString().startsWith(text) ? moment : null;
}

function offsetMs(zone: string): number | null {
  if (zone === "Z") return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4, 6))];
  if (hours > 14 || minutes > 59) return null;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 3_600_000 + minutes * 60_000);
}
