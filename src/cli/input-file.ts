import { closeSync, openSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { reasonOf } from "../io/private-file.ts";
import { readToEnd } from "./bounded-read.ts";
import type { Context } from "./command.ts";
import { printable } from "./printable.ts";

const STDIN = "-";

/** All of a file or, for `-`, of standard input, as UTF-8. Throws DnetError, which never says what is in it. */
export async function readText(path: string, maxBytes: number, context: Context): Promise<string> {
  return new TextDecoder().decode(await readBytes(path, maxBytes, context));
}

async function readBytes(path: string, maxBytes: number, context: Context): Promise<Uint8Array> {
  if (path === STDIN) return context.readStdin(maxBytes);
  let fd: number | null = null;
  try {
    fd = openSync(path, "r");
    const bytes = readToEnd(fd, maxBytes);
    if (bytes) return bytes;
  } catch (cause) {
    throw unreadable(path, `cannot be read: ${reasonOf(cause)}`, cause);
  } finally {
    if (fd !== null) closeSync(fd);
  }
  throw unreadable(path, `has more than ${maxBytes} bytes`);
}

function unreadable(path: string, flaw: string, cause?: unknown): DnetError {
  return new DnetError("FILE_UNREADABLE", `${printable(path)} ${flaw}`, {
    failure: "configuration",
    hint: "another file, which you may read",
    cause,
  });
}
