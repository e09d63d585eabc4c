import { DnetError } from "../../../src/base/error.ts";
import type { Random } from "../../../src/base/random.ts";
import type { Context, Terminal } from "../../../src/cli/command.ts";
import { type GatewayFactory, gatewayFactory } from "../../../src/cli/gateway-factory.ts";
import { root } from "../../../src/cli/root.ts";
import { runCommandLine } from "../../../src/cli/run.ts";
import type { TunnelControl } from "../../../src/cli/tunnel-control.ts";
import type { TunnelView } from "../../../src/io/tunnel-view.ts";

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What stdout holds, as JSON. */
  json(): { [key: string]: unknown };
}

export interface Given {
  readonly stdin?: string;
  /** Lines that are typed on the terminal that standard input is then. */
  readonly typed?: string[];
  readonly terminal?: FakeTerminal;
  readonly tunnels?: TunnelControl;
  /** Left out: real ones. */
  readonly gateways?: GatewayFactory;
  /** Left out: nothing but ones. */
  readonly random?: Random;
  /** Left out: the real time. */
  readonly now?: () => number;
  /** What Ctrl-C aborts. */
  readonly stop?: AbortSignal;
}

/** Runs a command line in this process, over a fake terminal. */
export async function dnet(argv: readonly string[], given: Given = {}): Promise<Outcome> {
  const { terminal = new FakeTerminal(), stdin = "", typed = null, stop = new AbortController().signal } = given;
  const context: Omit<Context, "root"> = {
    terminal,
    random: given.random ?? { bytes: (length) => new Uint8Array(length).fill(0xff) },
    now: given.now ?? (() => Date.now()),
    tunnels: given.tunnels ?? fakeTunnels([]),
    gateways: given.gateways ?? gatewayFactory,
    readStdin: async () => new TextEncoder().encode(stdin),
    askSecret: typed && (async (prompt) => asked(terminal, prompt, typed.shift())),
    stdin: async function* () {
      yield new TextEncoder().encode(stdin);
    },
    stopSignal: () => stop,
  };
  const exitCode = await runCommandLine(root, argv, context);
  return { exitCode, stdout: terminal.output, stderr: terminal.errors, json: () => JSON.parse(terminal.output) };
}

function asked(terminal: FakeTerminal, prompt: string, line: string | undefined): string {
  terminal.stderr.write(`${prompt}\n`);
  if (line === undefined) throw new DnetError("NOTHING_TYPED", "nothing was typed", { failure: "usage" });
  return line;
}

/** A terminal that only remembers. */
export class FakeTerminal implements Terminal {
  output = "";
  errors = "";
  readonly color: boolean;
  readonly isScreen: boolean;
  readonly #columns: number | null;

  /** `columns`: of a terminal that stderr is. */
  constructor({ color = false, isScreen = false, columns = null as number | null } = {}) {
    this.color = color;
    this.isScreen = isScreen;
    this.#columns = columns;
  }

  columns(): number | null {
    return this.#columns;
  }

  readonly stdout = {
    write: (text: string | Uint8Array) => {
      this.output += typeof text === "string" ? text : new TextDecoder().decode(text);
    },
  };
  readonly stderr = {
    write: (text: string) => {
      this.errors += text;
    },
  };
}

/** Tunnels that are only views; `stop` takes them out of the list. Those in `silent` run and do not answer. */
export function fakeTunnels(
  views: readonly TunnelView[],
  silent: readonly string[] = [],
): TunnelControl & { readonly started: string[] } {
  const all = new Map(views.map((view) => [view.name, view]));
  const started: string[] = [];
  const find = (name: string): TunnelView => {
    const view = all.get(name);
    if (view) return view;
    if (silent.includes(name)) throw new DnetError("TUNNEL_SILENT", "no answer", { failure: "unreachable" });
    throw new DnetError("TUNNEL_NOT_RUNNING", `no tunnel ${name} is running`, { failure: "not-running" });
  };
  return {
    started,
    run: async (config, { onReady, log }) => {
      log("starting");
      onReady({ ...emptyView, name: config.name });
    },
    start: async (name, path) => {
      started.push(path);
      return { ...emptyView, name };
    },
    readAll: async () => ({ views: [...all.values()], silent }),
    read: async (name) => find(name),
    stop: async (name) => {
      find(name);
      all.delete(name);
    },
  };
}

export const emptyView: TunnelView = {
  schema: "dnet.tunnel/1",
  name: "wg0",
  publicKey: "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
  listenPort: 51820,
  mtu: 1420,
  addresses: [],
  pid: 1234,
  startedAt: "2026-01-02T03:04:05.000Z",
  features: {},
  counters: {},
  peers: [],
};
