/**
 * The real hyperdht under Node as a load's target: one persistent node on 127.0.0.1 whose routing table is as full as one of the
 * public network. Prints its port and ends when stdin does.
 *   node hyperdht-served.mjs
 */
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import peer from "dht-rpc/lib/peer.js";
import DHT from "hyperdht";

const HOST = "127.0.0.1";
/** The table of a node among many thousands; each row takes 20. */
const TABLE_NODES = 150;

const dht = DHT.bootstrapper(await freePort(), HOST, { host: HOST });
await dht.fullyBootstrapped();
// The nodes of its table do not exist. Without ticks it never looks for them, and keeps them.
clearInterval(dht._tickInterval);
for (let i = 0; dht.table.size < TABLE_NODES; i++) dht.table.add(inventNode(i));
process.stdin.resume().on("end", () => process.exit(0));
console.log(dht.address().port);

/** The same nodes on every run, so that runs compare. */
function inventNode(i) {
  const [, a, b, c] = createHash("sha256").update(`${i}`).digest();
  const [host, port] = [`127.${a}.${b}.${c}`, 2000];
  const ticks = { sampled: 0, added: dht._tick, pinged: dht._tick, seen: dht._tick };
  return { id: peer.id(host, port), host, port, token: null, to: null, ...ticks, downHints: 0, prev: null, next: null };
}

/** A bootstrapper has to be told its port. */
function freePort() {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.bind(0, HOST, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
