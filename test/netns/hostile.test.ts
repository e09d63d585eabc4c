/**
 * A tunnel whose datagrams all pass through a man in the middle, who sits at the router. Left takes 10.8.1.1:6000 for right,
 * and right takes a port of 10.8.2.1 for left:
 *
 *   ┌ left ──────────┐     ┌ router ─────────────────────────────┐     ┌ right ─────────┐
 *   │ dnet0 10.7.0.1 │     │        man in the middle            │     │ dnet0 10.7.0.2 │
 *   │ ve0 10.8.1.2 ──┼─────┼── ve1 10.8.1.1:6000   10.8.2.1 ve2 ─┼─────┼── ve0 10.8.2.2 │
 *   └────────────────┘     └─────────────────────────────────────┘     └────────────────┘
 *
 * A stranger is another socket of the router's.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Carry, faithfully, ManInTheMiddle } from "../support/man-in-the-middle.ts";
import { isRoot, type Namespace, needsRoot } from "../support/namespaces.ts";
import { SeededRandom } from "../support/random.ts";
import { Scene } from "../support/scene.ts";
import { ping, transfer } from "../support/traffic.ts";
import { ensureBuilt, TunnelProcess } from "../support/tunnel-process.ts";
import { inner4, pairTexts, routedEnds, TUNNEL_PORT, underlay4 } from "../support/underlay.ts";
import { until } from "../support/until.ts";

const rooted = (name: string, run: () => Promise<void>) => test.skipIf(!isRoot)(`${name}${needsRoot}`, run, 60_000);
const MEGABYTE = 1_000_000;
const MANY = 10_000;
/** Sent at a time: they fit the other end's receive buffer, so none is lost before it is judged. */
const BURST = 500;
const MIDDLE = { host: "10.8.1.1", port: 6_000 };
const RIGHT = { host: underlay4(2), port: TUNNEL_PORT };

let scene: Scene;
let left: Namespace;
let right: Namespace;
let router: Namespace;
let middle: ManInTheMiddle;
let a: TunnelProcess;
let b: TunnelProcess;

beforeAll(() => {
  if (!isRoot) return;
  ensureBuilt();
  scene = new Scene();
  const underlay = routedEnds(scene, 2);
  router = underlay.router;
  [left, right] = underlay.ends as [Namespace, Namespace];
}, 20_000);

beforeEach(async () => {
  if (!isRoot) return;
  middle = await ManInTheMiddle.open(router, { at: MIDDLE, right: RIGHT });
  const texts = pairTexts({ leftPeer: { endpoint: `${MIDDLE.host}:${MIDDLE.port}` } });
  b = await TunnelProcess.up(scene, right, texts.right);
  a = await TunnelProcess.up(scene, left, texts.left);
});

afterEach(async () => {
  middle?.close();
  await Promise.all([a, b].map((end) => end?.isAlive && end.kill()));
});

afterAll(() => scene?.close());

/** Sends `count` datagrams in bursts, and waits after each until `judged` says that right has refused so many. */
async function flood(count: number, send: (i: number) => void, judged: () => Promise<number>): Promise<void> {
  const before = await judged();
  for (let sent = 0; sent < count; ) {
    for (const end = Math.min(count, sent + BURST); sent < end; sent++) send(sent);
    await until("right judged them all", async () => (await judged()) - before >= sent, { everyMs: 20 });
  }
}

const isData = (datagram: Uint8Array) => datagram[0]! >= 0x84;
const answered = async () => (await ping(scene, left, inner4(2))).answered;

rooted("10,000 replayed datagrams change nothing", async () => {
  const recorded: Uint8Array[] = [];
  middle.carry = (datagram, to) => {
    if (to === "right") recorded.push(datagram);
    return [datagram];
  };
  const { sent, received } = await transfer(left, right, inner4(2), 2 * MEGABYTE);
  expect(received).toEqual(sent);
  middle.carry = faithfully;
  const [handshake] = recorded;
  const data = recorded.filter(isData);
  const before = await b.peer();

  await flood(
    MANY,
    (i) => middle.inject(data[i % data.length]!, "right"),
    async () => (await b.peer()).drops["replayed"] ?? 0,
  );
  const after = await b.peer();
  expect(after).toEqual({
    ...before,
    latestHandshakeSecondsAgo: after.latestHandshakeSecondsAgo,
    drops: { replayed: MANY },
  });
  middle.inject(handshake!, "right");
  await until("the initiation is refused", async () => (await b.show()).counters["replayedTimestamp"] === 1);
  expect(await answered()).toBe(3);
  expect(b.isAlive).toBe(true);
});

rooted("10,000 forged datagrams, from the peer's address and from elsewhere, change nothing", async () => {
  let last = new Uint8Array(0);
  middle.carry = (datagram, to) => {
    if (to === "right" && isData(datagram)) last = Uint8Array.from(datagram);
    return [datagram];
  };
  expect(await answered()).toBe(3);
  const before = await b.peer();
  const stranger = await router.enter(() => Bun.udpSocket({ hostname: "0.0.0.0" }));
  const random = new SeededRandom(7);
  // A counter that is still to come, of the right session, and everything behind it made up.
  const forge = (i: number) => {
    const forged = new Uint8Array(64 + random.below(1_200));
    forged.set(random.bytes(32), 16);
    forged.set(last.subarray(0, 16));
    new DataView(forged.buffer).setUint32(8, 100_000 + i, true);
    return forged;
  };
  const send = (i: number) => {
    if (i % 2 === 0) middle.inject(forge(i), "right");
    else stranger.send(forge(i), TUNNEL_PORT, RIGHT.host);
  };
  await flood(MANY, send, async () => (await b.peer()).drops["forged"] ?? 0);
  stranger.close();
  const after = await b.peer();
  expect(after).toEqual({
    ...before,
    latestHandshakeSecondsAgo: after.latestHandshakeSecondsAgo,
    drops: { forged: MANY },
  });
  expect(await answered()).toBe(3);
});

rooted("no bit of a handshake can be flipped, nor its end cut off, and then the true one still works", async () => {
  const first = await firstInitiation();
  const signed = first.length - 16; // the last 16 bytes, mac2, mean something only under load
  for (let bit = 0; bit < signed * 8; bit++) middle.inject(flipped(first, bit), "right");
  for (let length = 1; length < first.length; length++) middle.inject(first.subarray(0, length), "right");
  const refused = signed * 8 + first.length - 1;
  await until("all are refused", async () => (await strangersDrops(b)) === refused, { everyMs: 50 });
  expect((await b.peer()).receivedBytes).toBe(0);
  middle.inject(first, "right");
  await until("a session", async () => (await b.peer()).latestHandshakeSecondsAgo !== null, { everyMs: 50 });
  expect(await answered()).toBe(3);
});

/** Has left begin a handshake, and returns its first message, which does not arrive. */
async function firstInitiation(): Promise<Uint8Array> {
  const caught = Promise.withResolvers<Uint8Array>();
  middle.carry = (datagram, to) => {
    if (to === "right") caught.resolve(datagram);
    return [];
  };
  void ping(scene, left, inner4(2), { count: 1, options: ["-W", "0.1"] });
  const initiation = await caught.promise;
  middle.carry = faithfully;
  return initiation;
}

rooted("a man who flips a bit in one datagram of fifty, and swaps others, spoils no stream", async () => {
  expect(await answered()).toBe(3);
  const random = new SeededRandom(11);
  const { sent, received } = await withCarry(flipping(random), () => transfer(left, right, inner4(2), 5 * MEGABYTE));
  expect(received).toEqual(sent);
  const { drops } = await b.peer();
  expect(drops["forged"]).toBeGreaterThan(10);
  const swapped = await withCarry(swapping(), () => transfer(left, right, inner4(2), 20 * MEGABYTE));
  expect(swapped.received).toEqual(swapped.sent);
  expect((await b.peer()).drops["replayed"] ?? 0).toBe(drops["replayed"] ?? 0);
});

async function withCarry<Result>(carry: Carry, act: () => Promise<Result>): Promise<Result> {
  middle.carry = carry;
  try {
    return await act();
  } finally {
    middle.carry = faithfully;
  }
}

function flipping(random: SeededRandom): Carry {
  return (datagram) => (random.below(50) > 0 ? [datagram] : [flipped(datagram, random.below(datagram.length * 8))]);
}

/** Each seventh datagram towards right comes after the three that follow it. */
function swapping(): Carry {
  let held: Uint8Array | null = null;
  let count = 0;
  return (datagram, to) => {
    if (to === "left") return [datagram];
    if (++count % 7 === 0) {
      held = datagram;
      return [];
    }
    if (count % 7 !== 3 || !held) return [datagram];
    const late = held;
    held = null;
    return [datagram, late];
  };
}

function flipped(datagram: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(datagram);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

rooted("a stranger's datagrams of every length and kind get no answer, and cost no memory", async () => {
  expect(await answered()).toBe(3);
  const random = new SeededRandom(13);
  let answers = 0;
  const stranger = await router.enter(() =>
    Bun.udpSocket({ hostname: "0.0.0.0", socket: { data: () => void answers++ } }),
  );
  const before = residentBytes(b.pid);
  const ours = (await b.peer()).drops;
  // Each length, with each first byte that means something here, and with chance.
  const kinds = [0x01, 0x02, 0x03, 0x04, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, null];
  for (const kind of kinds) {
    const send = (length: number) => {
      const datagram = random.bytes(length);
      if (kind !== null && length > 0) datagram.set([kind, 0, 0, 0].slice(0, length));
      stranger.send(datagram, TUNNEL_PORT, RIGHT.host);
    };
    await flood(1_501, send, () => strangersDrops(b));
  }
  expect(answers).toBe(0);
  expect(residentBytes(b.pid) - before).toBeLessThan(32 * MEGABYTE);
  expect((await b.peer()).drops).toEqual(ours);
  expect(await answered()).toBe(3);
  stranger.close();
});

/** How many datagrams that belong to no peer it has refused. */
async function strangersDrops(tunnel: TunnelProcess): Promise<number> {
  const { noRoute: _ofOurOwn, ...counters } = (await tunnel.show()).counters;
  return Object.values(counters).reduce((total, count) => total + count, 0);
}

function residentBytes(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1024;
}
