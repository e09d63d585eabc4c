/** Whole networks on this machine, for the tests of programs that use the DHT. */
import { Gateway } from "./gateway.ts";
import type { GatewayOptions } from "./options.ts";

export interface Testnet extends AsyncDisposable {
  /** The first is the bootstrap node. */
  readonly nodes: readonly Gateway[];
  /** What other gateways take as `bootstrap` to join. */
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[];
  destroy(): Promise<void>;
}

const HOST = "127.0.0.1";

/** Starts `size` persistent nodes on 127.0.0.1 that know each other. */
export async function testnet(size: number, options: GatewayOptions = {}): Promise<Testnet> {
  const nodes: Gateway[] = [];
  const destroy = async () => {
    await Promise.all(nodes.map((node) => node.destroy()));
  };
  try {
    const first = Gateway.bootstrapper(await freePort(), HOST, { ...options, host: HOST });
    nodes.push(first);
    await first.ready();
    const bootstrap = [first.address()!];
    const shared = { ...options, host: HOST, port: 0, bootstrap, ephemeral: false, firewalled: false };
    while (nodes.length < size) nodes.push(new Gateway(shared));
    await Promise.all(nodes.map((node) => node.ready()));
    return { nodes, bootstrap, destroy, [Symbol.asyncDispose]: destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

/** A port that was free just now: a bootstrap node must know its own before it opens it. */
async function freePort(): Promise<number> {
  const socket = await Bun.udpSocket({ hostname: HOST, port: 0 });
  const { port } = socket;
  socket.close();
  return port;
}
