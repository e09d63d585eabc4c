/**
 * How the commands reach a running tunnel: HTTP over a unix socket that only its user can open. `GET /view` answers with a
 * TunnelView; `POST /stop` stops the tunnel and answers when its interface is gone.
 */
import { chmodSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { whoHoldsTun } from "../../ffi/process.ts";
import { DnetError } from "../base/error.ts";
import { hasTunnelDirectory, makeTunnelDirectory, tunnelDirectory, tunnelLogPath, tunnelSocketPath } from "./paths.ts";
import type { TunnelView } from "./tunnel-view.ts";

const ANSWER_WITHIN_MS = 5_000;

export interface ControlHandlers {
  view(): TunnelView;
  /** Begins to stop and resolves when nothing is left but this socket. */
  stop(): Promise<void>;
}

export interface ControlServer {
  /** Nobody finds it any more; who has asked still gets an answer. To be called while the interface is still held. */
  hide(): void;
  close(): Promise<void>;
}

/**
 * Serves until `close`. Whoever holds the interface's name owns its socket, so one that is left over is replaced: by
 * renaming, because Bun removes the path that it was given when it stops, and by then the name may be another's.
 */
export function serveControl(name: string, handlers: ControlHandlers): ControlServer {
  const path = tunnelSocketPath(name);
  const ownPath = join(makeTunnelDirectory(), String(process.pid));
  rmSync(ownPath, { force: true });
  const server = Bun.serve({
    unix: ownPath,
    routes: {
      "/view": { GET: () => Response.json(handlers.view()) },
      "/stop": {
        POST: async () => {
          await handlers.stop();
          return Response.json({});
        },
      },
    },
    fetch: () => new Response("no such resource", { status: 404 }),
  });
  chmodSync(ownPath, 0o600);
  renameSync(ownPath, path);
  return {
    hide: () => rmSync(path, { force: true }),
    close: () => server.stop(),
  };
}

/** The tunnels that answer, and the names of those that run and do not. A socket that a killed one left is neither. */
export async function readTunnels(): Promise<{ views: TunnelView[]; silent: string[] }> {
  const files = hasTunnelDirectory() ? readdirSync(tunnelDirectory()) : [];
  const names = files.filter((file) => file.endsWith(".sock")).map((file) => basename(file, ".sock"));
  const views: TunnelView[] = [];
  const silent: string[] = [];
  const read = async (name: string) => {
    try {
      views.push(await readTunnel(name));
    } catch (error) {
      if (!(error instanceof DnetError)) throw error;
      if (error.failure === "unreachable") silent.push(name);
      else if (error.failure !== "not-running") throw error;
    }
  };
  await Promise.all(names.map(read));
  return { views, silent };
}

/** Throws DnetError, failure "not-running", when there is none of that name. */
export async function readTunnel(name: string): Promise<TunnelView> {
  const response = await ask(name, "GET", "/view");
  return (await response.json()) as TunnelView; // from a dnet of our own user
}

/** Resolves when the tunnel's interface is gone. Throws as `readTunnel` does. */
export async function stopTunnel(name: string): Promise<void> {
  await ask(name, "POST", "/stop");
}

async function ask(name: string, method: string, path: string): Promise<Response> {
  const unix = tunnelSocketPath(name);
  if (!hasTunnelDirectory()) throw notRunning(name);
  try {
    return await fetch(`http://dnet${path}`, { method, unix, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch (cause) {
    throw cause instanceof DOMException && cause.name === "TimeoutError"
      ? silent(name, cause)
      : notRunning(name, cause);
  }
}

function silent(name: string, cause: unknown): DnetError {
  const holder = whoHoldsTun(name);
  const end = holder ? `, or end it, and the interface with it: kill -9 ${holder.pid}` : "";
  return new DnetError("TUNNEL_SILENT", `the tunnel ${name} did not answer within ${ANSWER_WITHIN_MS / 1000} s`, {
    failure: "unreachable",
    hint: `again; read its log, ${tunnelLogPath(name)}${end}`,
    cause,
  });
}

function notRunning(name: string, cause?: unknown): DnetError {
  const others = process.getuid?.() === 0 ? "" : "; those of root: sudo dnet tunnel show";
  return new DnetError("TUNNEL_NOT_RUNNING", `no tunnel named ${name} is running`, {
    failure: "not-running",
    hint: `dnet tunnel show, which lists those that are${others}`,
    cause,
  });
}
