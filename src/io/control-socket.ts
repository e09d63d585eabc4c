/**
 * How the commands reach a running tunnel: HTTP over a unix socket that only its user can open. `GET /view` answers with a
 * TunnelView; `POST /stop` stops the tunnel and answers when its interface is gone.
 */
import { chmodSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { DnetError } from "../base/error.ts";
import { makeTunnelDirectory, tunnelDirectory, tunnelSocketPath } from "./paths.ts";
import type { TunnelView } from "./tunnel-view.ts";

const ANSWER_WITHIN_MS = 5_000;

export interface ControlHandlers {
  view(): TunnelView;
  /** Begins to stop and resolves when nothing is left but this socket. */
  stop(): Promise<void>;
}

/** Serves until `close`. Whoever holds the interface's name owns its socket, so one that is left over is replaced. */
export function serveControl(name: string, handlers: ControlHandlers): { close(): Promise<void> } {
  makeTunnelDirectory();
  const path = tunnelSocketPath(name);
  rmSync(path, { force: true });
  const server = Bun.serve({
    unix: path,
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
  chmodSync(path, 0o600);
  return {
    async close() {
      await server.stop();
      rmSync(path, { force: true });
    },
  };
}

/** The names of the tunnels that answer. Sockets of processes that were killed are removed. */
export async function runningTunnels(): Promise<string[]> {
  const names = list(tunnelDirectory())
    .filter((file) => file.endsWith(".sock"))
    .map((file) => basename(file, ".sock"));
  const alive = await Promise.all(names.map((name) => answers(name)));
  return names.filter((_, i) => alive[i]).sort();
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
  try {
    return await fetch(`http://dnet${path}`, { method, unix, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "TimeoutError") {
      throw new DnetError("TUNNEL_SILENT", `the tunnel ${name} did not answer within ${ANSWER_WITHIN_MS / 1000} s`, {
        failure: "unreachable",
        hint: `its log: ${join(tunnelDirectory(), `${name}.log`)}`,
        cause,
      });
    }
    throw new DnetError("TUNNEL_NOT_RUNNING", `no tunnel named ${name} is running`, {
      failure: "not-running",
      hint: "dnet tunnel show, which lists those that are",
      cause,
    });
  }
}

async function answers(name: string): Promise<boolean> {
  try {
    await readTunnel(name);
    return true;
  } catch (error) {
    if (error instanceof DnetError && error.failure === "not-running") rmSync(tunnelSocketPath(name), { force: true });
    return error instanceof DnetError && error.failure === "unreachable";
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // no tunnel has ever run
  }
}
