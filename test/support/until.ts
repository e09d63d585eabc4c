/** How often a condition is looked at. Conditions that start a program should ask for longer. */
const LOOK_EVERY_MS = 10;

/**
 * Waits until `probe` gives something true, and returns that. Throws after `withinMs`, naming `what` and the last answer.
 * A probe that throws is looked at again, as what it asks may not be there yet.
 */
export async function until<Answer>(
  what: string,
  probe: () => Answer | Promise<Answer>,
  { withinMs = 5_000, everyMs = LOOK_EVERY_MS } = {},
): Promise<Exclude<Answer, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const last = await Promise.resolve()
      .then(probe)
      .catch((error: unknown) => error as Error);
    const isError = last instanceof Error;
    if (last && !isError) return last as Exclude<Answer, false | null | undefined>;
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${withinMs} ms (${isError ? last.message : JSON.stringify(last)})`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
