/** TCP over secret streams: what one end of a connection says on TCP, the other hears on TCP. Each half ends by itself. */
import { createServer, Socket, type Server as TcpServer } from "node:net";
import { DnetError } from "../../base/error.ts";
import { drained } from "./drained.ts";
import type { SecretSocket } from "./secret-socket.ts";

const HOST = "127.0.0.1";

/** Carries bytes both ways until both are done, or one fails; then both are gone. Never throws. */
export async function bridge(stream: SecretSocket, tcp: Socket): Promise<void> {
  tcp.on("error", () => stream.destroy());
  stream.on("close", () => tcp.destroy());
  tcp.on("data", (chunk: Buffer) => {
    if (!stream.write(new Uint8Array(chunk))) tcp.pause();
  });
  stream.on("drain", () => tcp.resume());
  tcp.on("end", () => stream.end());
  try {
    for await (const message of stream) if (!tcp.write(message) && !tcp.destroyed) await drained(tcp);
    tcp.end();
  } catch {
    tcp.destroy(); // why it failed the stream has told whoever listens for it
  }
}

/** Connects each stream to a port of this machine. */
export function exposePort(port: number): (stream: SecretSocket) => Promise<void> {
  return (stream) => bridge(stream, new Socket({ allowHalfOpen: true }).connect(port, HOST));
}

/** Listens on a port of this machine alone, and connects whoever comes. Throws DnetError when the port cannot be had. */
export async function forwardPort(port: number, open: () => SecretSocket): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (tcp) => {
    sockets.add(tcp);
    tcp.on("close", () => sockets.delete(tcp));
    const bridged = bridge(open(), tcp);
    tcp.resume();
    void bridged;
  });
  await listening(server, port);
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : port,
    close() {
      server.close();
      for (const tcp of sockets) tcp.destroy();
    },
  };
}

function listening(server: TcpServer, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why = cause.code === "EADDRINUSE" ? "is already in use" : `cannot be opened: ${cause.message}`;
      const hint = "choose another port, or stop the program that has it";
      reject(new DnetError("PORT_IN_USE", `TCP ${HOST}:${port} ${why}`, { failure: "configuration", hint, cause }));
    });
    server.listen(port, HOST);
  });
}
