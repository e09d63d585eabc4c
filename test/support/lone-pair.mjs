/**
 * One of two nodes that are alone in their network: of ours under Bun, of the real hyperdht under Node, whose API ours is. One listens,
 * the other is told where that is reached, and asks it for its server there.
 */
import { createInterface } from "node:readline";

const HOST = "127.0.0.1";
const isOurs = "Bun" in globalThis;
const { Gateway: Node } = isOurs ? await import("../../src/index.ts") : { Gateway: (await import("hyperdht")).default };
const SERVER = Node.keyPair(Buffer.alloc(32, 1));

/** Prints its port, and is told the port that leads to the other on stdin. `onStream` gets the stream between them, when it is open. */
export async function pairUp(isServer, onStream) {
  const node = new Node({ bootstrap: [], host: HOST, port: 0, ephemeral: false, firewalled: false });
  await node.fullyBootstrapped();
  const opened = (socket) => {
    socket.on(isOurs ? "failure" : "error", (error) => console.error(error.message));
    socket.once("open", () => onStream(socket));
  };
  if (isServer) node.createServer({}, opened).listen(SERVER).catch(console.error); // ours goes on until it is announced at somebody
  const port = new Promise((resolve) => createInterface({ input: process.stdin }).once("line", resolve));
  console.log(node.address().port);
  const nodes = [{ host: HOST, port: Number(await port) }];
  if (!isServer) opened(node.connect(SERVER.publicKey, { relayAddresses: nodes, localConnection: false }));
}

/** The last of all: one line of JSON, and some time for a peer that has missed our last acknowledgement and asks again. */
export function report(result) {
  console.log(JSON.stringify(result));
  setTimeout(() => process.exit(0), 300);
}

/** Writes what `next` gives, as fast as the stream takes it, until that is null. */
export function writeAll(socket, next) {
  for (let message = next(); message; message = next()) {
    if (!socket.write(message)) return socket.once("drain", () => writeAll(socket, next));
  }
  socket.end();
}
