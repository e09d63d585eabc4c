/**
 * What the path below a tunnel, and the networks behind it, do to packets. The router loses, marks and narrows; host 1 and
 * host 2 are in the tunnel's ends' networks and know nothing of it:
 *
 *   ┌ host 1 ───┐   ┌ left ──────────────┐   ┌ router ─────┐   ┌ right ─────────────┐   ┌ host 2 ───┐
 *   │           │   │ dnet0 10.7.0.1     │   │             │   │ dnet0 10.7.0.2     │   │           │
 *   │ 10.9.1.2 ─┼───┼ lan0    ve0 ───────┼───┼ ve1    ve2 ─┼───┼ ve0          lan0 ─┼───┼─ 10.9.2.2 │
 *   │ fd09:1::2 │   │ .1      10.8.1.2   │   │             │   │ 10.8.2.2        .1 │   │ fd09:2::2 │
 *   └───────────┘   └────────────────────┘   └─────────────┘   └────────────────────┘   └───────────┘
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { PacketFilter } from "../support/packet-filter.ts";
import { Scene } from "../support/scene.ts";
import { ping, transfer } from "../support/traffic.ts";
import { ensureBuilt, TunnelProcess } from "../support/tunnel-process.ts";
import { inner4, inner6, type PairOptions, pairTexts, routedEnds, TUNNEL_PORT } from "../support/underlay.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const MEGABYTE = 1_000_000;
const SEALED = `udp dport ${TUNNEL_PORT}`;

let scene: Scene;
let left: Namespace;
let right: Namespace;
let router: Namespace;
let hosts: readonly Namespace[];
let filters: { left: PacketFilter; right: PacketFilter; router: PacketFilter; host2: PacketFilter };
let a: TunnelProcess;
let b: TunnelProcess;

beforeAll(() => {
  if (!isRoot) return;
  ensureBuilt();
  scene = new Scene();
  const underlay = routedEnds(scene, 2);
  router = underlay.router;
  [left, right] = underlay.ends as [Namespace, Namespace];
  hosts = [left, right].map((end, i) => hostBehind(end, i + 1));
  const filter = (namespace: Namespace) => new PacketFilter(namespace);
  filters = { left: filter(left), right: filter(right), router: filter(router), host2: filter(hosts[1]!) };
}, 20_000);

afterEach(async () => {
  await Promise.all([a, b].map((end) => end?.isAlive && end.kill()));
  for (const filter of Object.values(filters ?? {})) filter.clear();
  if (isRoot) widen();
});

afterAll(() => scene?.close());

/** A host in the network behind an end. */
function hostBehind(end: Namespace, number: number): Namespace {
  const host = scene.namespace();
  const [net4, net6] = [`10.9.${number}`, `fd09:${number}`];
  scene.lab.join(
    { namespace: end, name: "lan0", addresses: [`${net4}.1/24`, `${net6}::1/64`] },
    { namespace: host, name: "ve0", addresses: [`${net4}.2/24`, `${net6}::2/64`] },
  );
  end.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  host.run("ip", "route", "add", "default", "via", `${net4}.1`);
  host.run("ip", "-6", "route", "add", "default", "via", `${net6}::1`);
  return host;
}

async function bringUp(options: PairOptions = {}): Promise<void> {
  const allowed = (end: number) => [`${inner4(end)}/32`, `${inner6(end)}/128`, `10.9.${end}.0/24`, `fd09:${end}::/64`];
  const texts = pairTexts({ leftPeer: { allowed: allowed(2) }, rightPeer: { allowed: allowed(1) }, ...options });
  b = await TunnelProcess.up(scene, right, texts.right);
  a = await TunnelProcess.up(scene, left, texts.left);
}

rooted("1 % loss spoils no stream, turns super-packets off, and they come back when it ends", async () => {
  await bringUp();
  const send = async (bytes: number) => {
    const { sent, received } = await transfer(left, right, inner4(2), bytes);
    expect(received).toEqual(sent);
    return (await a.peer()).superPackets;
  };
  expect(await send(20 * MEGABYTE)).toBe(true);
  filters.router.rule("forward", `${SEALED} numgen random mod 100 == 0 drop`);
  expect(await send(20 * MEGABYTE)).toBe(false);
  filters.router.clear();
  expect(await send(60 * MEGABYTE)).toBe(true);
});

/** Takes 1,364 bytes of data: packets of 1,392 bytes with the headers of IPv4 and ICMP, 1,412 with those of IPv6. */
const WHOLE = { count: 5, options: ["-M", "do", "-s", "1364", "-W", "0.3"] };

for (const [suite, over, fits] of [
  // 1,400 less 20 of IPv4 or 40 of IPv6, 8 of UDP, 16 of header and 16 of tag.
  ["dnet", 4, 1_340],
  ["dnet", 6, 1_320],
  ["wireguard", 4, 1_340],
] as const) {
  rooted(`a narrower link on the way is found, and senders are told (suite ${suite} over IPv${over})`, async () => {
    await bringUp({ suite, over });
    for (const address of [inner4(2), inner6(2)]) expect((await ping(scene, left, address)).answered).toBe(3);
    narrow(1_400);
    expect((await ping(scene, left, inner4(2), WHOLE)).output).toContain(`Frag needed and DF set (mtu = ${fits})`);
    expect((await ping(scene, left, inner6(2), WHOLE)).output).toContain(`Packet too big: mtu=${fits}`);
    expect((await a.peer()).pathMtu).toBe(1_400);
    for (const [from, to, end] of [
      [left, right, 2],
      [right, left, 1],
    ] as const) {
      for (const address of [inner4(end), inner6(end)]) {
        const { sent, received } = await transfer(from, to, address, 5 * MEGABYTE);
        expect(received).toEqual(sent);
      }
    }
    expect((await b.peer()).pathMtu).toBe(1_400);
  });
}

for (const [version, mtu, address] of [
  [4, 1_300, inner4(2)],
  [6, 1_400, inner6(2)],
  [6, 1_300, inner6(2)],
] as const) {
  rooted(`a stream over IPv${version} that is under way when the link shrinks to ${mtu} bytes goes on`, async () => {
    await bringUp();
    const stream = transfer(left, right, address, 100 * MEGABYTE, { withinMs: 10_000 });
    await until("it is under way", async () => (await a.peer()).sentBytes > 10 * MEGABYTE);
    narrow(mtu);
    const { sent, received } = await stream;
    expect(received).toEqual(sent);
  });
}

rooted("a tunnel with IPv6 comes up over a link of 1,300 bytes, and carries IPv6's 1,280", async () => {
  narrow(1_300);
  left.run("ip", "link", "set", "ve0", "mtu", "1300");
  await bringUp();
  const largest = { count: 3, options: ["-M", "do", "-s", "1232"] };
  expect((await ping(scene, left, inner6(2), largest)).answered).toBe(3);
});

/** Sets the MTU of the link between router and right. */
function narrow(mtu: number): void {
  router.run("ip", "link", "set", "ve2", "mtu", `${mtu}`);
  right.run("ip", "link", "set", "ve0", "mtu", `${mtu}`);
}

/** Undoes `narrow`, and has the ends forget what they learnt of the path. */
function widen(): void {
  narrow(1_500);
  left.run("ip", "link", "set", "ve0", "mtu", "1500");
  for (const end of [left, right]) {
    for (const version of ["-4", "-6"]) end.run("ip", version, "route", "flush", "cache");
  }
}

rooted("the segment size that hosts behind the tunnel offer is lowered to what fits in it", async () => {
  await bringUp();
  filters.host2.count("input", "fitting4", "ip version 4 tcp flags syn tcp option maxseg size 1380");
  filters.host2.count("input", "fitting6", "ip6 version 6 tcp flags syn tcp option maxseg size 1360");
  filters.host2.count("input", "every", "tcp flags syn");
  for (const address of ["10.9.2.2", "fd09:2::2"]) {
    const { sent, received } = await transfer(hosts[0]!, hosts[1]!, address, MEGABYTE);
    expect(received).toEqual(sent);
  }
  expect(["fitting4", "fitting6", "every"].map((name) => filters.host2.counted(name))).toEqual([1, 1, 2]);
});

rooted("each router takes one from the time to live, and the tunnel none", async () => {
  await bringUp();
  expect((await ping(scene, left, inner4(2))).output).toContain("ttl=64");
  expect((await ping(scene, hosts[0]!, "10.9.2.2")).output).toContain("ttl=62");
  expect((await ping(scene, hosts[0]!, "fd09:2::2")).output).toContain("ttl=62");
});

for (const over of [4, 6] as const) {
  rooted(`congestion that a router marks over IPv${over} shows inside, where packets can say it`, async () => {
    await bringUp({ over });
    const ip = over === 4 ? "ip" : "ip6";
    expect((await ping(scene, left, inner4(2))).answered).toBe(3);
    filters.router.count("forward", "capable", `${SEALED} ${ip} ecn ect0`);
    filters.router.rule("forward", `${SEALED} ${ip} daddr ${over === 4 ? "10.8.2.2" : "fd08:2::2"} ${ip} ecn set ce`);
    filters.right.count("input", "marked4", "iifname dnet0 icmp type echo-request ip ecn ce");
    filters.right.count("input", "marked6", "iifname dnet0 icmpv6 type echo-request ip6 ecn ce");
    const capable = { options: ["-Q", "0x02"] };
    for (const address of [inner4(2), inner6(2)]) expect((await ping(scene, left, address, capable)).answered).toBe(3);
    expect(filters.router.counted("capable")).toBeGreaterThanOrEqual(6);
    expect([filters.right.counted("marked4"), filters.right.counted("marked6")]).toEqual([3, 3]);

    // Not capable, so a mark stands for a loss (RFC 6040 §4.2).
    expect((await ping(scene, left, inner4(2), { options: ["-W", "0.3"] })).answered).toBe(0);
    expect((await b.peer()).drops["congestionMarked"]).toBeGreaterThanOrEqual(3);
  });
}

rooted("a host without IPv6 has its tunnel over IPv4", async () => {
  left.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1");
  try {
    await bringUp({ left: { addresses: [`${inner4(1)}/24`] }, leftPeer: { allowed: [`${inner4(2)}/32`] } });
    expect((await ping(scene, left, inner4(2))).answered).toBe(3);
  } finally {
    left.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.default.disable_ipv6=0");
  }
});

rooted("a tunnel that carries everything does not carry itself", async () => {
  right.run("ip", "address", "add", "203.0.113.1/32", "dev", "lo");
  await bringUp({ leftPeer: { allowed: ["0.0.0.0/0", "::/0"] } });
  expect((await ping(scene, left, "203.0.113.1")).answered).toBe(3);
  const { sent, received } = await transfer(left, right, "203.0.113.1", 5 * MEGABYTE);
  expect(received).toEqual(sent);
  expect((await a.peer()).sentBytes).toBeLessThan(7 * MEGABYTE);
  await a.down();
  expect(left.run("ip", "route", "show", "default")).toContain("via 10.8.1.1 dev ve0");
  await until(
    "the old way works again",
    async () => (await ping(scene, left, "10.8.2.2", { count: 1 })).answered === 1,
  );
});
