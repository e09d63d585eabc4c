/**
 * Peers whose NATs no hole can be punched through, and who have IPv6 with firewalls that let in what answers what went out.
 *
 *   ┌ alice ───────────┐                                            ┌ bob ─────────────┐
 *   │ eth0 192.168.1.2 ┼─ random NAT ──┬─ internet ─┬── random NAT ──┼ eth0 192.168.2.2 │
 *   │ six 2001:db8:a::1╪═══════════════╪════════════╪════════════════╪ six 2001:db8:b::1│
 *   └──────────────────┘               │            │                └──────────────────┘
 *     carol ──────────── random NAT ───┘            └── relay, dht1 … dht4
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import type { Kind } from "../support/hyperdht-both.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { HyperdhtStream } from "../support/hyperdht-stream.ts";
import { type RunningLab, startLab } from "../support/lab.ts";
import { dhtHosts, joinDht, startDht } from "../support/lab-dht.ts";
import { isRoot, Lab, type Namespace, needsRoot } from "../support/namespaces.ts";
import { PacketFilter } from "../support/packet-filter.ts";
import { SeededRandom } from "../support/random.ts";
import { until } from "../support/until.ts";

const possible = isRoot && hasNode;
const rooted = (name: string, run: () => Promise<void>) =>
  test.skipIf(!possible)(`${name}${needsRoot || needsNode}`, run, 60_000);

const DHT = { hosts: 4, nodesEach: 2 };
const [ALICE6, BOB6] = ["2001:db8:a::1", "2001:db8:b::1"];
/** The interface of IPv6. */
const SIX = "six";

const random = new SeededRandom(6);
const cables = new Lab();
const filters = new Map<string, PacketFilter>();
let lab: RunningLab;
let bootstrap: readonly Address[];

beforeAll(async () => {
  if (!possible) return;
  const names = ["alice", "bob", "carol"];
  lab = await startLab({
    nats: Object.fromEntries(names.map((name) => [`nat-${name}`, { kind: "random" as const }])),
    hosts: {
      ...Object.fromEntries(names.map((name) => [name, { behind: `nat-${name}` }])),
      relay: {},
      ...dhtHosts(DHT.hosts),
    },
  });
  const [alice, bob] = ["alice", "bob"].map((name) => lab.host(name).namespace) as [Namespace, Namespace];
  cables.join(
    { namespace: alice, name: SIX, addresses: [`${ALICE6}/64`] },
    { namespace: bob, name: SIX, addresses: [`${BOB6}/64`] },
  );
  for (const namespace of [alice, bob]) namespace.run("ip", "-6", "route", "add", "default", "dev", SIX);
  for (const name of ["alice", "bob"]) filters.set(name, new PacketFilter(lab.host(name).namespace));
  bootstrap = await startDht(lab, DHT);
}, 30_000);
afterAll(async () => {
  cables.close();
  await lab?.close();
});

beforeEach(() => {
  for (const filter of filters.values()) {
    filter.clear();
    filter.count("input", "came", `iifname ${SIX} meta l4proto udp`);
    filter.count("input", "refused", `iifname ${SIX} meta l4proto udp ct state new`);
    filter.rule("input", `iifname ${SIX} meta l4proto udp ct state new drop`);
  }
});

/** How many datagrams the filters of Alice and Bob have counted so. */
const counted = (name: string) => [...filters.values()].map((filter) => filter.counted(name));

interface Settings {
  readonly kinds?: { readonly client: Kind; readonly server: Kind };
  readonly server?: string;
  readonly isRelayed?: boolean;
}

/** Alice connects to that server. */
async function connect({
  kinds = { client: "ours", server: "ours" },
  server = "bob",
  isRelayed = false,
}: Settings = {}) {
  await using stack = new AsyncDisposableStack();
  const join = async (host: string, kind: Kind, more = {}) =>
    stack.use(await joinDht(lab, host, kind, { bootstrap, ...more }));
  const [here, there] = await Promise.all([join("alice", kinds.client), join(server, kinds.server)]);
  const relay = isRelayed ? await join("relay", "ours", { firewalled: false }) : null;
  const through = relay && { relayThrough: (await relay.node.relay("relay", random.bytes(32).toHex())).publicKey };
  const { publicKey } = await there.node.listen("server", random.bytes(32).toHex());
  await here.node.connect("stream", publicKey, { options: { ...through } });
  const client = new HyperdhtStream(here.process, "stream");
  const accepted = await HyperdhtStream.accepted(there.process, "server");
  const whole = stack.move();
  return { client, server: accepted, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

type Ends = Pick<Awaited<ReturnType<typeof connect>>, "client" | "server">;

/** Three seconds of it. */
const TALK = { bytes: 600_000, pieceBytes: 2_000, everyMs: 10 };

/** Both say so much, and hear what the other said, while something happens. Returns the longest silence in ms. */
async function talk({ client, server }: Ends, happen = async () => {}): Promise<number> {
  const both = [client, server];
  const said = both.map((end) => end.pour({ ...TALK, seed: random.bytes(16).toHex() }));
  await Promise.all(both.map((end) => end.take(TALK.bytes / 3)));
  await happen();
  const heard = await Promise.all(both.map((end) => end.take(TALK.bytes)));
  expect(heard.map(({ hash }) => hash)).toEqual((await Promise.all(said)).map(({ hash }) => hash).reverse());
  return Math.max(...heard.map(({ longestMs }) => longestMs));
}

async function hostsOf({ client, server }: Ends): Promise<string[]> {
  return [(await client.remote()).host, (await server.remote()).host];
}

rooted("two random NATs do not matter: by IPv6, through both firewalls, it takes the time of a handshake", async () => {
  await using ends = await connect();
  const { trace = [] } = await ends.client.remote();
  const agreedAt = trace.find(({ step }) => step === "agreed")!.atMs;
  const ofServer = trace.filter(({ address }) => address?.host === BOB6);
  expect(ofServer.map(({ step }) => step)).toEqual(["candidate", "probe", "direct"]);
  expect(ofServer.at(-1)!.atMs - agreedAt).toBeLessThan(100);
  expect(await hostsOf(ends)).toEqual([BOB6, ALICE6]);
  expect(counted("refused")).toEqual([1, 0]); // the server's first probe, which has opened its own firewall
  await talk(ends);
});

rooted("OM-32 with IPv6 at one end alone the NATs are the reason", async () => {
  await expect(connect({ server: "carol" })).rejects.toMatchObject({ code: "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS" });
  expect(counted("came")).toEqual([0, 0]);
});

rooted("a hyperdht at either end hears nothing by IPv6", async () => {
  for (const [client, server, code] of [
    ["ours", "theirs", "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS"],
    ["theirs", "ours", "HOLEPUNCH_ABORTED"],
  ] as const) {
    await expect(connect({ kinds: { client, server } })).rejects.toMatchObject({ code });
    expect(counted("came")).toEqual([0, 0]);
  }
});

rooted("OM-34 a relay that is first is left for IPv6, and taken again when that is gone", async () => {
  // The first probes of both are lost.
  for (const filter of filters.values())
    filter.rule("input", `iifname ${SIX} meta l4proto udp quota until 100 bytes drop`);
  await using ends = await connect({ isRelayed: true });
  expect((await ends.client.remote()).path).toBe("relayed");
  const silentMs = await talk(ends, async () => {
    await until("it goes by IPv6", async () => (await hostsOf(ends)).join() === `${BOB6},${ALICE6}`);
    for (const filter of filters.values()) filter.rule("output", `oifname ${SIX} drop`);
  });
  expect(silentMs).toBeLessThan(3_000);
  const relay = lab.address("relay");
  expect(await hostsOf(ends)).toEqual([relay, relay]);
});

/** The interface has that address instead. */
function readdress(name: string, from: string, to: string): void {
  const { namespace } = lab.host(name);
  namespace.run("ip", "address", "add", `${to}/64`, "dev", SIX, "nodad");
  namespace.run("ip", "address", "delete", `${from}/64`, "dev", SIX);
}

for (const [end, name, address] of [
  ["client", "alice", ALICE6],
  ["server", "bob", BOB6],
] as const) {
  rooted(`a stream goes on when its ${end} has another address of IPv6`, async () => {
    await using ends = await connect();
    const other = address.replace("::1", "::2");
    const silentMs = await talk(ends, async () => readdress(name, address, other));
    const hosts = await hostsOf(ends);
    readdress(name, other, address);
    expect(silentMs).toBeLessThan(3_000);
    expect(hosts).toContain(other);
  });
}

rooted("an address of IPv6 that comes later is used, and again when the node was suspended", async () => {
  const { namespace } = lab.host("alice");
  namespace.run("ip", "address", "delete", `${ALICE6}/64`, "dev", SIX);
  await using client = await joinDht(lab, "alice", "ours", { bootstrap });
  await using server = await joinDht(lab, "bob", "ours", { bootstrap });
  const { publicKey } = await server.node.listen("server", random.bytes(32).toHex());
  let tried = 0;
  const tryIt = () => client.node.connect(`stream${++tried}`, publicKey);
  await expect(tryIt()).rejects.toMatchObject({ code: "HOLEPUNCH_DOUBLE_RANDOMIZED_NATS" });
  namespace.run("ip", "address", "add", `${ALICE6}/64`, "dev", SIX); // for a while it may not be used
  await until("it is used", tryIt, { withinMs: 10_000 });
  await client.node.suspend();
  await client.node.resume();
  await tryIt();
  expect(await new HyperdhtStream(client.process, `stream${tried}`).remote()).toMatchObject({ host: BOB6 });
});
