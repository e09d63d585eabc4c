/** The values of options: text → what it means. Whatever has no meaning is refused by one error that names option and value. */
import type { Address } from "../base/address.ts";
import { ip4Number } from "../base/ip4.ts";
import { UsageError } from "./command.ts";
import { printable } from "./printable.ts";

/** `expected` completes a sentence that begins "expected "; `example` is a value that would do. */
export function badOption(name: string, text: string, expected: string, example: string): UsageError {
  const shown = text === "" ? "empty" : printable(text);
  return new UsageError("BAD_OPTION", `--${name} is ${shown}; expected ${expected}`, `--${name} ${example}`);
}

/** Options that make no sense together, or one without another. `hint` says what to give instead. */
export function optionConflict(message: string, hint: string): UsageError {
  return new UsageError("OPTION_CONFLICT", message, hint);
}

export interface IntegerRange {
  readonly least: number;
  readonly most: number;
  readonly example: number;
  /** What the number is: "a port". */
  readonly what: string;
}

export function parseIntegerOption(name: string, text: string, { least, most, example, what }: IntegerRange): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw badOption(name, text, `${what} from ${least} to ${most}`, String(example));
}

/** `500ms`, `30s`, `2m`; a number alone is seconds. Returns milliseconds. */
export function parseSpanOption(name: string, text: string): number {
  const [, digits = "0", unit = "s"] = /^(\d{1,7})(ms|s|m)?$/.exec(text) ?? [];
  const spanMs = Number(digits) * (UNITS_MS[unit] ?? 0);
  if (spanMs > 0 && spanMs <= MAX_SPAN_MS) return spanMs;
  throw badOption(name, text, "a span of up to an hour, such as 500ms, 30s or 2m", "30s");
}

const UNITS_MS: { readonly [unit: string]: number } = { ms: 1, s: 1_000, m: 60_000 };
const MAX_SPAN_MS = 3_600_000;

/** The elements of `a,b` and of further such lists. An empty one stays, to be refused by whoever reads it. */
export function splitLists(lists: readonly string[]): string[] {
  return lists.flatMap((list) => list.split(","));
}

/** `192.0.2.1:1776`; a name in the place of the address is refused. */
export function parseIp4AddressOption(name: string, text: string): Address {
  const address = parseIp4Address(text);
  if (address) return address;
  throw badOption(name, text, "an IPv4 address and a port", "192.0.2.1:1776");
}

function parseIp4Address(text: string): Address | null {
  const [, host = "", digits = ""] = /^([\d.]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  return ip4Number(host) >= 0 && port > 0 && port <= 65_535 ? { host, port } : null;
}
