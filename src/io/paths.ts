/**
 * Where dnet keeps what is its own. Directories are 0700 and ours: a control socket in a directory that someone else may
 * write to would obey that someone.
 *   run    a running dnet's sockets and logs: `/run/dnet` as root, `$XDG_RUNTIME_DIR/dnet` otherwise, or `dnet-UID` in the
 *          directory for temporary files; `DNET_RUN_DIR` overrides all three
 *   state  what outlives it: `/var/lib/dnet` as root, `$XDG_STATE_HOME/dnet` or `~/.local/state/dnet` otherwise;
 *          `DNET_STATE_DIR` overrides all three
 */
import { lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { DnetError } from "../base/error.ts";

// `sun_path` of struct sockaddr_un (linux/un.h), less its closing zero.
const MAX_SOCKET_PATH_BYTES = 107;

/** Which of the two; errors are named for it, and say which variable chooses another. */
type Purpose = "run" | "state";
const VARIABLES = { run: "DNET_RUN_DIR", state: "DNET_STATE_DIR" } as const;

type Environment = { readonly [name: string]: string | undefined };

/** The run directory's path; makes nothing. */
export function runDirectory(environment: Environment = process.env, uid: number = userId()): string {
  const chosen = chosenDirectory("run", environment);
  if (chosen) return chosen;
  if (uid === 0) return "/run/dnet";
  const runtime = environment["XDG_RUNTIME_DIR"];
  return runtime && isAbsolute(runtime) ? join(runtime, "dnet") : join(tmpdir(), `dnet-${uid}`);
}

/** The state directory's path; makes nothing. */
export function stateDirectory(environment: Environment = process.env, uid: number = userId()): string {
  const chosen = chosenDirectory("state", environment);
  if (chosen) return chosen;
  if (uid === 0) return "/var/lib/dnet";
  const state = environment["XDG_STATE_HOME"];
  return state && isAbsolute(state) ? join(state, "dnet") : join(environment["HOME"] || homedir(), ".local/state/dnet");
}

/** Makes the state directory if it is missing and returns it. Throws DnetError when it is not ours alone. */
export function makeStateDirectory(): string {
  return makePrivateDirectory(stateDirectory(), "state");
}

/** The directory of the tunnels' sockets and logs; makes nothing. */
export function tunnelDirectory(): string {
  return join(runDirectory(), "tunnel");
}

/** Makes the tunnels' directory if it is missing and returns it. Throws DnetError when it is not ours alone. */
export function makeTunnelDirectory(): string {
  makePrivateDirectory(runDirectory());
  return makePrivateDirectory(tunnelDirectory());
}

/** Whether there is a tunnels' directory yet. Throws DnetError when it is not ours alone: its sockets may be anyone's. */
export function hasTunnelDirectory(): boolean {
  return [runDirectory(), tunnelDirectory()].every((path) => isPrivateDirectory(path));
}

export function tunnelSocketPath(name: string): string {
  const path = join(tunnelDirectory(), `${name}.sock`);
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new DnetError(
      "RUN_DIRECTORY_TOO_LONG",
      `a socket's path has at most ${MAX_SOCKET_PATH_BYTES} bytes: ${path}`,
      {
        failure: "configuration",
        hint: "set DNET_RUN_DIR to a shorter path",
      },
    );
  }
  return path;
}

/** The log of a tunnel that runs in the background; whoever creates it gives it mode 0600. */
export function tunnelLogPath(name: string): string {
  return join(tunnelDirectory(), `${name}.log`);
}

/** Makes `path` with mode 0700, its parents as the system's defaults say, and makes sure that it is ours alone. */
export function makePrivateDirectory(path: string, purpose: Purpose = "run", uid: number = userId()): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `cannot make the directory ${path}: ${(cause as Error).message}`;
    throw new DnetError(errorCode(purpose, "DENIED"), message, {
      failure: "permission",
      hint: `set ${VARIABLES[purpose]} to a directory that you may write to`,
      cause,
    });
  }
  isPrivateDirectory(path, purpose, uid);
  return path;
}

/** False when there is nothing at `path`. Throws DnetError for anything but a directory that is ours alone. */
export function isPrivateDirectory(path: string, purpose: Purpose = "run", uid: number = userId()): boolean {
  // lstat, not stat: a symbolic link planted here by another user would otherwise pass as the directory it points to.
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return false;
  const isOwn = found.isDirectory() && found.uid === uid;
  const mode = (found.mode & 0o777).toString(8);
  if (isOwn && (found.mode & 0o077) === 0) return true;
  const flaw = isOwn
    ? `is open to others (mode ${mode})`
    : found.isDirectory()
      ? `belongs to user ${found.uid}, not ${uid}`
      : "is not a directory";
  const another = `set ${VARIABLES[purpose]} to a directory that is yours alone, with mode 700`;
  throw new DnetError(errorCode(purpose, "UNSAFE"), `${path} ${flaw}`, {
    failure: "permission",
    hint: isOwn ? `chmod 700 ${path}, or ${another}` : another,
  });
}

/** What the environment says; undefined when it says nothing. */
function chosenDirectory(purpose: Purpose, environment: Environment): string | undefined {
  const variable = VARIABLES[purpose];
  const path = environment[variable];
  if (!path) return undefined;
  if (isAbsolute(path)) return path;
  throw new DnetError(errorCode(purpose, "RELATIVE"), `${variable} is ${path}, which is not an absolute path`, {
    failure: "configuration",
    hint: `set ${variable} to a path that starts with /`,
  });
}

/** `RUN_DIRECTORY_DENIED`, say. */
function errorCode(purpose: Purpose, flaw: "DENIED" | "UNSAFE" | "RELATIVE"): string {
  return `${purpose.toUpperCase()}_DIRECTORY_${flaw}`;
}

function userId(): number {
  return process.getuid?.() ?? -1;
}
