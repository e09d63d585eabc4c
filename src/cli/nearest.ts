// Longer words get no suggestion: the distance is quadratic, and nobody mistypes a word of this length.
const MAX_WORD_CHARACTERS = 64;
const MAX_EDITS = 2;

/** The word that `typed` was most likely meant to be: one it begins, else the nearest within two edits; else null. */
export function nearest(typed: string, words: readonly string[]): string | null {
  if (typed === "" || typed.length > MAX_WORD_CHARACTERS) return null;
  const wanted = typed.toLowerCase();
  const begun = words.filter((word) => word.toLowerCase().startsWith(wanted));
  if (begun.length === 1) return begun[0]!;
  // Two edits turn any word of two letters into any other, so shorter words must match better.
  const bound = Math.min(MAX_EDITS, Math.floor(wanted.length / 2));
  const near = words
    .map((word) => ({ word, edits: editDistance(wanted, word.toLowerCase()) }))
    .filter(({ edits }) => edits <= bound)
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.word ?? null;
}

/**
 * How many characters to insert, delete, replace or swap with their neighbour to turn `a` into `b`, none of them twice.
 * Source: Damerau 1964, in the "optimal string alignment" form.
 */
export function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const above = rows[i - 1]!;
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        row[j - 1]! + 1,
        above[j]! + 1,
        above[j - 1]! + (same ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Infinity,
      );
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
