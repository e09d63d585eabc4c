import { DnetError } from "../base/error.ts";
import { type Command, type Context, LateError, type Terminal, UsageError } from "./command.ts";
import { exitCodeOf } from "./exit-codes.ts";
import { helpJson, helpText } from "./help.ts";
import { parseCommandLine } from "./parse.ts";

/**
 * Runs one command line (without the program's own name) to its end and returns the exit code. Failures come out as
 * `{"schema":"dnet.error/1",...}` on stdout when `--json` was asked for, else, and beside a result, as two lines on stderr.
 */
export async function runCommandLine(
  root: Command,
  argv: readonly string[],
  context: Omit<Context, "root">,
): Promise<number> {
  try {
    const { path, wantsHelp, invocation } = parseCommandLine(root, versionWord(argv));
    const last = path.at(-1)!;
    if (wantsHelp) {
      const text = invocation.values.json ? `${JSON.stringify(helpJson(path))}\n` : helpText(path);
      context.terminal.stdout.write(text);
    } else if (last.run) {
      await last.run(invocation, { ...context, root });
    } else {
      const words = path.map(({ name }) => name).join(" ");
      const names = last.subcommands.map(({ name }) => name).join(", ");
      throw new UsageError("MISSING_COMMAND", `${words} needs a command`, `one of: ${names}`);
    }
    return 0;
  } catch (error) {
    return reportError(error, context.terminal, asksForJson(argv));
  }
}

/** Says what failed and returns the exit code. Anything but a DnetError is a mistake of ours and shows its stack. */
function reportError(error: unknown, terminal: Terminal, json: boolean): number {
  const known = error instanceof DnetError ? error : ourMistake(error, terminal);
  const { code, message, hint } = known;
  const exitCode = exitCodeOf(known.failure);
  const object = `${JSON.stringify({ schema: "dnet.error/1", code, message, hint, exitCode })}\n`;
  if (json && !(known instanceof LateError) && wasWritten(object, terminal)) return exitCode;
  terminal.stderr.write(`error ${code}: ${oneLine(message)}\n`);
  if (hint) terminal.stderr.write(`try ${oneLine(hint)}\n`);
  return exitCode;
}

/** False when stdout takes nothing, as on a full disk; then the error is words. */
function wasWritten(text: string, { stdout }: Terminal): boolean {
  try {
    stdout.write(text);
    return true;
  } catch {
    return false;
  }
}

function ourMistake(error: unknown, terminal: Terminal): DnetError {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
  if (stack) terminal.stderr.write(`${stack}\n`);
  return new DnetError("INTERNAL", message, { hint: "again; if it stays, report it with the lines above" });
}

/** `dnet --version` is `dnet version`: whoever types it wants to know just that. */
function versionWord(argv: readonly string[]): readonly string[] {
  const first = argv.findIndex((word) => word !== "--json");
  return argv[first] === "--version" ? argv.with(first, "version") : argv;
}

/** Whether errors are to be JSON; asked of the bare words, because the error may be that they cannot be parsed. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*[\r\n]+\s*/g, " ");
}
