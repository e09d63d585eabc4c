/** Ms since 1970 as `2026-03-01 12:00:30Z`, for people. */
export function momentText(moment: number): string {
  return `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")}Z`;
}
