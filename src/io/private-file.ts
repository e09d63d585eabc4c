/** Small files that are their owner's alone: read only when nobody else can, and written as one step that lasts. */
import { closeSync, constants, fstatSync, linkSync, openSync, readSync, rmSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { writeWhole } from "./whole-file.ts";

/** Null when there is none. Throws DnetError for one that others can read, that is larger, or that is no file. */
export function readPrivateFile(path: string, maxBytes: number): string | null {
  const fd = open(path);
  if (fd === null) return null;
  try {
    const found = fstatSync(fd);
    const mode = (found.mode & 0o777).toString(8);
    if (!found.isFile()) throw refused(path, "is not a file", "another path");
    if (found.mode & 0o077) throw refused(path, `is open to others (mode ${mode})`, `chmod 600 ${path}`);
    const bytes = Buffer.alloc(maxBytes + 1);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    if (length > maxBytes) throw refused(path, `has more than ${maxBytes} bytes`, "another file: this is none of ours");
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

/** Makes the file, or replaces it: whatever stops the process leaves the old one or the new one. Throws DnetError. */
export function writePrivateFile(path: string, text: string): void {
  write(path, text);
}

/** False, and nothing is changed, when there is one already. Throws DnetError. */
export function createPrivateFile(path: string, text: string): boolean {
  return write(path, text, (unfinished) => {
    try {
      linkSync(unfinished, path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    } finally {
      rmSync(unfinished);
    }
  });
}

function write<Result>(path: string, text: string, put?: (unfinished: string) => Result): Result {
  try {
    return writeWhole(path, text, 0o600, put);
  } catch (cause) {
    throw refused(path, `cannot be written: ${reasonOf(cause)}`, "a path that you may write to", cause);
  }
}

function open(path: string): number | null {
  try {
    // A pipe that nobody writes to would keep us waiting.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw refused(path, `cannot be opened: ${reasonOf(cause)}`, "a path that you may read", cause);
  }
}

/** What the system says, without the call and the name, which may be of a file that was never to be seen: "EACCES: permission denied". */
export function reasonOf(cause: unknown): string {
  return (cause as Error).message.split(",", 1)[0]!;
}

function refused(path: string, flaw: string, hint: string, cause?: unknown): DnetError {
  return new DnetError("BAD_PRIVATE_FILE", `${path} ${flaw}`, { failure: "permission", hint, cause });
}
