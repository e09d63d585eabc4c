/** The results for people, in plain text. */
import { METRICS, type Metric, median, type Round, ratiosOf, valuesOf } from "./metrics.ts";
import { type Bounds, isWithin, type Verdict } from "./targets.ts";
import { RAW } from "./tools.ts";

const BAR_CHARACTERS = 40;
const MAX_COLUMNS = 8;

/** A title, a head and rows; the first column to the left, the others to the right. */
export function grid(title: string, rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  "),
  );
  return [...(title === "" ? [] : [title]), ...lines, ""].map((line) => line.trimEnd()).join("\n");
}

/** Three digits, four from a hundred on, and every one before the point. */
export function figure(value: number | null): string {
  if (value === null) return "-";
  return value >= 1000 ? value.toFixed(0) : value.toPrecision(value >= 100 ? 4 : 3);
}

/** `2.31 (2.20–2.44)`: the median and how far the rounds spread; of one round the value alone. */
export function spreadText(values: readonly number[]): string {
  const value = figure(median(values));
  if (values.length < 2) return value;
  return `${value} (${figure(Math.min(...values))}–${figure(Math.max(...values))})`;
}

/** The medians, tool by tool. */
export function valueTables(rounds: readonly Round[], tools: readonly string[]): string[] {
  return pages(measured(rounds, tools)).map((metrics, page) =>
    grid(page === 0 ? `values (${rounds.length === 1 ? "of one round" : `medians of ${rounds.length} rounds`})` : "", [
      ["", ...metrics.map(({ title }) => title)],
      ["", ...metrics.map(({ unit }) => unit)],
      ...tools.map((tool) => [tool, ...metrics.map(({ name }) => figure(median(valuesOf(rounds, tool, name))))]),
    ]),
  );
}

/** The medians of the ratios to one tool within each round, with their spread. */
export function ratioTables(rounds: readonly Round[], tools: readonly string[], reference: string): string[] {
  const metrics = measured(rounds, [reference]).filter(({ group }) => reference !== RAW || group !== "start");
  return pages(metrics, MAX_COLUMNS / 2).map((page, i) =>
    grid(i === 0 ? `multiples of ${reference}: medians of the ratios within each round (lowest–highest)` : "", [
      ["", ...page.map(({ title }) => title)],
      ["better", ...page.map(({ better }) => better)],
      ...tools.map((tool) => [tool, ...page.map(({ name }) => spreadText(ratiosOf(rounds, name, tool, reference)))]),
    ]),
  );
}

/** The ratios of one metric as bars. */
export function bars(rounds: readonly Round[], tools: readonly string[], metric: Metric, reference: string): string {
  const entries = tools.flatMap((tool) => {
    const ratio = median(ratiosOf(rounds, metric.name, tool, reference));
    return ratio === null ? [] : [{ tool, ratio }];
  });
  const longest = Math.max(...entries.map(({ ratio }) => ratio));
  const rows = entries.map(({ tool, ratio }) => {
    const length = Math.max(1, Math.round((ratio / longest) * BAR_CHARACTERS));
    return [tool, "█".repeat(length).padEnd(BAR_CHARACTERS), `${ratio.toFixed(2)} ×`];
  });
  return rows.length === 0 ? "" : grid(`${metric.title}, multiples of ${reference}`, rows);
}

/** Met or not, and in a last line what this run did not measure. */
export function targetTable(verdicts: readonly Verdict[]): string {
  const judged = verdicts.filter(({ isMet }) => isMet !== null);
  const rows = judged.map(({ target, spread, isMet }) => {
    const { claim, tool, against } = target;
    const wanted = `${boundsText(target)}${against ? " ×" : ""}`;
    return [claim, tool, against ?? "", wanted, spreadText(spread), metText(isMet)];
  });
  const missing = verdicts.filter(({ isMet }) => isMet === null).map(({ target }) => target.claim);
  const rest = missing.length > 0 ? `not measured: ${missing.join("; ")}\n` : "";
  if (rows.length === 0) return rest;
  return grid("targets", [["", "tool", "against", "wanted", "measured", ""], ...rows]) + rest;
}

/** What was promised of a benchmark's figure. */
export interface Claim extends Bounds {
  readonly claim: string;
  readonly value: number;
  /** Behind the number: " ×", say. */
  readonly unit?: string;
  /** Otherwise it is shown and not judged. */
  readonly isTarget?: boolean;
}

/** Each with its verdict. */
export function claimTable(title: string, claims: readonly Claim[]): string {
  const rows = claims.map((claim) => {
    const { value, unit = " ×", isTarget = true } = claim;
    const verdict = isTarget ? metText(isWithin(value, claim)) : "";
    return [claim.claim, `${boundsText(claim)}${unit}`, `${figure(value)}${unit}`, verdict];
  });
  return grid(title, [["", "wanted", "measured", ""], ...rows]);
}

const boundsText = ({ atLeast, atMost }: Bounds) =>
  atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
const metText = (isMet: boolean | null) => (isMet ? "met" : "NOT MET");

/** The metrics that any of the tools has a figure for. */
function measured(rounds: readonly Round[], tools: readonly string[]): Metric[] {
  return METRICS.filter(({ name }) => tools.some((tool) => valuesOf(rounds, tool, name).length > 0));
}

/** As few pages as can be, of about equal length. */
function pages<Item>(items: readonly Item[], most = MAX_COLUMNS): Item[][] {
  const count = Math.ceil(items.length / most);
  const size = Math.ceil(items.length / count);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
