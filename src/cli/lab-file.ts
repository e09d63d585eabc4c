import { closeSync, openSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { type LabDescription, parseDescription } from "../io/lab/description.ts";
import { PRESETS } from "../io/lab/presets.ts";
import { readToEnd } from "./bounded-read.ts";
import { nearest } from "./nearest.ts";

const MAX_BYTES = 1 << 20;

/** A preset's description, or that of a file. Throws DnetError when it is neither, or not a good one. */
export function readLab(fileOrPreset: string): LabDescription {
  const preset = PRESETS.find(({ name }) => name === fileOrPreset);
  return preset?.description ?? parseDescription(readJson(fileOrPreset));
}

function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unreadable(
      `${path} is not JSON: ${(cause as Error).message}`,
      "dnet lab presets NAME, for one that is",
      cause,
    );
  }
}

function readText(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    const names = PRESETS.map(({ name }) => name);
    const near = nearest(path, names);
    const message = `${path} is neither a preset nor a file that can be read: ${(cause as Error).message}`;
    throw unreadable(message, near ? `dnet lab up ${near}` : `a file, or one of: ${names.join(", ")}`, cause);
  }
  try {
    const bytes = readToEnd(fd, MAX_BYTES);
    if (!bytes) throw unreadable(`${path} has more than ${MAX_BYTES} bytes`, "give a description of a laboratory");
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    if (cause instanceof DnetError) throw cause;
    throw unreadable(`${path} cannot be read: ${(cause as Error).message}`, "give the path of a file", cause);
  } finally {
    closeSync(fd);
  }
}

function unreadable(message: string, hint: string, cause?: unknown): DnetError {
  return new DnetError("LAB_UNREADABLE", message, { failure: "configuration", hint, cause });
}
