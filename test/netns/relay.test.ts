/**
 * Blind relays between NATs: client, server and relay, each ours or the real hyperdht's, in every combination.
 *
 *   client, behind a NAT ─┐                    ┌─ server, behind one of the same kind
 *                         ├─ internet, 40 ms ──┤
 *   dht1 … dht4, public ──┘                    └─ relay, public
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Address } from "../../src/base/address.ts";
import { KINDS, type Kind } from "../support/hyperdht-both.ts";
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

const COMBINATIONS = KINDS.flatMap((client) =>
  KINDS.flatMap((server) => KINDS.map((relay) => ({ client, server, relay }))),
);
const DHT = { hosts: 4, nodesEach: 2 };
/** Without the probe that comes before the first round, both sides need more than a second: the relay is first. */
const SLOW_PUNCH = { fastOpen: false };
/** Five seconds of talk: it begins by the relay, and ends on the direct path. */
const TALK = { bytes: 1_000_000, pieceBytes: 2_000, everyMs: 10 };

const random = new SeededRandom(341);
let lab: RunningLab;
let bootstrap: readonly Address[];

beforeAll(async () => {
  if (!isRoot || !hasNode) return;
  lab = await startLab({
    nats: {
      "cone-a": { kind: "port-restricted" },
      "cone-b": { kind: "port-restricted" },
      "random-a": { kind: "random" },
      "random-b": { kind: "random" },
    },
    hosts: {
      "client-cone": { behind: "cone-a" },
      "server-cone": { behind: "cone-b" },
      "client-random": { behind: "random-a" },
      "server-random": { behind: "random-b" },
      relay: {},
      ...dhtHosts(DHT.hosts),
    },
  });
  bootstrap = await startDht(lab, DHT);
}, 30_000);
afterAll(() => lab?.close());

/** A client that is connected to a server behind a NAT of the same kind, with a relay that the client names. */
async function connect(kinds: { client: Kind; server: Kind; relay: Kind }, nat: "cone" | "random", options = {}) {
  await using stack = new AsyncDisposableStack();
  const join = async (host: string, kind: Kind, more = {}) =>
    stack.use(await joinDht(lab, host, kind, { bootstrap, ...more }));
  const [client, server, relay] = await Promise.all([
    join(`client-${nat}`, kinds.client),
    join(`server-${nat}`, kinds.server),
    join("relay", kinds.relay, { firewalled: false }),
  ]);
  const { publicKey: relayThrough } = await relay.node.relay("relay", random.bytes(32).toHex());
  const { publicKey } = await server.node.listen("server", random.bytes(32).toHex());
  await client.node.connect("stream", publicKey, { options: { relayThrough, ...options } });
  const here = new HyperdhtStream(client.process, "stream");
  const there = await HyperdhtStream.accepted(server.process, "server");
  const counts = () => relay.node.call<{ peers: number; pairs: number }>("relayCounts", { relay: "relay" });
  const whole = stack.move();
  return { here, there, relay, counts, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** Both say the same amount at once, and hear what the other said. */
async function talk(here: HyperdhtStream, there: HyperdhtStream, { bytes, ...how }: typeof TALK): Promise<void> {
  const both = [here, there];
  const said = both.map((end) => end.pour({ bytes, ...how, seed: random.bytes(16).toHex() }));
  const heard = await Promise.all(both.map((end) => end.take(bytes)));
  expect(heard.map(({ hash }) => hash)).toEqual((await Promise.all(said)).map(({ hash }) => hash).reverse());
}

for (const kinds of COMBINATIONS) {
  const who = `client ${kinds.client}, server ${kinds.server}, relay ${kinds.relay}`;

  rooted(`OM-34 ${who}: two random NATs talk by the relay`, async () => {
    await using connected = await connect(kinds, "random");
    const { here, there, counts } = connected;
    await talk(here, there, { bytes: 2_000_000, pieceBytes: 16_000, everyMs: 0 });
    for (const end of [here, there]) expect(await end.remote()).toMatchObject({ host: lab.address("relay") });
    expect(await counts()).toMatchObject({ peers: 2, pairs: 1 });
  });

  // Which of theirs it is makes no difference to the move: those with most parts of ours will do.
  if (kinds.relay === "theirs" && (kinds.client === "theirs" || kinds.server === "theirs")) continue;
  rooted(`OM-34 ${who}: two homes move from the relay to a direct path while they talk`, async () => {
    await using connected = await connect(kinds, "cone", SLOW_PUNCH);
    const { here, there, counts, relay } = connected;
    expect(await here.remote()).toMatchObject({ host: lab.address("relay") });
    await talk(here, there, TALK);
    expect(await here.remote()).toMatchObject({ host: lab.address("cone-b") });
    expect(await there.remote()).toMatchObject({ host: lab.address("cone-a") });
    await until("the relay is let go", async () => (await counts()).peers === 0, { withinMs: 15_000 });
    process.kill(relay.process.pid, "SIGKILL");
    await here.pour({ bytes: 1_000 });
    await there.take(TALK.bytes + 1_000);
  });
}
