/** How the demonstration speaks: to stdout, in colour only for a terminal that wants it (no-color.org). */
const ESCAPES = { bold: "1", dim: "2", green: "32", cyan: "36" } as const;
type Style = keyof typeof ESCAPES;

export interface Machine {
  /** The first line is the machine's name; then what it has. */
  readonly lines: readonly string[];
}

export class Story {
  readonly #hasColor = process.stdout.isTTY && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  #steps = 0;

  title(text: string): void {
    console.log(this.#paint("bold", text));
  }

  /** A heading with its number. */
  step(text: string): void {
    console.log(`\n${this.#paint("bold", `${++this.#steps}. ${text}`)}`);
  }

  say(...lines: string[]): void {
    for (const line of lines) console.log(`   ${line}`);
  }

  /** What a reader could type, as it was run. */
  command(text: string): void {
    this.say(this.#paint("cyan", `$ ${text}`));
  }

  /** What a program printed. */
  output(text: string): void {
    for (const line of text.trimEnd().split("\n")) this.say(this.#paint("dim", line));
  }

  good(text: string): void {
    this.say(this.#paint("green", text));
  }

  /**
   * Two machines and what lies between them: on the second line the tunnel, on the third what carries it.
   *   ┌ left ──┐              ┌ right ─┐
   *   │ dnet0  ╞══ tunnel ════╡ dnet0  │
   *   │ cable0 ├── carrier ───┤ cable0 │
   *   └────────┘              └────────┘
   */
  picture(left: Machine, right: Machine, { tunnel, carrier }: { tunnel: string; carrier: string }): void {
    for (const line of picture(left, right, { tunnel, carrier })) this.say(line);
  }

  #paint(style: Style, text: string): string {
    return this.#hasColor ? `\x1b[${ESCAPES[style]}m${text}\x1b[0m` : text;
  }
}

function picture(left: Machine, right: Machine, { tunnel, carrier }: { tunnel: string; carrier: string }): string[] {
  const [leftBox, rightBox] = [box(left), box(right)];
  const width = Math.max(tunnel.length, carrier.length) + 6;
  const between = [" ".repeat(width), ` ${tunnel} `.padStart(tunnel.length + 4, "═").padEnd(width, "═")];
  between.push(` ${carrier} `.padStart(carrier.length + 4, "─").padEnd(width, "─"));
  const joints = [" ".repeat(2), "╞╡", "├┤"];
  return leftBox.map((line, i) => {
    const joint = joints[i];
    const [a, b] = i === 1 || i === 2 ? [joint![0]!, joint![1]!] : [line.at(-1)!, rightBox[i]![0]!];
    return `${line.slice(0, -1)}${a}${between[i] ?? " ".repeat(width)}${b}${rightBox[i]!.slice(1)}`;
  });
}

function box({ lines: [name = "", ...rest] }: Machine): string[] {
  const width = Math.max(name.length + 1, ...rest.map((line) => line.length));
  return [
    `┌ ${name} ${"─".repeat(width - name.length)}┐`,
    ...rest.map((line) => `│ ${line.padEnd(width)} │`),
    `└${"─".repeat(width + 2)}┘`,
  ];
}

/** `0.85 seconds`, `37 ms`. */
export function spanText(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 2 : 0)} ms` : `${(ms / 1000).toFixed(1)} seconds`;
}

/** `4.31 Gbit/s`. */
export function rateText(bitsPerSecond: number): string {
  const giga = bitsPerSecond / 1e9;
  return giga >= 1 ? `${giga.toFixed(2)} Gbit/s` : `${(giga * 1000).toFixed(0)} Mbit/s`;
}
