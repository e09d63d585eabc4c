/**
 * A tunnel and a DHT node on one UDP port, until SIGTERM: `bun shared-port-end.ts FILE OWN_HOST [BOOTSTRAP_HOST:PORT]`. Without a
 * bootstrap it is one. Prints a line of JSON for each event of the node's, with what it knows by then.
 */
import { readFileSync } from "node:fs";
import { monotonicMs } from "../../ffi/libc.ts";
import { parseWgQuick, tunnelNameOf } from "../../src/cli/wg-quick.ts";
import type { DatagramSocket } from "../../src/io/datagram-socket.ts";
import { DhtHost } from "../../src/io/dht-host.ts";
import { drive } from "../../src/io/drive.ts";
import { systemRandom } from "../../src/io/entropy.ts";
import { parseBootstrap } from "../../src/io/gateway/options.ts";
import { runTunnel } from "../../src/io/tunnel.ts";
import { openUdpSocket } from "../../src/io/udp-socket.ts";
import { nodeOptions } from "./dht-node.ts";

const [file = "", host = "", bootstrap] = process.argv.slice(2);
const config = parseWgQuick(readFileSync(file, "utf8"), file);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());

function startNode(server: DatagramSocket, client: DatagramSocket): void {
  const node = nodeOptions({
    random: systemRandom,
    bootstrap: bootstrap ? [parseBootstrap(bootstrap)] : [],
    publicAddress: bootstrap ? null : { host, port: server.address.port },
    isEphemeral: false,
    isFirewalled: bootstrap !== undefined, // so that joining shows the port to be open
  });
  const tell = (event: string) => {
    const { isEphemeral, isFirewalled, remoteAddress, contacts } = dht.node;
    const nodes = [...contacts.table.nodes()].map(({ host, port }) => ({ host, port }));
    process.stdout.write(`${JSON.stringify({ event, isEphemeral, isFirewalled, remoteAddress, nodes })}\n`);
  };
  const onEvent = ({ type }: { type: string }) => queueMicrotask(() => tell(type));
  const dht = new DhtHost({
    now: monotonicMs(),
    node,
    sockets: { server, client },
    drive,
    openSocket: () => openUdpSocket({ host: "0.0.0.0", port: 0 }),
    resolve: async () => null,
    onEvent,
  });
}

const client = await openUdpSocket({ host: "0.0.0.0", port: 0 });
await runTunnel(
  { ...config, name: tunnelNameOf(file) },
  {
    share: (server) => startNode(server, client),
    onReady: () => {},
    log: (line) => process.stderr.write(`${line}\n`),
    signal: stop.signal,
  },
);
process.exit(0);
