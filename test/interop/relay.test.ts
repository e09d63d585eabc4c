/** Blind relays: client, server and relay, each ours or the real hyperdht's, in every combination. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { BothKinds, KINDS, type Kind, type Network } from "../support/hyperdht-both.ts";
import { type Hex, HyperdhtProcess, hasNode, needsNode, PROGRAMS } from "../support/hyperdht-process.ts";
import { HyperdhtStream } from "../support/hyperdht-stream.ts";
import { SeededRandom } from "../support/random.ts";
import { until } from "../support/until.ts";

/** Behind NATs, as far as it knows. */
const FIREWALLED = { quickFirewall: false, ephemeral: true };
/** A server that neither punches nor says where it is in its own network: on one host there is no path to it but a relay's. */
const UNREACHABLE = { holepunch: false, shareLocalAddress: false };
/** Enough that every window is full several times. */
const BYTES = 3_000_000;

const COMBINATIONS = KINDS.flatMap((client) =>
  KINDS.flatMap((server) => KINDS.map((relay) => ({ client, server, relay }))),
);

const random = new SeededRandom(34);
const seed = (): Hex => random.bytes(32).toHex();
let made = 0;

describe.skipIf(!hasNode)(`blind relays${needsNode}`, () => {
  let both: BothKinds;
  let network: Network;

  beforeAll(async () => {
    both = await BothKinds.start();
    network = await both.network("ours", { ours: 2, theirs: 3 });
  });
  afterAll(() => both[Symbol.asyncDispose]());

  /** A relay in a process of its own, so that it can be killed. */
  async function startRelay(kind: Kind, more: { refuse?: boolean } = {}) {
    const process = await HyperdhtProcess.start({ program: PROGRAMS[kind] });
    const node = await process.node("relay", { bootstrap: network.bootstrap, ephemeral: true, firewalled: false });
    await node.ready();
    const { publicKey } = await node.relay("relay", seed(), more);
    const counts = () => node.call<{ peers: number; pairs: number }>("relayCounts", { relay: "relay" });
    return { publicKey, counts, process, port: (await node.info()).serverPort! };
  }

  /** A server that listens and a client that connects to it, both by that relay, which one of them names. */
  async function connect(kinds: { client: Kind; server: Kind }, relayThrough: Hex, namedBy: "client" | "server") {
    const [client, server] = await Promise.all([
      both.join(kinds.client, network, FIREWALLED),
      both.join(kinds.server, network, FIREWALLED),
    ]);
    const [serverName, streamName] = [`server${++made}`, `stream${made}`];
    const named = { relayThrough };
    const ofServer = { ...UNREACHABLE, ...(namedBy === "server" && named) };
    const { publicKey } = await server.listen(serverName, seed(), { options: ofServer });
    const ofClient = { localConnection: false, ...(namedBy === "client" && named) };
    await client.connect(streamName, publicKey, { options: ofClient });
    const here = new HyperdhtStream(both[kinds.client], streamName);
    const there = await HyperdhtStream.accepted(both[kinds.server], serverName);
    return { here, there };
  }

  async function passAll(from: HyperdhtStream, to: HyperdhtStream): Promise<void> {
    const [{ hash: sent }, { hash: came }] = await Promise.all([
      from.pour({ bytes: BYTES, seed: random.bytes(16).toHex() }),
      to.take(BYTES),
    ]);
    expect(came).toBe(sent);
  }

  for (const { client, server, relay } of COMBINATIONS) {
    const who = `client ${client}, server ${server}, relay ${relay}`;

    for (const namedBy of ["client", "server"] as const) {
      test(`OM-34 ${who}: the ${namedBy}'s relay carries what both say, and lets go of it when they are done`, async () => {
        await using relaying = await startRelay(relay).then((it) => ({ ...it, ...disposing(it.process) }));
        const { here, there } = await connect({ client, server }, relaying.publicKey, namedBy);
        await Promise.all([passAll(here, there), passAll(there, here)]);
        for (const end of [here, there]) expect(await end.remote()).toMatchObject({ port: relaying.port });
        expect(await relaying.counts()).toMatchObject({ peers: 2, pairs: 1 });
        await here.end();
        await there.end();
        await until("both ends are closed", () => here.isClosed && there.isClosed);
        expect([here.failure, there.failure]).toEqual([null, null]);
        await until("the relay has let go", async () => (await relaying.counts()).peers === 0, { withinMs: 15_000 });
      }, 40_000);
    }
  }

  for (const relay of KINDS) {
    test.concurrent(`OM-34 a relay (${relay}) that is killed: what it alone carried ends at both ends, by an error`, async () => {
      const killed = KINDS.flatMap((client) => KINDS.map((server) => ({ client, server })));
      await Promise.all(
        killed.map(async (kinds) => {
          const relaying = await startRelay(relay);
          const { here, there } = await connect(kinds, relaying.publicKey, "client");
          await passAll(here, there);
          process.kill(relaying.process.pid, "SIGKILL");
          await Promise.all([here, there].map((end) => end.pour({ bytes: 1_000 })));
          await until("both ends are closed", () => here.isClosed && there.isClosed, { withinMs: 40_000 });
          expect([kinds, here.failure, there.failure]).toEqual([kinds, "ETIMEDOUT", "ETIMEDOUT"]);
        }),
      );
    }, 60_000);

    test.concurrent(`OM-34 a relay (${relay}) that admits nobody: no path, and an error that says so`, async () => {
      await using relaying = await startRelay(relay, { refuse: true }).then((it) => ({
        ...it,
        ...disposing(it.process),
      }));
      const pairs = KINDS.flatMap((client) => KINDS.map((server) => ({ client, server })));
      const reasons = await Promise.all(
        pairs.map((kinds) =>
          connect(kinds, relaying.publicKey, "client").then(
            () => "connected",
            ({ code }) => code,
          ),
        ),
      );
      const expected = pairs.map(({ client }) => (client === "ours" ? "RELAY_ABORTED" : "CHANNEL_CLOSED"));
      expect(reasons).toEqual(expected);
    }, 120_000);
  }
});

function disposing(process: HyperdhtProcess) {
  return { [Symbol.asyncDispose]: () => process.stop() };
}
