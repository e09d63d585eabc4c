import { expect, test } from "bun:test";
import { agoText, bytesText, tunnelText } from "../../../src/cli/tunnel-text.ts";
import type { TunnelPeerView, TunnelView } from "../../../src/io/tunnel-view.ts";
import { emptyView } from "./fake-context.ts";

const peer: TunnelPeerView = {
  publicKey: "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
  presharedKey: true,
  suite: "dnet",
  endpoint: "[2607:5300:60:6b0::c05f:543]:2468",
  allowedAddresses: ["192.168.0.0/16", "fd00::/8"],
  latestHandshakeSecondsAgo: 63.2,
  receivedBytes: 1_268_776,
  sentBytes: 3_650_722_202,
  receivedPackets: 1_000,
  sentPackets: 2_600_000,
  persistentKeepaliveSeconds: 25,
  superPackets: true,
  pathMtu: 1472,
  drops: { "not-allowed": 3, "no-session": 0 },
};
const idle: TunnelPeerView = {
  ...peer,
  publicKey: "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=",
  presharedKey: false,
  suite: "wireguard",
  endpoint: null,
  allowedAddresses: [],
  latestHandshakeSecondsAgo: null,
  receivedBytes: 0,
  sentBytes: 0,
  receivedPackets: 0,
  sentPackets: 0,
  persistentKeepaliveSeconds: null,
  superPackets: false,
  pathMtu: null,
  drops: {},
};
const view: TunnelView = {
  ...emptyView,
  addresses: ["10.0.0.1/24", "fd00::1/64"],
  features: { "tun-offload": true, "udp-gro": false, "aead-dnet": "libcrypto" },
  counters: { "bad-mac1": 10, "unknown-type": 0 },
  peers: [idle, peer],
};

test("a tunnel reads like wg show, the peer that spoke last first", () => {
  expect(tunnelText(view, false)).toBe(`interface: wg0
  public key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=
  private key: (hidden)
  listening port: 51820
  addresses: 10.0.0.1/24, fd00::1/64
  mtu: 1420
  running: process 1234, since 2026-01-02T03:04:05.000Z
  features: tun-offload on, udp-gro off, aead-dnet libcrypto
  drops: 10 bad-mac1

peer: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=
  preshared key: (hidden)
  suite: dnet
  endpoint: [2607:5300:60:6b0::c05f:543]:2468
  allowed ips: 192.168.0.0/16, fd00::/8
  latest handshake: 1 minute, 3 seconds ago
  transfer: 1.21 MiB received, 3.40 GiB sent (1000 and 2600000 packets)
  persistent keepalive: every 25 seconds
  super-packets: on
  path mtu: 1472
  drops: 3 not-allowed

peer: gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=
  suite: wireguard
  allowed ips: (none)
`);
});

test("colours change nothing but the colours", () => {
  const colored = tunnelText(view, true);
  expect(colored).toStartWith("\x1b[1;32minterface\x1b[0m: \x1b[1;32mwg0\x1b[0m\n");
  expect(colored.replaceAll(/\x1b\[[\d;]*m/g, "")).toBe(tunnelText(view, false));
});

test("spans are spelt out from the largest unit on, without empty ones", () => {
  expect([0, 0.9, 1, 59.9, 60, 3600, 3661, 90_000, 31_536_000 + 86_400 * 2].map((s) => agoText(s))).toEqual([
    "now",
    "now",
    "1 second ago",
    "59 seconds ago",
    "1 minute ago",
    "1 hour ago",
    "1 hour, 1 minute, 1 second ago",
    "1 day, 1 hour ago",
    "1 year, 2 days ago",
  ]);
});

test("bytes are counted in powers of 1024", () => {
  const counts = [0, 1, 1023, 1024, 1536, 2 ** 20, 5 * 2 ** 30, 2 ** 40, 2 ** 52];
  expect(counts.map((count) => bytesText(count))).toEqual([
    "0 B",
    "1 B",
    "1023 B",
    "1.00 KiB",
    "1.50 KiB",
    "1.00 MiB",
    "5.00 GiB",
    "1.00 TiB",
    "4096.00 TiB",
  ]);
});
