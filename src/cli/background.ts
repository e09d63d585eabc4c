import { closeSync, constants, openSync } from "node:fs";
import { DnetError } from "../base/error.ts";
import { makeTunnelDirectory, tunnelLogPath } from "../io/paths.ts";
import type { TunnelView } from "../io/tunnel-view.ts";
import { failureOf } from "./exit-codes.ts";

// An endpoint's DNS name may need resolving first; resolv.conf(5) gives up after two tries of 5 s each.
const MAX_START_MS = 15_000;
const END_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const; // whoever ends the command does not want its tunnel
const NEW_LOG = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_APPEND | constants.O_NOFOLLOW;

/**
 * Starts `dnet tunnel up PATH --foreground --json` in a session of its own, and waits for the one line it prints: the
 * tunnel, or the error, which is thrown as if it had happened here. What it says later goes to the tunnel's log.
 */
export async function startInBackground(
  name: string,
  path: string,
  { program = thisProgram(), withinMs = MAX_START_MS }: { program?: readonly string[]; withinMs?: number } = {},
): Promise<TunnelView> {
  makeTunnelDirectory();
  const logPath = tunnelLogPath(name);
  const log = openSync(logPath, NEW_LOG, 0o600);
  const child = Bun.spawn([...program, "tunnel", "up", "--foreground", "--json", "--", path], {
    cwd: "/", // so that it keeps no file system busy
    detached: true,
    stdio: ["ignore", "pipe", log],
  });
  closeSync(log);
  let ending: "by itself" | "interrupted" | "too slow" = "by itself";
  const interrupt = () => {
    ending = "interrupted";
    child.kill("SIGTERM");
  };
  const giveUp = () => {
    ending = "too slow";
    child.kill("SIGKILL"); // the kernel removes the interface with the process, so nothing stays behind
  };
  for (const name of END_SIGNALS) process.once(name, interrupt);
  const timer = setTimeout(giveUp, withinMs);
  try {
    const line = await firstLine(child.stdout);
    if (line !== null) return readOutcome(line);
    await child.exited;
    throw notStarted(name, ending, logPath);
  } finally {
    clearTimeout(timer);
    for (const name of END_SIGNALS) process.off(name, interrupt);
    child.unref();
  }
}

/** How to start what runs here once more: the executable, or from source Bun and the file. */
function thisProgram(): string[] {
  return Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main];
}

/** The first line, without its end; null when the stream ends before there is one. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return null;
}

/** The line comes from a dnet of this same executable, so only what kind it is needs asking. */
function readOutcome(line: string): TunnelView {
  const outcome = JSON.parse(line);
  if (outcome.schema !== "dnet.error/1") return outcome;
  const { code, message, hint, exitCode } = outcome;
  throw new DnetError(code, message, { failure: failureOf(exitCode), ...(hint === null ? {} : { hint }) });
}

function notStarted(name: string, ending: string, logPath: string): DnetError {
  return new DnetError("TUNNEL_NOT_STARTED", `the background process of ${name} ended before it was up (${ending})`, {
    failure: ending === "too slow" ? "unreachable" : "failure",
    hint: `read its log: ${logPath}`,
  });
}
