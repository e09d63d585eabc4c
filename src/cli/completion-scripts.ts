/**
 * Completion scripts, made from the command table. All three do the same: walk over the words before the cursor, going
 * down the table at each word that names a command, and offer what may follow there. After an option that needs a value
 * that is the value: files, or nothing that could be known. Names of running tunnels are asked of the completed dnet itself.
 * Sources: bash(1) "Programmable Completion", zshcompsys(1), fish complete(1).
 */
import { type Command, globalOptions, type Option } from "./command.ts";

/** One place in the table: the words that lead to it (`dnet tunnel up`) and what may follow them. */
interface Place {
  readonly words: string;
  readonly command: Command;
}

// `help` speaks of other commands, so their names are what follows it.
const HELP = "help";

export function bashCompletion(root: Command): string {
  const cases = places(root).map(({ words, command }) => {
    const fixed = [...following(root, command), ...optionsOf(command).map(([name]) => `--${name}`)].join(" ");
    const kind = complete(command);
    const dynamic = kind === "tunnel" ? ` $(_dnet_tunnels "\${COMP_WORDS[0]}")` : "";
    const files = kind === "file" ? `; compopt -o filenames; mapfile -t files < <(compgen -f -- "$current")` : "";
    return `    "${words}") offered="${fixed}${dynamic}"${files} ;;`;
  });
  return `# bash completion for dnet
_dnet_tunnels() {
  "$1" tunnel show 2>/dev/null | sed -n 's/^interface: //p'
}
_dnet() {
  local current="\${COMP_WORDS[COMP_CWORD]}" place="dnet" offered="" i
  COMPREPLY=()
  local -a files=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place \${COMP_WORDS[i]}" in
      ${pattern(root)}) place="$place \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$place \${COMP_WORDS[COMP_CWORD - 1]}" in
${valueCases(root, `compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return`)}
  esac
  case "$place" in
${cases.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")
  COMPREPLY+=("\${files[@]}")
}
complete -F _dnet dnet
`;
}

export function zshCompletion(root: Command): string {
  const cases = places(root).map(({ words, command }) => {
    const described = [
      ...followingCommands(root, command).map(({ name, summary }) => zshPair(name, summary)),
      ...choices(command).map((word) => zshQuote(word)),
    ];
    const options = optionsOf(command).map(([name, { description }]) => zshPair(`--${name}`, description));
    const lines = [`offered=(${described.join(" ")})`, `options=(${options.join(" ")})`];
    const kind = complete(command);
    if (kind === "file") lines.push("_files");
    if (kind === "tunnel") lines.push(`offered+=(\${(f)"$(_dnet_tunnels $words[1])"})`);
    return `    "${words}") ${lines.join("; ")} ;;`;
  });
  return `#compdef dnet
# zsh completion for dnet
_dnet_tunnels() {
  "$1" tunnel show 2>/dev/null | sed -n 's/^interface: //p'
}
_dnet() {
  local place=dnet i
  local -a offered options
  for ((i = 2; i < CURRENT; i++)); do
    case "$place $words[i]" in
      ${pattern(root)}) place="$place $words[i]" ;;
    esac
  done
  case "$place $words[CURRENT-1]" in
${valueCases(root, "_files; return")}
  esac
  case "$place" in
${cases.join("\n")}
  esac
  (($#offered)) && _describe -t commands command offered
  [[ $PREFIX == -* ]] && _describe -t options option options
}
if [[ $funcstack[1] == _dnet ]]; then _dnet "$@"; else compdef _dnet dnet; fi
`;
}

export function fishCompletion(root: Command): string {
  const lines = places(root).flatMap(({ words, command }) => {
    const offer = `complete -c dnet -n '__dnet_at "${words}"'`;
    const kind = complete(command);
    return [
      ...followingCommands(root, command).map(({ name, summary }) => `${offer} -a ${name} -d ${fishQuote(summary)}`),
      ...choices(command).map((word) => `${offer} -a ${word}`),
      ...optionsOf(command).map(([name, option]) => {
        const form = `-l ${name}${option.short ? ` -s ${option.short}` : ""}${fishValue(option)}`;
        return `${offer} ${form} -d ${fishQuote(option.description)}`;
      }),
      ...(kind === "file" ? [`${offer} -F`] : []),
      ...(kind === "tunnel" ? [`${offer} -a '(__dnet_tunnels)'`] : []),
    ];
  });
  const known = places(root).map(({ words }) => `"${words}"`);
  return `# fish completion for dnet
function __dnet_tunnels
    set -l words (commandline -opc)
    $words[1] tunnel show 2>/dev/null | string replace -fr '^interface: ' ''
end
function __dnet_at
    set -l place dnet
    for word in (commandline -opc)[2..]
        if contains -- "$place $word" ${known.join(" ")}
            set place "$place $word"
        end
    end
    test "$place" = "$argv[1]"
end
complete -c dnet -f
${lines.join("\n")}
`;
}

/** Every place of the table, the root first. */
function places(root: Command): Place[] {
  const below = (words: string, command: Command): Place[] => [
    { words, command },
    ...command.subcommands.flatMap((subcommand) => below(`${words} ${subcommand.name}`, subcommand)),
  ];
  return below(root.name, root);
}

/** All places but the root, as alternatives of a shell's `case`. */
function pattern(root: Command): string {
  const [, ...rest] = places(root);
  return rest.map(({ words }) => `"${words}"`).join(" | ");
}

/** Fixed words that may follow. */
function following(root: Command, command: Command): string[] {
  return [...followingCommands(root, command).map(({ name }) => name), ...choices(command)];
}

function followingCommands(root: Command, command: Command): readonly Command[] {
  return command.name === HELP ? root.subcommands : command.subcommands;
}

function choices(command: Command): readonly string[] {
  return command.arguments.flatMap((argument) => argument.choices ?? []);
}

function complete(command: Command): "file" | "tunnel" | undefined {
  return command.arguments.find((argument) => argument.complete)?.complete;
}

function optionsOf(command: Command): [string, Option][] {
  return Object.entries({ ...command.options, ...globalOptions });
}

/** Cases for the place and the word before the cursor, where that is an option whose value stands at the cursor. */
function valueCases(root: Command, offerFiles: string): string {
  const valued = places(root).flatMap(({ words, command }) =>
    optionsOf(command)
      .filter(([, option]) => needsValue(option))
      .map(([name, { complete }]) => `    "${words} --${name}") ${complete === "file" ? offerFiles : "return"} ;;`),
  );
  return valued.join("\n");
}

/** `-x`: a value, and no file; `-rF`: a value, which is a file. Nothing for an optional one: there it may be a new option. */
function fishValue(option: Option): string {
  if (!needsValue(option)) return "";
  return option.complete === "file" ? " -rF" : " -x";
}

function needsValue({ type, valueIsOptional }: Option): boolean {
  return type === "string" && !valueIsOptional;
}

function zshPair(word: string, description: string): string {
  return zshQuote(`${word.replaceAll(":", "\\:")}:${description}`);
}

function zshQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
