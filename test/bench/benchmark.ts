/** What every benchmark has around it: how its words are read, what it needs of the machine, and what it exits with. */
import { parseArgs } from "node:util";
import { hasNode } from "../support/hyperdht-process.ts";
import { isRoot } from "../support/namespaces.ts";

export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** Prints its result to stdout and everything else to stderr. Returns the exit code: 0 whenever it measured. */
  run(args: string[]): Promise<number>;
}

export interface Option<Value> {
  readonly type: "string" | "boolean";
  /** What is read when it was left out. */
  readonly unset: string;
  /** Null for what it does not take. */
  readonly read: (text: string) => Value | null;
  readonly expected: string;
}

type Readers = { readonly [name: string]: Option<unknown> };
type Values<All extends Readers> = {
  readonly [name in keyof All]: All[name] extends Option<infer Value> ? Value : never;
};

export interface Frame<All extends Readers> {
  readonly name: string;
  readonly summary: string;
  /** The options in brackets, then a line on each that needs one. */
  readonly usage: string;
  readonly options: All;
  /** Why it does not run without root or Node, where it does not. */
  readonly needs: { readonly root?: string; readonly node?: string };
  readonly measure: (options: Values<All>) => Promise<void>;
}

/** "No worse", with room for what two runs of the same thing on a shared machine differ by. */
export const NO_WORSE = 1.1;

export const say = (line: string) => console.error(line);

/** Exits with 0 when it measured or was asked for help, 1 without what it needs, and 2 when the words are not its own. */
export function benchmark<All extends Readers>(frame: Frame<All>): Benchmark {
  const { name, summary, needs } = frame;
  const usage = `npm run bench ${name} -- ${frame.usage}`;
  const lacks = (lacking: string, hint: string) => {
    say(`error ${lacking}\ntry ${hint}`);
    return 1;
  };
  return {
    name,
    summary,
    async run(args) {
      if (args.includes("--help")) {
        say(usage);
        return 0;
      }
      const values = readOptions(args, frame.options);
      if (typeof values === "string") {
        say(`error USAGE: ${values}\n${usage}`);
        return 2;
      }
      if (needs.node && !hasNode) return lacks(`NEEDS_NODE: ${needs.node}`, "a machine that has Node and npm");
      if (needs.root && !isRoot) return lacks(`NEEDS_ROOT: ${needs.root}`, `sudo npm run bench ${name}`);
      await frame.measure(values);
      return 0;
    },
  };
}

/** Or what is wrong with the words. */
function readOptions<All extends Readers>(args: string[], options: All): Values<All> | string {
  const values: { [name: string]: unknown } = {};
  try {
    const given: { readonly [name: string]: unknown } = parseArgs({ args, options }).values;
    for (const [name, { unset, read, expected }] of Object.entries(options)) {
      const text = String(given[name] ?? unset);
      values[name] = read(text);
      if (values[name] === null) return `--${name} takes ${expected}, not ${JSON.stringify(text)}`;
    }
  } catch (error) {
    return (error as Error).message;
  }
  return values as Values<All>;
}

export const flag: Option<boolean> = {
  type: "boolean",
  unset: "false",
  read: (text) => text === "true",
  expected: "nothing",
};

export function positive(unset: number, most = 1e6): Option<number> {
  return {
    type: "string",
    unset: `${unset}`,
    read: (text) => (Number(text) > 0 && Number(text) <= most ? Number(text) : null),
    expected: `a number above 0, at most ${most}`,
  };
}

export function whole(unset: number): Option<number> {
  return { type: "string", unset: `${unset}`, read: readWhole, expected: "a whole number from 1 on" };
}

export function wholes(unset: readonly number[]): Option<readonly number[]> {
  const read = (text: string) => every(text.split(",").map(readWhole));
  return { type: "string", unset: unset.join(","), read, expected: "whole numbers from 1 on, with commas between" };
}

/** Some of the names, in their own order; all of them when it was left out. */
export function some<Name extends string>(all: readonly Name[]): Option<readonly Name[]> {
  const read = (text: string) => {
    const words = text.split(",");
    return words.every((word) => all.includes(word as Name)) ? all.filter((name) => words.includes(name)) : null;
  };
  return { type: "string", unset: all.join(","), read, expected: `some of ${all.join(",")}` };
}

function readWhole(text: string): number | null {
  const number = Number(text);
  return Number.isInteger(number) && number > 0 ? number : null;
}

function every<Value>(values: readonly (Value | null)[]): readonly Value[] | null {
  return values.includes(null) ? null : (values as readonly Value[]);
}
