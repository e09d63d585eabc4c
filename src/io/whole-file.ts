/** A file written as one step that lasts: whatever stops the process leaves the old one or the new one. */
import { randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** `put` gives what was written its name; left out, it replaces what has it. Throws what the system says. */
export function writeWhole<Result = void>(
  path: string,
  text: string,
  mode: number,
  put: (unfinished: string) => Result = (unfinished) => renameSync(unfinished, path) as Result,
): Result {
  // A name of its own: others may write the same file.
  const unfinished = `${path}.${randomUUID()}.tmp`;
  let isThere = false;
  try {
    const fd = openSync(unfinished, "wx", mode);
    isThere = true;
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    const result = put(unfinished);
    syncDirectory(dirname(path));
    return result;
  } catch (error) {
    if (isThere) rmSync(unfinished, { force: true }); // on a read-only file system even that of nothing fails
    throw error;
  }
}

/** So that the new name lasts too (fsync(2)). */
function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
