/**
 * Streams between two dnets while an address of either end changes: real sockets, real interfaces, and the lines full of data.
 *
 *   client-n ─ NAT ─┐                        ┌─ NAT ─ server-n
 *            cafe-n ┼─ internet, 40 ms ──────┼─ relay
 *                   └─ dht1 … dht4, public ──┘
 *
 * Each case has a client and a server of its own. The NATs give out ports by chance, so that none comes back by luck.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import type { NatDescription } from "../../src/io/lab/description.ts";
import type { Kind } from "../support/hyperdht-both.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { HyperdhtStream } from "../support/hyperdht-stream.ts";
import { type RunningLab, startLab } from "../support/lab.ts";
import { dhtHosts, joinDht, startDht } from "../support/lab-dht.ts";
import { isRoot, needsRoot } from "../support/namespaces.ts";
import { SeededRandom } from "../support/random.ts";
import { until } from "../support/until.ts";

const possible = isRoot && hasNode;
const rooted = (name: string, run: () => Promise<void>) =>
  test.skipIf(!possible)(`${name}${needsRoot || needsNode}`, run, 60_000);

const WITHIN_MS = 3_000;
/** Of a peer that does not roam: HyperDHT's is gone after 14 s, ours with it as well. */
const DEAD_WITHIN_MS = 25_000;
const DHT = { hosts: 4, nodesEach: 2 };
/** Of every line, so that it is full when something happens. */
const RATE_MBIT = 10;
/** Six seconds at that rate. */
const BULK_BYTES = 6_000_000;
/** It is well under way by then. */
const HAPPENS_AT_BYTES = 1_500_000;

const ENDS = ["client", "server"] as const;
type End = (typeof ENDS)[number];

/** Who has data to send. */
const TALKERS: readonly (readonly End[])[] = [["client", "server"], ["client"], ["server"]];
const CASES = ENDS.flatMap((moves) => TALKERS.map((talkers) => ({ moves, talkers }))).map((each, n) => ({
  ...each,
  n,
}));

/** What happens to an end, by its name in the laboratory. */
const EVENTS: { readonly [event: string]: (end: string) => Promise<void> } = {
  "the NAT reboots": (end) => lab.disturb(`nat-${end}`, "reboot"),
  "the NAT is renumbered": (end) => lab.disturb(`nat-${end}`, "renumber"),
  "the host is renumbered": (end) => lab.disturb(end, "renumber"),
  "the host moves to another network": (end) => lab.disturb(end, "move", `cafe-${end.split("-")[1]}`),
  "the host moves to the internet": (end) => lab.disturb(end, "move", "internet"),
};

const random = new SeededRandom(7);
let lab: RunningLab;
let bootstrap: readonly Address[];

beforeAll(async () => {
  if (!isRoot || !hasNode) return;
  const nat: NatDescription = { kind: "port-restricted", ports: "random", rateMbit: RATE_MBIT };
  const names = CASES.flatMap(({ n }) => ENDS.map((end) => `${end}-${n}`));
  const nats = [...names.map((name) => `nat-${name}`), ...CASES.map(({ n }) => `cafe-${n}`)];
  const ends = Object.fromEntries(names.map((name) => [name, { behind: `nat-${name}` }]));
  lab = await startLab({
    nats: {
      ...Object.fromEntries(nats.map((name) => [name, nat])),
      "random-client": { kind: "random" },
      "random-server": { kind: "random" },
    },
    hosts: {
      ...ends,
      ...{ "client-r": { behind: "random-client" }, "server-r": { behind: "random-server" }, relay: {} },
      ...dhtHosts(DHT.hosts),
    },
  });
  bootstrap = await startDht(lab, DHT);
}, 30_000);
afterAll(() => lab?.close());

/** A stream between the two of a case, each of its kind. */
async function connect(n: number | "r", kinds: { readonly [end in End]: Kind }, options = {}) {
  await using stack = new AsyncDisposableStack();
  const join = async (end: End) => stack.use(await joinDht(lab, `${end}-${n}`, kinds[end], { bootstrap }));
  const [client, server] = await Promise.all([join("client"), join("server")]);
  const { publicKey } = await server.node.listen("server", random.bytes(32).toHex());
  await client.node.connect("stream", publicKey, { options });
  const here = new HyperdhtStream(client.process, "stream");
  const there = await HyperdhtStream.accepted(server.process, "server");
  const whole = stack.move();
  return { client: here, server: there, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** Has the talkers send all they have while it happens; returns the longest silence that a listener heard. */
async function roam(happen: (end: string) => Promise<void>, { moves, talkers, n }: (typeof CASES)[number]) {
  await using streams = await connect(n, { client: "ours", server: "ours" });
  const flows = talkers.map((from) => {
    const to = streams[from === "client" ? "server" : "client"];
    return { said: streams[from].pour({ bytes: BULK_BYTES, seed: random.bytes(16).toHex() }), to };
  });
  await Promise.all(flows.map(({ to }) => to.take(HAPPENS_AT_BYTES)));
  await happen(`${moves}-${n}`);
  const heard = await Promise.all(flows.map(({ to }) => to.take(BULK_BYTES)));
  const said = await Promise.all(flows.map(({ said }) => said));
  expect(heard.map(({ hash }) => hash)).toEqual(said.map(({ hash }) => hash));
  return Math.max(...heard.map(({ longestMs }) => Math.round(longestMs)));
}

for (const [event, happen] of Object.entries(EVENTS)) {
  rooted(`a stream goes on within 3 s, whole, when of either end ${event}`, async () => {
    const silences = await Promise.all(
      CASES.map(async (each) => ({
        what: `${each.moves} moves, ${each.talkers.join(" and ")} talk`,
        silentMs: await roam(happen, each),
      })),
    );
    expect(silences.filter(({ silentMs }) => silentMs > WITHIN_MS)).toEqual([]);
    const moved = CASES.map(({ moves, n }) => `${moves}-${n}`);
    for (const end of event.includes("moves") ? moved : []) await lab.disturb(end, "move", `nat-${end}`);
  });
}

rooted("a stream that a relay carries goes on within 3 s, whole, when either end's NAT reboots", async () => {
  await using relay = await joinDht(lab, "relay", "ours", { bootstrap, firewalled: false });
  const { publicKey: relayThrough } = await relay.node.relay("relay", random.bytes(32).toHex());
  for (const moves of ENDS) {
    await using streams = await connect("r", { client: "ours", server: "ours" }, { relayThrough });
    const { client, server } = streams;
    expect(await client.remote()).toMatchObject({ path: "relayed" });
    const said = server.pour({ bytes: 1_000_000, pieceBytes: 5_000, everyMs: 20 });
    await client.take(200_000);
    await lab.disturb(`random-${moves}`, "reboot");
    const { hash, longestMs } = await client.take(1_000_000);
    expect(hash).toBe((await said).hash);
    expect(longestMs).toBeLessThan(WITHIN_MS);
  }
});

rooted("with the real hyperdht, a stream ends as its own do when an address changes", async () => {
  const foreign: readonly { readonly [end in End]: Kind }[] = [
    { client: "ours", server: "theirs" },
    { client: "theirs", server: "ours" },
  ];
  await Promise.all(
    foreign.map(async (kinds, n) => {
      await using streams = await connect(n, kinds);
      const { client, server } = streams;
      await client.pour({ bytes: 1_000 });
      await server.take(1_000);
      await lab.disturb(`nat-client-${n}`, "renumber");
      const happenedAt = performance.now();
      await Promise.all([client.pour({ bytes: 1_000 }), server.pour({ bytes: 1_000 })]);
      await until("both ends are closed", () => client.isClosed && server.isClosed, { withinMs: DEAD_WITHIN_MS });
      expect([client.failure, server.failure]).toEqual(["ETIMEDOUT", "ETIMEDOUT"]);
      expect(performance.now() - happenedAt).toBeGreaterThan(10_000);
    }),
  );
});
