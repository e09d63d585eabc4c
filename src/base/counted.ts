/** `1 node`, `2 nodes`. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** `20 GB`, where a kB is 1000: exactly, in the largest unit of which it is a whole number. */
export function countedBytes(bytes: number): string {
  const units = ["kB", "MB", "GB", "TB"];
  let [unit, count] = ["", bytes];
  for (const larger of units) {
    if (count % 1_000 !== 0) break;
    [unit, count] = [larger, count / 1_000];
  }
  return unit === "" ? counted(bytes, "byte") : `${count} ${unit}`;
}
