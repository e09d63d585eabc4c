/** What a server sends to an address that a client, or a node that passes its handshake on, only names. */
import { expect, test } from "bun:test";
import { connect, listen } from "../support/sim-connection.ts";
import { SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";

const IP_AND_UDP_BYTES = 28;

test("a silent address that a handshake names gets less than it took to name it, and no questions", () => {
  const internet = new Internet({ seed: 3, latencyMs: [10, 10], loss: 0 });
  const bootstrap = [{ ...simNetwork(internet, 30)[0]!.address, suggested: null }];
  const join = () => {
    const node = new SimDhtNode(internet, internet.addHost({}), { bootstrap });
    internet.runUntil(() => node.node.isReady, 60_000);
    return node;
  };
  const [node, client] = [join(), join()];
  const server = listen(internet, node, {});
  const [serverHost, clientHost] = [node.host.address!, client.host.address!];
  let handshake = 0;
  let reflected = 0;
  internet.carrier.observer = (_now, _fate, { from, to, datagram }) => {
    const bytes = datagram.length + IP_AND_UDP_BYTES;
    if (to.host === serverHost && from.host !== clientHost && datagram.length > 200 && handshake === 0) {
      handshake = bytes; // passed on by a node; who is named in it is not there
      internet.after(0, () => client.host.offline());
    } else if (handshake > 0 && from.host === serverHost && to.host === clientHost) reflected += bytes;
  };
  connect(internet, client, server.publicKey);
  internet.runFor(120_000);
  expect(server.ends.map(({ why }) => why)).toEqual(["timeout"]);
  expect(handshake).toBeGreaterThan(200);
  expect(reflected).toBeGreaterThan(0);
  expect(reflected).toBeLessThanOrEqual(handshake); // the reference goes on, to three times as much
});
