import { readSync } from "node:fs";

// How long a pipe that others made non-blocking is left alone before it is tried again.
const PIPE_WAIT_MS = 5;

/** What `fd` holds from here to its end; null when that is more than `maxBytes`. A device or a pipe may have no end. */
export function readToEnd(fd: number, maxBytes: number): Uint8Array | null {
  // One byte more than may come, to see whether it does.
  const bytes = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (let read = -1; read !== 0 && length < bytes.length; ) {
    try {
      read = readSync(fd, bytes, length, bytes.length - length, null);
      length += read;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Bun.sleepSync(PIPE_WAIT_MS);
    }
  }
  return length <= maxBytes ? bytes.subarray(0, length) : null;
}
