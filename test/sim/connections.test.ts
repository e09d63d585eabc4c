/**
 * Servers and clients behind every kind of NAT, over simulated time: who reaches whom, how soon, and why not. The stream is one packet of
 * each side here, with which a path shows that it carries.
 */
import { expect, test } from "bun:test";
import { connect, listen } from "../support/sim-connection.ts";
import { SimDhtNode, simNetwork } from "../support/sim-dht.ts";
import { Internet } from "./internet/internet.ts";
import { LINUX, type NatBehaviour, RANDOM, RFC_4787 } from "./internet/nat-behaviour.ts";

const KINDS: { readonly [name: string]: Partial<NatBehaviour> | null } = {
  open: null,
  cone: { ...RFC_4787, filtering: "address-and-port-dependent" },
  linux: LINUX,
  random: RANDOM,
};

for (const [serverKind, serverNat] of Object.entries(KINDS)) {
  for (const [clientKind, clientNat] of Object.entries(KINDS)) {
    test(`${clientKind} client, ${serverKind} server`, () => {
      const internet = new Internet({ seed: 1, latencyMs: [10, 10] });
      const network = simNetwork(internet, 30);
      const bootstrap = [{ ...network[0]!.address, suggested: null }];
      const join = (nat: Partial<NatBehaviour> | null) =>
        new SimDhtNode(internet, internet.addHost(nat ? { behind: internet.addNat(nat) } : {}), { bootstrap });
      const [server, client] = [join(serverNat), join(clientNat)];
      internet.runUntil(() => server.node.isReady && client.node.isReady, 60_000);
      const keyPair = listen(internet, server);
      const { openedAt, startedAt, failure, path } = connect(internet, client, keyPair.publicKey);
      console.log(clientKind, serverKind, openedAt === null ? failure : `${(openedAt - startedAt).toFixed(0)} ms`, path?.socket);
      expect(1).toBe(1);
    });
  }
}
