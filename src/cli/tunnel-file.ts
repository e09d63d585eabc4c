import { closeSync, fstatSync, openSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import type { TunnelConfig } from "../io/tunnel-config.ts";
import { readToEnd } from "./bounded-read.ts";
import { printable } from "./printable.ts";
import { MAX_CONFIG_BYTES, parseWgQuick } from "./wg-quick.ts";

/** Reads a wg-quick file. `warnings` are words for the person; throws DnetError when there is no good file. */
export function readTunnelFile(path: string): { config: TunnelConfig; warnings: string[] } {
  const { text, mode } = readText(path);
  const config = parseWgQuick(text, path);
  const isOpen = (mode & 0o007) !== 0;
  const warnings = isOpen ? [`warning: ${path} is open to everyone on this machine; better: chmod 600 ${path}`] : [];
  return { config, warnings };
}

function readText(path: string): { text: string; mode: number } {
  const fd = open(path);
  try {
    const found = fstatSync(fd);
    if (found.isDirectory()) throw unreadable(path, "is a directory");
    const bytes = readToEnd(fd, MAX_CONFIG_BYTES);
    if (!bytes) throw unreadable(path, `has more than ${MAX_CONFIG_BYTES} bytes, which is more than is read`);
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), mode: found.mode };
  } catch (cause) {
    if (cause instanceof DnetError) throw cause;
    throw unreadable(path, cause instanceof TypeError ? "is not text in UTF-8" : (cause as Error).message, cause);
  } finally {
    closeSync(fd);
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw unreadable(path, "does not exist", cause);
    if (code !== "EACCES") throw unreadable(path, message, cause);
    throw new DnetError("CONFIG_DENIED", `${printable(path)} may not be read by this user`, {
      failure: "permission",
      hint: "run as the user who owns it, or as root",
      cause,
    });
  }
}

function unreadable(path: string, flaw: string, cause?: unknown): DnetError {
  return new DnetError("CONFIG_UNREADABLE", `${printable(path)} ${flaw}`, {
    failure: "configuration",
    hint: "give the path of a file in the format of wg-quick",
    cause,
  });
}
