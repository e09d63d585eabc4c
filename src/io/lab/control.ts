/**
 * How the commands reach a running laboratory: HTTP over a unix socket that only its user can open. `GET /view` answers with a
 * LabView; `POST /event` does what a LabEvent says and answers when it has taken effect.
 */
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { DnetError, type Failure } from "../../base/error.ts";
import { isPrivateDirectory, makePrivateDirectory, runDirectory } from "../paths.ts";
import type { LabView } from "./lab.ts";

const ANSWER_WITHIN_MS = 10_000;

/** As on a command line: `dnet lab event alice move home`. */
export interface LabEvent {
  readonly name: string;
  readonly event: string;
  readonly words: readonly string[];
}

/** An error that the other side of the socket throws again. */
interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly failure: Failure;
}

export interface LabHandlers {
  view(): LabView;
  /** Throws DnetError. */
  disturb(event: LabEvent): void;
}

/** Serves until it is closed. */
export function serveLab(handlers: LabHandlers): { close(): Promise<void> } {
  makePrivateDirectory(runDirectory());
  makePrivateDirectory(directory());
  const path = labSocketPath(process.pid);
  rmSync(path, { force: true });
  const server = Bun.serve({
    unix: path,
    routes: {
      "/view": { GET: () => Response.json(handlers.view()) },
      "/event": {
        POST: async (request) => {
          try {
            handlers.disturb((await request.json()) as LabEvent); // from a dnet of our own user
            return Response.json(handlers.view());
          } catch (error) {
            if (!(error instanceof DnetError)) throw error;
            const { code, message, hint, failure } = error;
            return Response.json({ code, message, hint, failure } satisfies Refusal, { status: 400 });
          }
        },
      },
    },
    fetch: () => new Response("no such resource", { status: 404 }),
  });
  chmodSync(path, 0o600);
  return {
    async close() {
      await server.stop(true);
      rmSync(path, { force: true });
    },
  };
}

/** Throws DnetError: failure "not-running" when there is no such laboratory. */
export async function readLab(pid: number): Promise<LabView> {
  return (await ask(pid, "/view", { method: "GET" })) as LabView;
}

/** Resolves when it has taken effect, with what the laboratory is then. Throws what the laboratory throws. */
export async function disturbLab(pid: number, event: LabEvent): Promise<LabView> {
  return (await ask(pid, "/event", { method: "POST", body: JSON.stringify(event) })) as LabView;
}

/** The laboratories that run, by their processes. A socket that a killed one left is removed. */
export async function runningLabs(): Promise<number[]> {
  if (![runDirectory(), directory()].every((path) => isPrivateDirectory(path))) return [];
  const pids = readdirSync(directory()).map((file) => Number(basename(file, ".sock")));
  const alive = pids.filter((pid) => existsSync(`/proc/${pid}`));
  for (const pid of pids) if (!alive.includes(pid)) rmSync(labSocketPath(pid), { force: true });
  return alive;
}

async function ask(pid: number, path: string, request: { method: string; body?: string }): Promise<unknown> {
  const response = await reach(pid, path, request);
  const answer = await response.json();
  if (response.ok) return answer;
  const { code, message, hint, failure } = answer as Refusal;
  throw new DnetError(code, message, { failure, ...(hint === null ? {} : { hint }) });
}

async function reach(pid: number, path: string, request: { method: string; body?: string }): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    return await fetch(`http://dnet${path}`, { ...request, unix: labSocketPath(pid), signal });
  } catch (cause) {
    throw new DnetError("LAB_NOT_RUNNING", `no laboratory answers as process ${pid}`, {
      failure: "not-running",
      hint: "dnet lab up FILE, in another terminal",
      cause,
    });
  }
}

function directory(): string {
  return join(runDirectory(), "lab");
}

export function labSocketPath(pid: number): string {
  return join(directory(), `${pid}.sock`);
}
