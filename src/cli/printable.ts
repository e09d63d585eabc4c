/** Text from elsewhere, as it is shown in errors. */
const MAX_SHOWN_CHARACTERS = 80;

/** Cut to a readable length, with control characters as `\x1b`, so that it cannot write to the terminal. */
export function printable(text: string): string {
  const cut = text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS)}...` : text;
  return cut.replaceAll(/\p{C}/gu, (character) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, "0")}`);
}
