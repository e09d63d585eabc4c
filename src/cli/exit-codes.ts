import type { Failure } from "../base/error.ts";

/** What the command's exit code tells a script. The numbers are a promise; 7 is left free. */
export interface ExitCode {
  readonly code: number;
  /** Which failure of `DnetError` ends with this code; null is success. */
  readonly failure: Failure | null;
  readonly meaning: string;
}

export const exitCodes: readonly ExitCode[] = [
  { code: 0, failure: null, meaning: "done" },
  { code: 1, failure: "failure", meaning: "failed; the error says why" },
  { code: 2, failure: "usage", meaning: "the command line was not understood" },
  { code: 3, failure: "not-running", meaning: "the daemon or tunnel is not running" },
  { code: 4, failure: "not-authorised", meaning: "not authorised" },
  { code: 5, failure: "unknown-peer", meaning: "unknown peer" },
  { code: 6, failure: "unreachable", meaning: "timed out, or nobody could be reached" },
  { code: 8, failure: "permission", meaning: "the system refused permission" },
  { code: 9, failure: "configuration", meaning: "bad configuration; nothing was changed" },
  { code: 10, failure: "degraded", meaning: "working, but not fully" },
];

export function exitCodeOf(failure: Failure): number {
  return exitCodes.find((row) => row.failure === failure)?.code ?? 1;
}

/** The failure that a command of ours meant by `code`; "failure" for a code that is not in the table. */
export function failureOf(code: number): Failure {
  return exitCodes.find((row) => row.code === code)?.failure ?? "failure";
}
