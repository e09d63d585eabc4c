/** Text from elsewhere, as it is shown in errors. */
const MAX_SHOWN_CHARACTERS = 80;

/** Cut to a readable length, and escaped. */
export function printable(text: string): string {
  return escaped(text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text);
}

/** With control characters as `\x1b`, so that it cannot write to the terminal. */
export function escaped(text: string): string {
  return text.replaceAll(/\p{C}/gu, (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, "0")}`);
}

/** A stranger's object as JSON that cannot write to the terminal either. `indent`: of each level; 0 for one line. */
export function printableJson(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, null, indent);
  return text.replaceAll(/(?!\n)\p{C}/gu, (character) =>
    [...Array(character.length).keys()]
      .map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
