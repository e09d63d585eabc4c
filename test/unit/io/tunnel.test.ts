import { expect, test } from "bun:test";
import { runTunnel } from "../../../src/io/tunnel.ts";
import type { TunnelPeerConfig } from "../../../src/io/tunnel-config.ts";

test("more peers than there are counters for are refused before anything is opened", () => {
  const peer: TunnelPeerConfig = {
    publicKey: new Uint8Array(32).fill(9),
    presharedKey: null,
    allowedAddresses: [],
    endpoint: null,
    persistentKeepaliveSeconds: 0,
    suite: "dnet",
    superPackets: true,
  };
  const config = { name: "dnet0", privateKey: new Uint8Array(32).fill(1), listenPort: null, mtu: null, addresses: [] };
  const options = { onReady() {}, log() {}, signal: AbortSignal.abort() };
  expect(runTunnel({ ...config, peers: Array(4097).fill(peer) }, options)).rejects.toMatchObject({
    code: "TOO_MANY_PEERS",
    failure: "configuration",
  });
});
