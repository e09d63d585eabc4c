/**
 * dnet's DHT node as a load's target, the counterpart of `hyperdht-served.mjs`: one persistent node on 127.0.0.1 with the same
 * routing table. Prints its port and ends when stdin does.
 *   bun dht-served.ts
 */
import { Gateway } from "../../src/index.ts";

const HOST = "127.0.0.1";
const TABLE_NODES = 150;

const probe = await Bun.udpSocket({ hostname: HOST, port: 0 });
const { port } = probe;
probe.close();
const node = Gateway.bootstrapper(port, HOST, { host: HOST });
await node.ready();
// The nodes of its table do not exist; it looks for a few of them every 40 s.
for (let i = 0; node.size < TABLE_NODES; i++) {
  const [, a, b, c] = new Bun.CryptoHasher("sha256").update(`${i}`).digest();
  node.addNode({ host: `127.${a}.${b}.${c}`, port: 2000 });
}
process.stdin.resume().on("end", () => process.exit(0));
console.log(node.address()!.port);
