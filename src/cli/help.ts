import { type Command, command, globalOptions, type Option, optionForm, UsageError, usage } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { nearest } from "./nearest.ts";

const EXIT_CODES_TOPIC = "exit-codes";

export const help = command({
  name: "help",
  summary: "Explain a command, or the exit codes",
  details: `Topics besides the commands: ${EXIT_CODES_TOPIC}.`,
  arguments: [{ name: "COMMAND", isOptional: true, isRepeated: true }],
  async run({ positionals, values }, { terminal, root }) {
    if (positionals.length === 1 && positionals[0] === EXIT_CODES_TOPIC) {
      const rows = exitCodes.map(({ code, failure, meaning }) => ({ code, failure, meaning }));
      const json = `${JSON.stringify({ schema: "dnet.exit-codes/1", exitCodes: rows })}\n`;
      terminal.stdout.write(values.json ? json : exitCodesText());
      return;
    }
    const path = findTopic(root, positionals);
    terminal.stdout.write(values.json ? `${JSON.stringify(helpJson(path))}\n` : helpText(path));
  },
});

/** The help of the last command of `path`. */
export function helpText(path: readonly Command[]): string {
  const { summary, details, subcommands, options } = path.at(-1)!;
  const blocks = [`${summary}.`, `usage: ${usage(path)}`];
  if (details) blocks.push(details);
  if (subcommands.length > 0) {
    blocks.push(`commands:\n${table(subcommands.map(({ name, summary }) => [name, summary]))}`);
  }
  const rows = Object.entries<Option>({ ...options, ...globalOptions }).map(([name, option]) => {
    const short = option.short ? `-${option.short}, ` : "";
    const otherwise = option.default === undefined ? "" : `; default ${option.default}`;
    return [`${short}${optionForm(name, option)}`, `${option.description}${otherwise}`];
  });
  blocks.push(`options:\n${table(rows)}`);
  if (path.length === 1) blocks.push("More: dnet help COMMAND, dnet help exit-codes, dnet --version.");
  return `${blocks.join("\n\n")}\n`;
}

/** The same as an object: a command with those under it, all the way down. */
export function helpJson(path: readonly Command[]): object {
  return { schema: "dnet.help/1", ...commandJson(path) };
}

function commandJson(path: readonly Command[]): object {
  const { name, summary, options, subcommands } = path.at(-1)!;
  return {
    name,
    usage: usage(path),
    summary,
    options: Object.entries<Option>({ ...options, ...globalOptions }).map(([name, option]) => ({
      name,
      type: option.type,
      valueIsOptional: option.valueIsOptional ?? false,
      isRepeated: option.isRepeated ?? false,
      default: option.default ?? null,
      description: option.description,
    })),
    commands: subcommands.map((subcommand) => commandJson([...path, subcommand])),
  };
}

function findTopic(root: Command, words: readonly string[]): readonly Command[] {
  const path = [root];
  for (const word of words) {
    const { subcommands } = path.at(-1)!;
    const found = subcommands.find(({ name }) => name === word);
    if (!found) {
      const topics = [...subcommands.map(({ name }) => name), ...(path.length === 1 ? [EXIT_CODES_TOPIC] : [])];
      const above = ["help", ...path.slice(1).map(({ name }) => name)].join(" ");
      const near = nearest(word, topics);
      const hint = near
        ? `dnet ${above} ${near}`
        : topics.length > 0
          ? `one of: ${topics.join(", ")}`
          : `dnet ${above}`;
      throw new UsageError("UNKNOWN_TOPIC", `there is no help on ${JSON.stringify(words.join(" "))}`, hint);
    }
    path.push(found);
  }
  return path;
}

function exitCodesText(): string {
  return `Exit codes.\n\n${table(exitCodes.map(({ code, meaning }) => [String(code).padStart(2), meaning]))}\n`;
}

/** Two columns, indented. */
function table(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([left = ""]) => left.length));
  return rows.map(([left = "", right = ""]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
