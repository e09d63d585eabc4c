import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { DnetError } from "../base/error.ts";
import { systemRandom } from "../io/entropy.ts";
import { secretAsker } from "./ask-secret.ts";
import { readToEnd } from "./bounded-read.ts";
import type { Context } from "./command.ts";
import { gatewayFactory } from "./gateway-factory.ts";
import { tunnelControl } from "./tunnel-control.ts";

// How long a full pipe is left alone before it is tried again.
const PIPE_WAIT_MS = 5;
// Of a terminal that does not say.
const FALLBACK_COLUMNS = 80;
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** What commands get when they run for real. */
export function systemContext(): Omit<Context, "root"> {
  const isDumb = process.env["TERM"] === "dumb";
  const isScreen = isatty(1);
  const stderr = descriptorWriter(2);
  return {
    terminal: {
      stdout: descriptorWriter(1),
      stderr,
      isScreen,
      color: isScreen && !process.env["NO_COLOR"] && !isDumb, // no-color.org: present and not empty
      columns: () => (isatty(2) && !isDumb ? process.stderr.columns || FALLBACK_COLUMNS : null),
    },
    random: systemRandom,
    now: () => Date.now(),
    tunnels: tunnelControl,
    gateways: gatewayFactory,
    readStdin: async (maxBytes) => readStdin(maxBytes),
    askSecret: isatty(0) ? secretAsker(process.stdin, (text) => stderr.write(text)) : null,
    stdin: () => Bun.stdin.stream(),
    stopSignal,
  };
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    for (const name of STOP_SIGNALS) process.off(name, stop);
    controller.abort();
  };
  for (const name of STOP_SIGNALS) process.on(name, stop);
  return controller.signal;
}

/**
 * Writes at once, so that nothing is lost when the process ends. Once nobody reads any more (EPIPE) the rest goes
 * nowhere, quietly: `dnet licenses | head` is no error, and a tunnel outlives the pipe that it was started with. It
 * outlives a full disk too: words for people that cannot be written are lost. For a result, that is an error.
 */
function descriptorWriter(fd: number): { write(text: string | Uint8Array): void } {
  let isClosed = false;
  return {
    write(text) {
      let left: Uint8Array = typeof text === "string" ? Buffer.from(text) : text;
      while (left.length > 0 && !isClosed) {
        try {
          left = left.subarray(writeSync(fd, left));
        } catch (error) {
          const { code, message } = error as NodeJS.ErrnoException;
          if (code === "EPIPE") isClosed = true;
          else if (code === "EAGAIN") Bun.sleepSync(PIPE_WAIT_MS);
          else if (fd === 2) return;
          else throw outputFailed(message, error);
        }
      }
    },
  };
}

function outputFailed(message: string, cause: unknown): DnetError {
  return new DnetError("OUTPUT_FAILED", `the result cannot be written: ${message}`, {
    hint: "see whether it was done all the same, before it is done again",
    cause,
  });
}

function readStdin(maxBytes: number): Uint8Array {
  const bytes = readToEnd(0, maxBytes);
  if (bytes) return bytes;
  throw new DnetError("INPUT_TOO_LONG", `standard input has more than ${maxBytes} bytes`, { failure: "usage" });
}
