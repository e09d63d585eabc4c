/**
 * The frame that every command fills in. A command is a row of data, so that help, completion and the parser read the
 * same table; what is heavy it imports inside `run`, because every command pays for what is imported at the top.
 */
import { DnetError } from "../base/error.ts";
import type { Random } from "../base/random.ts";
import type { GatewayFactory } from "./gateway-factory.ts";
import type { TunnelControl } from "./tunnel-control.ts";

/** Where a command speaks: its result, and nothing else, to `stdout`; words for people to `stderr`. */
export interface Terminal {
  readonly stdout: { write(text: string | Uint8Array): void };
  readonly stderr: { write(text: string): void };
  /** Whether `stdout` is a terminal, so that a person sees what is written there, and control characters act. */
  readonly isScreen: boolean;
  /** Whether `stdout` takes colours: a terminal, and neither NO_COLOR (no-color.org) nor TERM=dumb is set. */
  readonly color: boolean;
  /** How wide `stderr` is now, where a line can be rewritten in place; null on anything but a terminal, and on a dumb one. */
  columns(): number | null;
}

/** All that a command may touch; tests hand over one of their own. */
export interface Context {
  readonly terminal: Terminal;
  /** The whole command table. */
  readonly root: Command;
  readonly random: Random;
  /** Ms since 1970. */
  now(): number;
  readonly tunnels: TunnelControl;
  readonly gateways: GatewayFactory;
  /** Standard input to its end. Throws DnetError beyond `maxBytes`. */
  readStdin(maxBytes: number): Promise<Uint8Array>;
  /**
   * Asks on `stderr`, and reads a line from the terminal that standard input is, without showing it; null where it is none.
   * Throws DnetError when nothing is typed.
   */
  readonly askSecret: ((prompt: string) => Promise<string>) | null;
  /** Standard input as it comes. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Aborted by the first Ctrl-C or SIGTERM from now on; the second ends the process at once. */
  stopSignal(): AbortSignal;
}

export interface Option {
  readonly type: "boolean" | "string";
  readonly description: string;
  /** What stands for the value in help: `--expires SPAN`. */
  readonly placeholder?: string;
  readonly default?: string;
  /** `--bootstrap` may also stand alone: at the end, or before another option. */
  readonly valueIsOptional?: boolean;
  /** May be given several times, and all values count; otherwise the last one does. */
  readonly isRepeated?: boolean;
  /** What completion offers for the value. */
  readonly complete?: "file";
  /** One letter: `h` for `-h`. */
  readonly short?: string;
}
export type Options = { readonly [name: string]: Option };

export interface Argument {
  /** In capitals, as help shows it. */
  readonly name: string;
  readonly isOptional?: boolean;
  /** The last argument only: takes all that follow. */
  readonly isRepeated?: boolean;
  /** The only words it accepts. */
  readonly choices?: readonly string[];
  /** What completion offers: names of files, or of running tunnels. */
  readonly complete?: "file" | "tunnel";
}

/**
 * True or false for a flag; a string, or undefined when not given and without a default, for the rest, and `true` for an
 * optional value that was left out; a list of these for an option that may be repeated.
 */
export type Values<O extends Options = Options> = {
  readonly [Name in keyof O]: O[Name] extends { type: "boolean" }
    ? boolean
    : O[Name] extends { isRepeated: true }
      ? readonly Given<O[Name]>[]
      : Given<O[Name]> | (O[Name] extends { default: string } ? never : undefined);
} & { readonly json: boolean };
type Given<O extends Option> = O extends { valueIsOptional: true } ? string | true : string;

export interface Invocation<O extends Options = Options> {
  readonly positionals: readonly string[];
  readonly values: Values<O>;
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** One line, a verb first, without a full stop. */
  readonly summary: string;
  /** Further paragraphs of its help. */
  readonly details?: string;
  readonly options: O;
  readonly arguments: readonly Argument[];
  /** What it reads from standard input, in capitals; a secret comes that way, never as an argument. */
  readonly stdin?: string;
  /** Commands under this one: `up` under `tunnel`. */
  readonly subcommands: readonly Command[];
  /** Absent where there are subcommands: such a command does nothing itself. */
  run?(invocation: Invocation<O>, context: Context): Promise<void>;
}

/** A command that does something. The parser has checked its arguments by the time `run` is called. */
export function command<const O extends Options = Record<never, Option>>(
  definition: Omit<Command<O>, "options" | "arguments" | "subcommands"> & {
    readonly options?: O;
    readonly arguments?: readonly Argument[];
  },
): Command {
  const options = definition.options ?? {};
  // The parser makes `values` from this very table, so they have the shape that `O` promises.
  return { arguments: [], subcommands: [], ...definition, options } as unknown as Command;
}

/** A command that only has others under it. */
export function group(definition: Pick<Command, "name" | "summary" | "details" | "subcommands">): Command {
  return { options: {}, arguments: [], ...definition };
}

/** Options that every command has. `--json` changes what is printed, never what is done. */
export const globalOptions = {
  json: { type: "boolean", description: "print the result, or the error, as one JSON object" },
  help: { type: "boolean", description: "print help", short: "h" },
} as const satisfies Options;

/** The command line was not understood. */
export class UsageError extends DnetError {
  constructor(code: string, message: string, hint: string) {
    super(code, message, { failure: "usage", hint });
  }
}

/** What failed once the result was out: with `--json` stdout has its one object already, and the error is words alone. */
export class LateError extends DnetError {}

/** `dnet tunnel up FILE [--foreground] [--json]`; `path` begins at the root of the table. */
export function usage(path: readonly Command[]): string {
  const last = path.at(-1)!;
  const parts = path.map(({ name }) => name);
  if (last.subcommands.length > 0) return [...parts, "COMMAND"].join(" ");
  for (const { name, isOptional, isRepeated } of last.arguments) {
    const shown = isRepeated ? `${name}...` : name;
    parts.push(isOptional ? `[${shown}]` : shown);
  }
  for (const [name, option] of Object.entries(last.options)) parts.push(`[${optionForm(name, option)}]`);
  parts.push("[--json]");
  if (last.stdin) parts.push(`< ${last.stdin}`);
  return parts.join(" ");
}

/** `--expires SPAN`, `--bootstrap [ADDRESS]`, or `--foreground`. */
export function optionForm(name: string, { type, placeholder = "VALUE", valueIsOptional }: Option): string {
  if (type === "boolean") return `--${name}`;
  return `--${name} ${valueIsOptional ? `[${placeholder}]` : placeholder}`;
}
