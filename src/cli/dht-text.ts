/** Columns under their names, as wide as what is in them; the last one ends where it ends. */
export function tableText(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [names, ...rows];
  const widths = names.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

/** `0.42 ms`, `37 ms`. */
export function millisecondsText(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
}

/** To a microsecond: what a script reads has no use for more. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
