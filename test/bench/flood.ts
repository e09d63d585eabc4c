/**
 * `npm run bench flood`: a server under ten thousand handshakes a second from one host, ours beside the real hyperdht's: what it grows
 * by, what it sends back, and how long honest clients take meanwhile.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { udp } from "bun";
import { blake2b256 } from "../../src/crypto/blake2b.ts";
import { keyPairFromSeed } from "../../src/crypto/ed25519.ts";
import { COMMAND } from "../../src/wire/dht.ts";
import { encodeRelayedHandshake, MODE } from "../../src/wire/handshake.ts";
import { fakeClient } from "../support/fake-handshakes.ts";
import { type HyperdhtNode, HyperdhtProcess } from "../support/hyperdht-process.ts";
import { requestTo } from "../support/lone-node.ts";
import { SeededRandom } from "../support/random.ts";
import { benchmark, positive, say, whole } from "./benchmark.ts";
import { percentile } from "./metrics.ts";
import { type Claim, claimTable, figure, grid } from "./tables.ts";

/** What the issue that this was made for promises. */
const MOST_MEGABYTES = 20;
const MOST_REFLECTED = 1;
const MOST_DELAY = 2;

const KINDS = ["dnet", "hyperdht"] as const;
type Kind = (typeof KINDS)[number];
const PROGRAMS: { readonly [kind in Kind]: readonly string[] } = {
  dnet: [process.execPath, join(import.meta.dir, "../support/hyperdht-gateway.ts")],
  hyperdht: ["node", join(import.meta.dir, "../support/hyperdht-node.mjs")],
};

const SERVER_HOST = "127.0.0.1";
/** In other networks than the flood's, as honest clients are. */
const HONEST_HOST = "127.0.9.1";
const FLOOD_HOST = "127.0.5.1";
/** First messages that a server has to agree on keys to tell from any others. */
const REAL = 500;
const TICK_MS = 10;

export const flood = benchmark({
  name: "flood",
  summary: "a server under 10,000 handshakes a second, beside the real hyperdht",
  usage: `[--seconds 15] [--rate 10000]
  --rate   handshakes a second, all from one host: first messages that are real, ones that were sent before, and noise`,
  options: { seconds: positive(15, 600), rate: whole(10_000) },
  needs: { node: "the real hyperdht runs under Node" },
  async measure({ seconds, rate }) {
    const measured = new Map<Kind, Measured>();
    for (const kind of KINDS) measured.set(kind, await measureKind(kind, seconds, rate));
    const rows = KINDS.map((kind) => {
      const { megabytes, descriptors, reflected, before, during, failed, sent } = measured.get(kind)!;
      const times = [before, during].flatMap((all) => [50, 95].map((percent) => figure(percentile(all, percent))));
      return [kind, `${sent}`, figure(megabytes), `${descriptors}`, reflected.toFixed(3), ...times, `${failed}`];
    });
    const head = ["server", "handshakes", "MB more", "descriptors more", "bytes back per byte"];
    const connects = ["before p50 ms", "p95", "during p50", "p95", "failed"];
    const ours = measured.get("dnet")!;
    const claims: Claim[] = [
      { claim: "memory", value: ours.megabytes, unit: " MB", atMost: MOST_MEGABYTES },
      { claim: "descriptors", value: ours.descriptors, unit: "", atMost: 0 },
      { claim: "bytes back for a byte", value: ours.reflected, atMost: MOST_REFLECTED },
      {
        claim: "honest connects, p95 to usual p95",
        value: percentile(ours.during, 95) / percentile(ours.before, 95),
        atMost: MOST_DELAY,
      },
      { claim: "honest connects that failed", value: ours.failed, unit: "", atMost: 0 },
    ];
    console.log(`${grid("under a flood", [[...head, ...connects], ...rows])}\n${claimTable("targets", claims)}`);
  },
});

interface Measured {
  readonly sent: number;
  readonly megabytes: number;
  readonly descriptors: number;
  readonly reflected: number;
  /** Milliseconds until an honest client had a word back. */
  readonly before: number[];
  readonly during: number[];
  readonly failed: number;
}

async function measureKind(kind: Kind, seconds: number, rate: number): Promise<Measured> {
  say(`${kind}: starting`);
  const random = new SeededRandom(1);
  await using network = await HyperdhtProcess.start();
  const first = await network.bootstrapper("first", { host: SERVER_HOST, port: 0 });
  const bootstrap = [await first.address()];
  for (let i = 0; i < 4; i++) {
    const node = await network.node(`node${i}`, { bootstrap, host: SERVER_HOST, ephemeral: false, firewalled: false });
    await node.ready();
  }
  await using there = await HyperdhtProcess.start({ program: PROGRAMS[kind] });
  const server = await there.node("server", { bootstrap, host: "0.0.0.0", ephemeral: false, firewalled: false });
  await server.ready();
  const seed = random.bytes(32);
  const { publicKey } = await server.listen("server", seed.toHex(), { echo: true });
  await using here = await HyperdhtProcess.start({ program: PROGRAMS[kind] });
  const client = await here.node("client", { bootstrap, host: HONEST_HOST });
  await client.ready();

  const connects = new Connects(client, publicKey, random);
  say(`${kind}: honest clients alone for ${seconds} s`);
  const calm = await watch(there.pid, connects, Bun.sleep(seconds * 1_000));
  const { serverPort } = await server.info();
  const storm = await Storm.start(seed, { host: SERVER_HOST, port: serverPort! }, random);
  say(`${kind}: and with ${rate} handshakes a second for as long`);
  const stormy = await watch(there.pid, connects, storm.run(rate, seconds));
  return {
    sent: storm.sent,
    megabytes: (stormy.bytes - calm.bytes) / 1e6,
    descriptors: stormy.descriptors - calm.descriptors,
    reflected: storm.received / storm.sentBytes,
    before: calm.took,
    during: stormy.took,
    failed: stormy.failed,
  };
}

/** Honest clients until `until`, and the most that the process of the server had meanwhile. */
async function watch(pid: number, connects: Connects, until: Promise<void>) {
  const most = { bytes: 0, descriptors: 0 };
  const took: number[] = [];
  let failed = 0;
  let isOver = false;
  const ended = until.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const ms = await connects.once();
    if (ms === null) failed++;
    else took.push(ms);
    most.bytes = Math.max(most.bytes, residentBytes(pid));
    most.descriptors = Math.max(most.descriptors, countDescriptors(pid));
  }
  await ended;
  return { ...most, took, failed };
}

/** Honest clients, one after another, each with a key of its own. */
class Connects {
  #count = 0;

  constructor(
    readonly client: HyperdhtNode,
    readonly publicKey: string,
    readonly random: SeededRandom,
  ) {}

  /** Milliseconds until a word has come back; null when none has. */
  async once(): Promise<number | null> {
    const stream = `stream${this.#count++}`;
    const startedAt = performance.now();
    try {
      await this.client.connect(stream, this.publicKey, { seed: this.random.bytes(32).toHex() });
      await this.client.call("echo", { stream, data: "aa" });
      const took = performance.now() - startedAt;
      await this.client.call("destroyStream", { stream });
      return took;
    } catch {
      return null;
    }
  }
}

/** Handshakes without end, from one socket. */
class Storm {
  sent = 0;
  sentBytes = 0;
  received = 0;

  private constructor(
    readonly socket: udp.Socket<"buffer">,
    readonly to: { readonly host: string; readonly port: number },
    readonly datagrams: readonly Uint8Array[],
  ) {}

  /** Of ten first messages one is real, three are that one again, and six are noise, each its own. */
  static async start(seed: Uint8Array, to: { host: string; port: number }, random: SeededRandom): Promise<Storm> {
    const { publicKey } = keyPairFromSeed(seed);
    const target = blake2b256(publicKey);
    const datagrams: Uint8Array[] = [];
    for (let i = 0; i < REAL; i++) {
      const { hello } = fakeClient(1_000 + i, publicKey);
      for (let k = 0; k < 10; k++) {
        const noise = k < 4 ? hello : random.bytes(hello.length);
        const value = encodeRelayedHandshake({ mode: MODE.fromClient, noise, peerAddress: null, relayAddress: null });
        datagrams.push(requestTo({ isInternal: false, command: COMMAND.peerHandshake, target, value }));
      }
    }
    let storm: Storm | null = null;
    const socket = await Bun.udpSocket({
      hostname: FLOOD_HOST,
      port: 0,
      socket: {
        data: (_socket, data) => {
          if (storm) storm.received += data.length;
        },
      },
    });
    storm = new Storm(socket, to, datagrams);
    return storm;
  }

  async run(rate: number, seconds: number): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      const elapsed = performance.now() - startedAt;
      if (elapsed >= seconds * 1_000) break;
      while (this.sent < (rate * elapsed) / 1_000) this.#send();
      await Bun.sleep(TICK_MS);
    }
    this.socket.close();
  }

  #send(): void {
    const datagram = this.datagrams[this.sent % this.datagrams.length]!;
    this.socket.send(datagram, this.to.port, this.to.host);
    this.sent++;
    this.sentBytes += datagram.length;
  }
}

function residentBytes(pid: number): number {
  const [, kilobytes = ""] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}

function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
