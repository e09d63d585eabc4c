/** Stops the process when a belief of our own does not hold: our mistake, never a stranger's. On in production. */
export function assert(condition: unknown, mustBeTrue: string): asserts condition {
  if (!condition) throw new AssertionError(mustBeTrue);
}

export class AssertionError extends Error {
  override name = "AssertionError";
  constructor(mustBeTrue: string) {
    super(`this must be true: ${mustBeTrue}`);
  }
}
