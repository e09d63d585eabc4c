/** What kind of failure it is; the command line turns it into an exit code (`src/cli/exit-codes.ts`). */
export type Failure =
  | "failure"
  | "usage"
  | "not-running"
  | "not-authorised"
  | "unknown-peer"
  | "unreachable"
  | "permission"
  | "configuration"
  | "degraded";

/**
 * Something a person can mend. `code` is stable and in capitals (`TUN_DENIED`), `message` says what happened and to which
 * value, `hint` what to do next. None of the three ever holds a secret.
 */
export class DnetError extends Error {
  override name = "DnetError";
  readonly code: string;
  readonly hint: string | null;
  readonly failure: Failure;

  constructor(code: string, message: string, options: { hint?: string; failure?: Failure; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.hint = options.hint ?? null;
    this.failure = options.failure ?? "failure";
  }
}
