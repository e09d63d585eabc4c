/** A file that others read: replaced as a whole, and only when what it says has changed. */
import { readFileSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { reasonOf } from "./private-file.ts";
import { writeWhole } from "./whole-file.ts";

/** Returns whether it was written. Throws DnetError. */
export function writeChanged(path: string, text: string): boolean {
  try {
    if (textOf(path) === text) return false;
    writeWhole(path, text, 0o644);
    return true;
  } catch (cause) {
    throw new DnetError("FILE_UNWRITABLE", `${path} cannot be written: ${reasonOf(cause)}`, {
      failure: "permission",
      hint: "a path that you may write to",
      cause,
    });
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
