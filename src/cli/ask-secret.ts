/** A line that is typed on a terminal and not shown there. */
import { DnetError } from "../base/error.ts";

/** An invitation is the longest of them. Full: further characters are dropped, as a terminal does. */
const MAX_CHARACTERS = 8_192;
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const KEYS = { ctrlC: "\x03", ctrlD: "\x04", ctrlU: "\x15", backspace: "\x7f", ctrlH: "\b", enter: "\r", line: "\n" };

/** Standard input where it is a terminal. */
export type TypedInput = Pick<NodeJS.ReadStream, "setRawMode" | "on" | "off" | "resume" | "pause">;

/**
 * Asks on `write`, one line after another; what was typed ahead is the beginning of the next. The terminal is as it was
 * whatever comes: Ctrl-C and signals end the process as ever once it is. Throws DnetError when the input ends, as by Ctrl-D.
 */
export function secretAsker(input: TypedInput, write: (text: string) => void): (prompt: string) => Promise<string> {
  let ahead = "";
  return async (prompt) => {
    const decoder = new TextDecoder();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let line = "";
    const take = (typed: string): void => {
      const characters = [...typed];
      for (const [i, character] of characters.entries()) {
        if (character === KEYS.enter || character === KEYS.line) {
          ahead = characters.slice(i + 1).join("");
          return resolve(line);
        }
        if (character === KEYS.ctrlC) return stop("SIGINT");
        if (character === KEYS.ctrlD && line === "") return reject(inputEnded());
        line = edited(line, character);
      }
    };
    const onData = (bytes: Uint8Array): void => take(decoder.decode(bytes, { stream: true }));
    const onEnd = (): void => reject(inputEnded());
    const restore = (): void => {
      for (const name of STOP_SIGNALS) process.off(name, stop);
      input.off("data", onData).off("end", onEnd);
      input.pause();
      input.setRawMode(false);
      write("\n"); // the one that was not shown
    };
    function stop(signal: NodeJS.Signals): void {
      restore();
      process.kill(process.pid, signal);
    }
    for (const name of STOP_SIGNALS) process.on(name, stop);
    input.setRawMode(true);
    input.on("data", onData).on("end", onEnd);
    write(prompt);
    try {
      const typed = ahead;
      ahead = "";
      take(typed);
      input.resume();
      return await promise;
    } finally {
      restore();
    }
  };
}

function edited(line: string, character: string): string {
  if (character === KEYS.backspace || character === KEYS.ctrlH) return [...line].slice(0, -1).join("");
  if (character === KEYS.ctrlU) return "";
  const isShown = !/\p{Cc}/u.test(character);
  return isShown && line.length < MAX_CHARACTERS ? line + character : line;
}

function inputEnded(): DnetError {
  return new DnetError("NOTHING_TYPED", "nothing was typed", { failure: "usage", hint: "again, and end it by Enter" });
}
