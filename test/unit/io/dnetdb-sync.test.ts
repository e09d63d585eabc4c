/** Replication over real streams: a Unix socket, and secret streams of two nodes of the DHT. */
import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Gateway, testnet } from "../../../src/index.ts";
import { openDnetDb } from "../../../src/io/dnetdb-file.ts";
import { connectUnix, listenUnix, type Replication, replicate } from "../../../src/io/dnetdb-sync.ts";
import { Store } from "../../../src/overlay/dnetdb/store.ts";
import { cursorName } from "../../../src/overlay/dnetdb/sync-fetch.ts";
import type { Interests } from "../../../src/overlay/dnetdb/sync-messages.ts";
import { encodeSyncMessage } from "../../../src/overlay/dnetdb/sync-messages.ts";
import { verifyStore } from "../../../src/overlay/dnetdb/verify.ts";
import { SeededRandom } from "../../support/random.ts";
import { Owner, type Signed } from "../../support/replicas.ts";
import { until } from "../../support/until.ts";

const directories: string[] = [];
const running: { close(): void }[] = [];
afterEach(() => {
  for (const each of running.splice(0)) each.close();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});
const newPath = (name: string) => {
  const directory = mkdtempSync(join(tmpdir(), "dnetdb-sync-"));
  directories.push(directory);
  return join(directory, name);
};

let made = 0;
function replica(): { readonly store: Store; readonly shared: Replication; readonly heard: string[] } {
  const store = new Store(new Database(":memory:"), new SeededRandom(++made).bytes(16));
  const heard: string[] = [];
  const onNews = (_news: unknown, from: string | null) => void heard.push(from ?? "self");
  const shared = replicate(store, { onNews });
  running.push(shared);
  return { store, shared, heard };
}

const owner = (seed: number) => new Owner(seed, { time: Date.now() - 60_000 });
const say = ({ shared }: { readonly shared: Replication }, steps: readonly Signed[]) =>
  steps.map(({ bytes, body }) => shared.submit(bytes, body).status);
const attach = (to: { readonly shared: Replication }, stream: Socket, peer: string, interests: Interests = "all") =>
  to.shared.attach(stream, { peer, interests });

/** A stream that is full whenever it is told so, and keeps what it was given. */
class FakeStream {
  isFull = false;
  isEnded = false;
  readonly written: Uint8Array[] = [];
  readonly #listeners = new Map<string, ((bytes: Uint8Array) => void)[]>();
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes.slice());
    return !this.isFull;
  }
  end() {
    this.isEnded = true;
  }
  destroy() {}
  on(event: string, listener: (bytes: Uint8Array) => void) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
  }
  emit(event: string, bytes: Uint8Array = new Uint8Array(0)) {
    for (const listener of this.#listeners.get(event) ?? []) listener(bytes);
  }
  /** What a peer says. */
  say(message: Parameters<typeof encodeSyncMessage>[0]) {
    this.emit("data", framed(encodeSyncMessage(message)));
  }
  get bytes(): number {
    return this.written.reduce((sum, { length }) => sum + length, 0);
  }
}

function framed(frame: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + frame.length);
  new DataView(bytes.buffer).setUint32(0, frame.length, true);
  bytes.set(frame, 4);
  return bytes;
}

test("DN-28 DN-30 two processes' stores become one over a Unix socket, and what is new reaches the other at once", async () => {
  const [a, b] = [replica(), replica()];
  const path = newPath("dnetdb.sock");
  const dnet = owner(1);
  expect(say(a, [...dnet.first, dnet.add()])).toEqual(["accepted", "accepted", "accepted"]);
  running.push(await listenUnix(path, (stream) => void attach(a, stream, "caller")));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const link = attach(b, await connectUnix(path), "daemon", [dnet.record]);
  await link.settled;
  expect(b.store.headOf(dnet.record)).toMatchObject({ height: 1, head: dnet.head.id });
  say(a, [dnet.add()]);
  await until("it came", () => b.store.headOf(dnet.record)?.height === 2);
  expect(b.heard.at(-1)).toBe("daemon");
  say(b, [dnet.add()]);
  await until("it came back", () => a.store.headOf(dnet.record)?.height === 3);
  link.close();
  expect(await link.closed).toBeNull();
});

test("a body of a mebibyte and a thousand steps pass a Unix socket", async () => {
  const [a, b] = [replica(), replica()];
  const path = newPath("dnetdb.sock");
  const dnet = owner(2);
  const policy = new SeededRandom(5).bytes(1 << 20);
  a.store.atomically(() => {
    say(a, dnet.first);
    for (let i = 0; i < 1_000; i++) say(a, [dnet.add()]);
    say(a, [dnet.policy(policy)]);
  });
  running.push(await listenUnix(path, (stream) => void attach(a, stream, "caller")));
  await attach(b, await connectUnix(path), "daemon").settled;
  expect(b.store.headOf(dnet.record)).toEqual({ ...a.store.headOf(dnet.record)!, changed: expect.any(Number) });
  expect(b.store.missingBodies(dnet.record, 10)).toEqual([]);
}, 20_000);

test("DN-29 the same over a secret stream of the DHT", async () => {
  await using network = await testnet(3);
  const [a, b] = [replica(), replica()];
  const dnet = owner(3);
  say(a, [...dnet.first, ...Array.from({ length: 300 }, () => dnet.add())]);
  const server = network.nodes[1]!.createServer(
    {},
    (stream) => void a.shared.attach(stream, { peer: "b", interests: "all" }),
  );
  const keyPair = Gateway.keyPair();
  await server.listen(keyPair);
  const link = b.shared.attach(network.nodes[2]!.connect(keyPair.publicKey), { peer: "a", interests: [dnet.record] });
  await link.settled;
  expect(b.store.headOf(dnet.record)?.height).toBe(300);
  say(a, [dnet.add()]);
  await until("it came", () => b.store.headOf(dnet.record)?.height === 301);
}, 20_000);

test("how far a peer was read is in the file, and a process that starts again reads on from there", async () => {
  const a = replica();
  const [path, socket] = [newPath("dnet.db"), newPath("dnetdb.sock")];
  const dnet = owner(4);
  say(a, [...dnet.first, ...Array.from({ length: 50 }, () => dnet.add())]);
  running.push(await listenUnix(socket, (stream) => void attach(a, stream, "caller")));
  for (let round = 0; round < 3; round++) {
    const file = openDnetDb(path);
    const shared = replicate(file.store);
    const stream = await connectUnix(socket);
    await shared.attach(stream, { peer: "daemon", interests: "all" }).settled;
    expect(file.store.headOf(dnet.record)?.head).toEqual(dnet.head.id);
    shared.close();
    expect(file.store.cursorOf(cursorName("daemon", a.store.id, "all"))).toBe(a.store.sequence);
    // The first time some 52 steps; then one, its head, and greetings.
    expect(stream.bytesRead).toBeLessThan(round === 0 ? 40_000 : 1_000);
    file.close();
    say(a, [dnet.add()]);
  }
});

test("a peer that brings what there is no room for on the disk is let go, and calls again when there is", async () => {
  const [a, path] = [replica(), newPath("dnetdb.sock")];
  const database = new Database(":memory:");
  const b = { store: new Store(database), shared: replicate(new Store(database)) };
  running.push(b.shared);
  const dnet = owner(6);
  say(a, [...dnet.first, ...Array.from({ length: 300 }, () => dnet.add())]);
  running.push(await listenUnix(path, (stream) => void attach(a, stream, "caller")));
  const call = async () => attach(b, await connectUnix(path), "daemon");
  const { page_count: pages } = database.query("PRAGMA page_count").get() as { readonly page_count: number };
  database.run(`PRAGMA max_page_count = ${pages + 4}`);
  const link = await call();
  expect(await link.settled.catch((error) => error.code)).toBe("SQLITE_FULL");
  expect(await link.closed).toContain("cannot be written");
  expect(verifyStore(database, new Database(":memory:"))).toEqual([]);
  database.run("PRAGMA max_page_count = 100000");
  await (await call()).settled;
  expect(b.store.headOf(dnet.record)?.head).toEqual(dnet.head.id);
});

test("to a peer that reads nothing no more than one frame is written after its stream is full", async () => {
  const a = replica();
  const dnets = Array.from({ length: 16 }, (_, i) => owner(100 + i));
  for (const dnet of dnets) say(a, [...dnet.first, ...Array.from({ length: 5 }, () => dnet.add())]);
  const stream = new FakeStream();
  const link = a.shared.attach(stream, { peer: "slow", interests: [] });
  stream.say({ type: "hello", store: new Uint8Array(16).fill(9) });
  stream.say({ type: "follow", round: 1, cursor: 0, records: "all" });
  stream.isFull = true;
  for (const { record } of dnets) stream.say({ type: "want", record, part: "steps", after: [] });
  const before = stream.bytes;
  for (let i = 0; i < 1_000; i++) a.shared.changed();
  expect(stream.bytes).toBe(before);
  stream.isFull = false;
  stream.emit("drain");
  expect(stream.bytes).toBeGreaterThan(before + 16 * 6 * 300);
  link.close();
});

test("who sends no replica's frames is told so, dropped, and named with the reason", async () => {
  const a = replica();
  const cases: readonly [bytes: Uint8Array, why: string][] = [
    [framed(Uint8Array.of(99)), "it sent what is no message, or one of another version"],
    [framed(encodeSyncMessage({ type: "hello", store: a.store.id })), "it is this very store, or a copy of it"],
    [
      framed(encodeSyncMessage({ type: "next", cursor: 1 })),
      "it answered what was not asked, or asked before it had the last answer",
    ],
    [Uint8Array.of(255, 255, 255, 255), "its frame is too long, or empty"],
    [Uint8Array.of(0, 0, 0, 0), "its frame is too long, or empty"],
  ];
  for (const [bytes, why] of cases) {
    const stream = new FakeStream();
    const link = a.shared.attach(stream, { peer: "liar", interests: "all" });
    stream.emit("data", bytes);
    expect(await link.closed).toBe(`liar was dropped: ${why}`);
    expect(stream.isEnded).toBe(true);
    expect(link.settled).rejects.toMatchObject({ code: "SYNC_ENDED" });
  }
});

test("nobody at the path is said so", async () => {
  expect(connectUnix(newPath("none.sock"))).rejects.toMatchObject({ code: "NO_REPLICA" });
});
