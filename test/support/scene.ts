/** A stage for tests of whole processes: namespaces, a directory for files, and the processes, all gone at its end. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Lab, type Namespace } from "./namespaces.ts";

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process that the scene ends, if nobody else has. `stderr` grows while it runs. */
export interface Actor {
  readonly pid: number;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: () => string;
  /** Whether it runs still. */
  readonly isAlive: () => boolean;
  /** Sends the signal and resolves with the exit code once the process is gone; -1 when a signal ended it. */
  readonly end: (signal: "SIGTERM" | "SIGINT" | "SIGKILL") => Promise<number>;
}

type Environment = { readonly [name: string]: string };

export class Scene {
  readonly lab = new Lab();
  readonly directory = mkdtempSync(join(tmpdir(), `dnet-${process.pid}-`));
  readonly #actors = new Set<Actor>();
  readonly #leftovers: (() => void | Promise<void>)[] = [];
  readonly #onExit = () => this.#sweep();
  #directories = 0;

  constructor() {
    process.once("exit", this.#onExit);
  }

  namespace(): Namespace {
    return this.lab.namespace();
  }

  /** A new empty directory in the scene's own. */
  newDirectory(): string {
    const path = join(this.directory, `${++this.#directories}`);
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  /** Starts a program in a namespace. */
  start(namespace: Namespace, command: readonly string[], environment: Environment = {}): Actor {
    const child = spawn(namespace, command, environment);
    let stderr = "";
    void readAll(child.stderr, (text) => {
      stderr += text;
    });
    const actor: Actor = {
      pid: child.pid,
      stdout: child.stdout,
      stderr: () => stderr,
      isAlive: () => child.exitCode === null && child.signalCode === null,
      end: async (signal) => {
        child.kill(signal);
        await child.exited;
        return child.exitCode ?? -1;
      },
    };
    this.#actors.add(actor);
    void child.exited.then(() => this.#actors.delete(actor));
    return actor;
  }

  /** Runs a program in a namespace to its end. Unlike `Namespace.run` it lets this process's own sockets work meanwhile. */
  async run(namespace: Namespace, command: readonly string[], environment: Environment = {}): Promise<Finished> {
    const child = spawn(namespace, command, environment);
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { exitCode: await child.exited, stdout, stderr };
  }

  /** Has `remove` called at the end, the last first. */
  atEnd(remove: () => void | Promise<void>): void {
    this.#leftovers.push(remove);
  }

  async close(): Promise<void> {
    process.off("exit", this.#onExit);
    for (const remove of this.#leftovers.splice(0).reverse()) await remove();
    await Promise.all([...this.#actors].map((actor) => actor.end("SIGKILL")));
    this.lab.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** What can be done while this process is ending; the lab sees to itself. */
  #sweep(): void {
    for (const actor of this.#actors) void actor.end("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function spawn(namespace: Namespace, command: readonly string[], environment: Environment) {
  return Bun.spawn(["ip", "netns", "exec", namespace.name, ...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...environment },
  });
}

async function readAll(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
