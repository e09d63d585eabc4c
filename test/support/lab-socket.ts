/** UDP sockets on the hosts of a laboratory, held by the test itself. */
import type { Namespace } from "./namespaces.ts";
import { until } from "./until.ts";

export interface Heard {
  readonly text: string;
  /** `192.0.2.1:1000`, as it arrived. */
  readonly from: string;
  readonly at: number;
}

export class LabSocket {
  readonly heard: Heard[];
  readonly #socket: Bun.udp.Socket<"buffer">;

  private constructor(socket: Bun.udp.Socket<"buffer">, heard: Heard[]) {
    this.#socket = socket;
    this.heard = heard;
  }

  /** Bound to a port of all of the host's addresses; 0 is any that is free. */
  static async open(namespace: Namespace, port = 0): Promise<LabSocket> {
    const heard: Heard[] = [];
    const socket = await namespace.enter(() =>
      Bun.udpSocket({
        hostname: "0.0.0.0",
        port,
        socket: {
          data: (_socket, bytes, port, host) => {
            heard.push({ text: bytes.toString(), from: `${host}:${port}`, at: performance.now() });
          },
          error: () => {}, // a port where nobody listens says so
        },
      }),
    );
    return new LabSocket(socket, heard);
  }

  get port(): number {
    return this.#socket.port;
  }

  say(text: string, to: string, { ttl = 64 } = {}): void {
    const [host = "", port] = to.split(":");
    this.#socket.setTTL(ttl);
    this.#socket.send(text, Number(port), host);
  }

  /** The first datagram that says so; null when none comes in that time. */
  async hear(text: string, withinMs = 500): Promise<Heard | null> {
    const find = () => this.heard.find((one) => one.text === text);
    return until(text, find, { withinMs, everyMs: 1 }).catch(() => null);
  }

  close(): void {
    this.#socket.close();
  }
}
