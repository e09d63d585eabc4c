import type { Argument, Command, Option } from "./command.ts";
import { globalOptions, type Invocation, UsageError, usage } from "./command.ts";
import { nearest } from "./nearest.ts";

export interface ParsedCommandLine {
  /** The command, after all those above it: `[dnet, tunnel, up]`. */
  readonly path: readonly [Command, ...Command[]];
  readonly wantsHelp: boolean;
  readonly invocation: Invocation;
}

/** An option's value as it was typed; `true` for a flag, and for a value that was left out. */
type Typed = string | true;

/**
 * Reads a command line (without the program's own name) by the command table. Options may stand anywhere, as `--name`,
 * `--name VALUE` or `--name=VALUE`; `--` ends them. Where the value may be left out, the next word is it unless that is
 * an option. Throws UsageError, which names the nearest right word; it repeats neither surplus arguments nor values,
 * because someone may have typed a secret there.
 */
export function parseCommandLine(root: Command, argv: readonly string[]): ParsedCommandLine {
  const path: [Command, ...Command[]] = [root];
  const positionals: string[] = [];
  const given: { [name: string]: Typed | Typed[] } = {};
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const current = path.at(-1)!;
    if (word === "--") {
      positionals.push(...rest.splice(0));
    } else if (isOptionWord(word)) {
      const { name, option, value } = findOption(path, word);
      const typed =
        option.type === "boolean" ? refuseValue(name, value) : (value ?? nextValue(path, name, option, rest));
      const before = given[name];
      given[name] = option.isRepeated ? [...(Array.isArray(before) ? before : []), typed] : typed;
    } else if (current.subcommands.length > 0) {
      path.push(findCommand(path, word));
    } else {
      positionals.push(word);
    }
  }
  const command = path.at(-1)!;
  const wantsHelp = given["help"] === true;
  if (!wantsHelp) checkArguments(path, positionals);
  const values: { [name: string]: Typed | Typed[] | false | undefined } = { json: given["json"] === true };
  for (const [name, option] of Object.entries(command.options)) values[name] = given[name] ?? valueWhenAbsent(option);
  return { path, wantsHelp, invocation: { positionals, values: values as Invocation["values"] } };
}

function isOptionWord(word: string): boolean {
  return word.startsWith("-") && word !== "-";
}

function valueWhenAbsent({ type, isRepeated, default: standard }: Option): string | false | [] | undefined {
  return type === "boolean" ? false : isRepeated ? [] : standard;
}

function findCommand(path: readonly Command[], word: string): Command {
  const { subcommands } = path.at(-1)!;
  const found = subcommands.find(({ name }) => name === word);
  if (found) return found;
  const above = path.map(({ name }) => name).join(" ");
  const names = subcommands.map(({ name }) => name);
  const near = nearest(word, names);
  throw new UsageError(
    "UNKNOWN_COMMAND",
    `${above} has no command ${JSON.stringify(word)}`,
    near ? `${above} ${near}` : `one of: ${names.join(", ")}`,
  );
}

function findOption(
  path: readonly Command[],
  word: string,
): { name: string; option: Option; value: string | undefined } {
  const options: { [name: string]: Option } = { ...path.at(-1)!.options, ...globalOptions };
  const [typed = "", ...parts] = word.split("=");
  const value = parts.length > 0 ? parts.join("=") : undefined;
  for (const [name, option] of Object.entries(options)) {
    if (typed === `--${name}` || (option.short && typed === `-${option.short}`)) return { name, option, value };
  }
  const near = nearest(typed.replace(/^-+/, ""), Object.keys(options));
  throw new UsageError(
    "UNKNOWN_OPTION",
    `${path.map(({ name }) => name).join(" ")} has no option ${JSON.stringify(typed)}`,
    near ? `--${near}` : usage(path),
  );
}

function refuseValue(name: string, value: string | undefined): true {
  if (value === undefined) return true;
  throw new UsageError("UNEXPECTED_VALUE", `--${name} takes no value`, `--${name} alone, or leave it out`);
}

/** Takes the value of `--name` from the words after it. */
function nextValue(path: readonly Command[], name: string, option: Option, rest: string[]): Typed {
  const [next] = rest;
  if (option.valueIsOptional && (next === undefined || isOptionWord(next))) return true;
  return rest.shift() ?? missing(path, name);
}

function missing(path: readonly Command[], name: string): never {
  throw new UsageError("MISSING_VALUE", `--${name} needs a value`, usage(path));
}

function checkArguments(path: readonly Command[], positionals: readonly string[]): void {
  const command = path.at(-1)!;
  if (command.subcommands.length > 0) return;
  const above = path.map(({ name }) => name).join(" ");
  const wanted = command.arguments;
  const absent = wanted.find(({ isOptional }, i) => !isOptional && i >= positionals.length);
  if (absent) throw new UsageError("MISSING_ARGUMENT", `${above} needs ${absent.name}`, usage(path));
  const atMost = wanted.at(-1)?.isRepeated ? Infinity : wanted.length;
  if (positionals.length > atMost) {
    const limit = atMost === 0 ? "no arguments" : atMost === 1 ? "one argument" : `${atMost} arguments`;
    throw new UsageError("TOO_MANY_ARGUMENTS", `${above} takes ${limit}, not ${positionals.length}`, usage(path));
  }
  for (const [i, typed] of positionals.entries()) checkChoice(wanted[i], typed);
}

function checkChoice(argument: Argument | undefined, typed: string): void {
  if (!argument?.choices || argument.choices.includes(typed)) return;
  const near = nearest(typed, argument.choices);
  throw new UsageError(
    "UNKNOWN_WORD",
    `${argument.name} is one of ${argument.choices.join(", ")}, not ${JSON.stringify(typed)}`,
    near ?? argument.choices.join(" or "),
  );
}
