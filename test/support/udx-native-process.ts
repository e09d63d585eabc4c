/** The real udx-native beside us: see `udx-native.mjs`. */
import { join } from "node:path";
import { Lines } from "../bench/lines.ts";

export interface NativeEvent {
  readonly event: "bound" | "opened" | "ended" | "closed" | "error" | "message" | "remote-changed" | "failed";
  readonly ports?: readonly [number, number];
  readonly received?: number;
  readonly sha256?: string;
  readonly code?: string;
  readonly text?: string;
}

export class NativeUdx {
  readonly events: NativeEvent[] = [];
  ports: readonly [number, number] = [0, 0];
  readonly #child = Bun.spawn(["node", join(import.meta.dir, "udx-native.mjs")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });

  static async start(): Promise<NativeUdx> {
    const native = new NativeUdx();
    const lines = new Lines(native.#child.stdout);
    native.ports = (JSON.parse((await lines.next())!) as NativeEvent).ports!;
    void native.#listen(lines);
    return native;
  }

  tell(op: string, options: { readonly [name: string]: unknown } = {}): void {
    this.#child.stdin.write(`${JSON.stringify({ op, ...options })}\n`);
    this.#child.stdin.flush();
  }

  /** The first event of that name, if it has happened. */
  find(event: NativeEvent["event"]): NativeEvent | undefined {
    return this.events.find((each) => each.event === event);
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill();
    await this.#child.exited;
  }

  async #listen(lines: Lines): Promise<void> {
    for (let line = await lines.next(); line !== null; line = await lines.next()) {
      this.events.push(JSON.parse(line) as NativeEvent);
    }
  }
}
