import { readSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { DnetError } from "../base/error.ts";
import { systemRandom } from "../io/entropy.ts";
import type { Context } from "./command.ts";
import { tunnelControl } from "./tunnel-control.ts";

// How long a full pipe is left alone before it is tried again.
const PIPE_WAIT_MS = 5;

/** What commands get when they run for real. */
export function systemContext(): Omit<Context, "root"> {
  const isTty = isatty(1);
  // no-color.org: present and not empty.
  const color = isTty && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
  return {
    terminal: { stdout: descriptorWriter(1), stderr: descriptorWriter(2), color, isTty },
    random: systemRandom,
    tunnels: tunnelControl,
    readStdin: async (maxBytes) => readToEnd(0, maxBytes),
  };
}

/**
 * Writes at once, so that nothing is lost when the process ends. Once nobody reads any more (EPIPE) the rest goes
 * nowhere, quietly: `dnet licenses | head` is no error, and a tunnel outlives the pipe that it was started with.
 */
export function descriptorWriter(fd: number): { write(text: string): void } {
  let isClosed = false;
  return {
    write(text) {
      let left: Uint8Array = Buffer.from(text);
      while (left.length > 0 && !isClosed) {
        try {
          left = left.subarray(writeSync(fd, left));
        } catch (error) {
          const { code } = error as NodeJS.ErrnoException;
          if (code === "EPIPE") isClosed = true;
          else if (code === "EAGAIN") Bun.sleepSync(PIPE_WAIT_MS);
          else throw error;
        }
      }
    },
  };
}

function readToEnd(fd: number, maxBytes: number): string {
  // One byte more than may come, to see whether it does.
  const bytes = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length < bytes.length; length += read) {
    read = readSync(fd, bytes, length, bytes.length - length, null);
  }
  if (length <= maxBytes) return bytes.toString("utf8", 0, length);
  throw new DnetError("INPUT_TOO_LONG", `standard input has more than ${maxBytes} bytes`, { failure: "usage" });
}
