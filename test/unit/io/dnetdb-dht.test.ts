/** Records in a DHT of real nodes on 127.0.0.1, found by nothing but their ids. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { Gateway } from "../../../src/index.ts";
import { findHeads, publishRecord } from "../../../src/io/dnetdb-dht.ts";
import { type Discovered, discover, type Patience } from "../../../src/io/dnetdb-discovery.ts";
import { keepInDht } from "../../../src/io/dnetdb-keeper.ts";
import { replicate } from "../../../src/io/dnetdb-sync.ts";
import { type Testnet, testnet } from "../../../src/io/gateway/testnet.ts";
import { dhtKeyPair, dhtTopic, encodeDhtHead, exportRecord } from "../../../src/overlay/dnetdb/dht-record.ts";
import { recordId } from "../../../src/overlay/dnetdb/ids.ts";
import { KeptValues } from "../../../src/overlay/dnetdb/publishing.ts";
import { Store } from "../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction } from "../../../src/overlay/dnetdb/transaction.ts";
import { stepsOf } from "../../support/dnetdb.ts";
import { SeededRandom } from "../../support/random.ts";
import { Cloud, Owner, type Signed } from "../../support/replicas.ts";
import { until } from "../../support/until.ts";
import { FakeTerminal } from "../cli/fake-context.ts";
import { Machines } from "../cli/machine.ts";

const MEMBERS = 200;
let network: Testnet;
beforeAll(async () => {
  network = await testnet(8);
});
afterAll(() => network.destroy());
const running: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close();
});

let made = 0;
const newStore = () => new Store(new Database(":memory:"), new SeededRandom(++made).bytes(16));
const keep = (store: Store, ...steps: readonly Signed[]) => {
  for (const { bytes, body } of steps) expect(store.accept(Date.now(), bytes, body).status).toBe("accepted");
};

/** A node of its own, which stores nothing for others. */
async function visitor(): Promise<Gateway> {
  const gateway = new Gateway({ host: "127.0.0.1", port: 0, bootstrap: network.bootstrap, ephemeral: true });
  running.push({ close: () => gateway.destroy() });
  await gateway.ready();
  return gateway;
}

/** A dnet of so many members, each of whom has a body. */
function dnetOf(members: number, { isPublic = false, seed = ++made } = {}) {
  const store = newStore();
  if (!isPublic) {
    const owner = new Owner(seed, { bodyBytes: 350, time: Date.now() - 86_400_000 });
    keep(store, ...owner.first);
    for (let i = 0; i < members; i++) keep(store, owner.add(350));
    return { store, record: owner.record, owner };
  }
  let record: Uint8Array | null = null;
  for (const { transaction, body } of stepsOf(seed)) {
    record ??= recordId(transaction.id);
    expect(store.accept(transaction.time, encodeTransaction(transaction), body).status).toBe("accepted");
    if (store.slots(record).length === members) break;
  }
  return { store, record: record!, owner: null };
}

async function find(
  record: Uint8Array,
  store = newStore(),
  patience?: Patience,
): Promise<{ store: Store; found: Discovered }> {
  const gateway = await visitor();
  const replication = replicate(store);
  running.push(replication);
  const signal = AbortSignal.timeout(20_000);
  return {
    store,
    found: await discover({ gateway, store, replication, signal, ...(patience && { patience }) }, record),
  };
}

/** What a store has of a record, whatever its log. */
const contents = (store: Store, record: Uint8Array) => ({ ...store.headOf(record)!, changed: 0 });

/** Someone who has the record, and says so in the DHT. */
async function share(store: Store, record: Uint8Array): Promise<void> {
  const gateway = await visitor();
  const replication = replicate(store);
  const server = gateway.createServer({}, (stream) => {
    replication.attach(stream, { peer: "caller", interests: [] });
  });
  const keyPair = Gateway.keyPair();
  await server.listen(keyPair);
  running.push(replication);
  const keeper = keepInDht({ store, gateway, keyPair, nodes: () => server.nodes });
  running.push(keeper);
  keeper.keep({ published: [], shared: [record] });
  await until("announced", async () => {
    for await (const { peers } of gateway.lookup(dhtTopic(record))) if (peers.length > 0) return true;
    return false;
  });
}

/** Overwrites the head, as anyone can who knows the id. */
async function poison(record: Uint8Array, value: Uint8Array, seq?: number): Promise<void> {
  const anyone = await visitor();
  const latest = await anyone.mutableGet(dhtKeyPair(record).publicKey, { latest: true });
  await anyone.mutablePut(dhtKeyPair(record), value, { seq: seq ?? (latest?.seq ?? 0) + 1 });
}

test.each([false, true])(
  "DN-28 DN-55 who has nothing but an id reads a dnet of 200 members from the DHT; public: %p",
  async (isPublic) => {
    const { store, record } = dnetOf(MEMBERS, { isPublic });
    const published = await publishRecord(await visitor(), store, record);
    expect(published).toMatchObject({ put: published!.values, isHeadThere: true });
    const { store: copy, found } = await find(record);
    expect(found).toMatchObject({ replicas: 0, heads: 1, values: published!.values });
    expect(contents(copy, record)).toEqual(contents(store, record));
    expect(copy.slots(record)).toHaveLength(MEMBERS);
    expect(copy.missingBodies(record, 10)).toEqual([]);
    // What is here already is not looked for again.
    expect((await find(record, copy)).found).toMatchObject({ heads: 1, values: 0 });
  },
  60_000,
);

test("DN-28 a cloud's record and what it has stated come with the dnet's", async () => {
  const { store, record, owner } = dnetOf(3);
  const cloud = new Cloud(++made);
  keep(store, ...cloud.first, owner!.attach(cloud.record), cloud.authorise(record));
  expect(store.seal(Date.now(), cloud.record, cloud.keyPair)).not.toBeNull();
  for (const id of [record, cloud.record]) await publishRecord(await visitor(), store, id);
  const { store: copy } = await find(record);
  for (const id of [record, cloud.record]) expect(contents(copy, id)).toEqual(contents(store, id));
  expect(copy.statementsOf(record, 0).length).toBeGreaterThan(0);
}, 30_000);

test("DN-26 what is there is not put again: not by the same, and not by one that starts anew; a change puts little", async () => {
  const { store, record, owner } = dnetOf(60);
  const gateway = await visitor();
  const values = new KeptValues();
  const first = (await publishRecord(gateway, store, record, values))!;
  expect(first.put).toBe(first.values);
  const before = await gateway.mutableGet(dhtKeyPair(record).publicKey, { latest: true });
  expect(await publishRecord(gateway, store, record, values)).toMatchObject({ put: 0, isHeadThere: true });
  expect(await publishRecord(await visitor(), store, record)).toMatchObject({ put: 0, isHeadThere: true });
  expect((await gateway.mutableGet(dhtKeyPair(record).publicKey, { latest: true }))!.seq).toBe(before!.seq);
  keep(store, owner!.add(350));
  const changed = (await publishRecord(gateway, store, record, values))!;
  expect(changed.put).toBeGreaterThan(0);
  expect(changed.put).toBeLessThanOrEqual(4); // the last piece or two, and the pages above
  expect(contents((await find(record)).store, record)).toEqual(contents(store, record));
}, 30_000);

test("DN-26 a keeper puts a record there, and what is new of it without being asked", async () => {
  const { store, record, owner } = dnetOf(5);
  const gateway = await visitor();
  const published: number[] = [];
  const onPublished = (_: Uint8Array, done: { put: number } | null) => void published.push(done!.put);
  const keeper = keepInDht({ store, gateway, keyPair: Gateway.keyPair(), nodes: () => [], onPublished });
  running.push(keeper);
  keeper.keep({ published: [record], shared: [] });
  await until("published", () => published.length === 1);
  keep(store, owner!.add());
  keeper.changed();
  await until("published anew", () => published.length === 2, { withinMs: 10_000 });
  expect(contents((await find(record)).store, record)).toEqual(contents(store, record));
}, 30_000);

test("DN-28 heads that are none, lead nowhere, or elsewhere are refused and counted; who shares the record is found all the same", async () => {
  const { store, record } = dnetOf(20);
  const other = dnetOf(3);
  await publishRecord(await visitor(), store, record);
  await publishRecord(await visitor(), other.store, other.record);
  const nowhere = { length: 5_000, root: new Uint8Array(32).fill(7) };
  const heads: [Uint8Array, string][] = [
    [Uint8Array.of(9, 9), "MALFORMED"],
    [encodeDhtHead({ chain: nowhere, rest: nowhere }), "ABSENT"],
    [exportRecord(other.store, other.record)!.head, "FOREIGN"],
  ];
  for (const [head, why] of heads) {
    await poison(record, head);
    const { store: copy, found } = await find(record);
    expect([...found.refused]).toEqual([[why as "ABSENT", 1]]);
    expect(copy.headOf(record)).toBeNull();
    expect(copy.headOf(other.record)).toBeNull();
  }
  await share(store, record);
  const { store: copy, found } = await find(record);
  expect(found).toMatchObject({ replicas: 1, heads: 0 });
  expect(contents(copy, record)).toEqual(contents(store, record));
  // The next who publishes mends it, unless there is no number left.
  expect(await publishRecord(await visitor(), store, record)).toMatchObject({ put: 0, isHeadThere: true });
  expect((await find(record)).found).toMatchObject({ heads: 1 });
  await poison(record, Uint8Array.of(9), Number.MAX_SAFE_INTEGER);
  expect(await publishRecord(await visitor(), store, record)).toMatchObject({ put: 0, isHeadThere: false });
  expect((await find(record)).found).toMatchObject({ replicas: 1, heads: 0 });
}, 60_000);

test("where nodes have different heads each is tried, and those who only say that they share it hold nobody up", async () => {
  const { store, record, owner } = dnetOf(4);
  await publishRecord(await visitor(), store, record);
  const old = exportRecord(store, record)!.head;
  keep(store, owner!.add());
  await publishRecord(await visitor(), store, record);
  // One node alone has the older head, and one nonsense.
  const late = await visitor();
  const walk = late.findNode(Gateway.hash(dhtKeyPair(record).publicKey));
  await walk.finished();
  const [one, two] = walk.closestNodes;
  const alone = (node: typeof one) => ({ nodes: [node!], onlyClosestNodes: true });
  await late.mutablePut(dhtKeyPair(record), old, { seq: 900, ...alone(one) });
  await late.mutablePut(dhtKeyPair(record), Uint8Array.of(1), { seq: 901, ...alone(two) });
  const heads = await findHeads(late, record);
  expect(heads).toHaveLength(3);
  expect(heads[0]).toEqual(exportRecord(store, record)!.head);
  for (let i = 0; i < 6; i++) await late.announce(dhtTopic(record), Gateway.keyPair()).finished();
  const { store: copy, found } = await find(record);
  expect(found).toMatchObject({ heads: 2, replicas: 0 });
  expect([...found.refused]).toEqual([["MALFORMED", 1]]);
  expect(contents(copy, record)).toEqual(contents(store, record));
}, 60_000);

test("replicas that answer the call and say nothing, or have nothing, do not keep the others from being heard", async () => {
  const { store, record } = dnetOf(10);
  const mute = await visitor();
  for (let i = 0; i < 5; i++) {
    const server = mute.createServer({}, (stream) => void stream.on("error", () => {}));
    const keyPair = Gateway.keyPair();
    await server.listen(keyPair);
    await mute.announce(dhtTopic(record), keyPair, server.nodes).finished();
  }
  await share(newStore(), record); // that has nothing
  const patience = { headStartMs: 50, slowMs: 50 };
  expect((await find(record, newStore(), patience)).found).toMatchObject({ replicas: 0, heads: 0 });
  await publishRecord(await visitor(), store, record);
  await share(store, record);
  const { store: copy, found } = await find(record, newStore(), patience);
  expect(found.heads).toBe(1);
  expect(contents(copy, record)).toEqual(contents(store, record));
}, 60_000);

test("DN-26 DN-55 a machine with an invitation and no replica joins by what the DHT has", async () => {
  const machines = new Machines();
  try {
    const [owner, guest] = [machines.make("owner"), machines.make("guest")];
    const dht = `--bootstrap 127.0.0.1:${network.bootstrap[0]!.port}`;
    const id = await owner.ok("net create home");
    const code = await owner.ok("invite home --name dave");
    expect((await guest.json("join", { stdin: code })).code).toBe("RECORD_ABSENT");
    expect(await guest.error(`db fetch ${id} ${dht}`)).toContain("RECORD_NOT_FOUND");
    await owner.ok(`db publish home ${dht}`);
    expect(await guest.ok(`db fetch ${id} ${dht}`)).toBe(id);
    expect((await guest.json("member list home")).members).toMatchObject([{ name: "dave" }]);
    // And the join goes the same way back.
    await guest.ok(`db publish home ${dht}`);
    await owner.ok(`db fetch ${id} ${dht}`);
    expect((await owner.json("member list home")).members).toMatchObject([{ name: "dave", how: "joined" }]);
  } finally {
    machines.remove();
  }
}, 60_000);

test("DN-26 DN-28 by nothing but its id a dnet is found with whoever serves it, who hears of the join, and in the DHT afterwards", async () => {
  const machines = new Machines();
  const stop = new AbortController();
  try {
    const [owner, guest, late] = [machines.make("owner"), machines.make("guest"), machines.make("late")];
    machines.now += 86_400_000; // or it would be the dnet of the test before, which is there already
    const dht = `--bootstrap 127.0.0.1:${network.bootstrap[0]!.port}`;
    const id = await owner.ok("net create home");
    const code = await owner.ok("invite home --name dave");
    await guest.run("join", { stdin: code });
    const terminal = new FakeTerminal();
    const serving = owner.run(`db serve --dht ${dht}`, { terminal, stop: stop.signal });
    await until("it is there", () => terminal.errors.includes("put into the DHT"));
    const fetched = await until("a replica answers", async () => {
      const facts = await guest.json(`db fetch ${id} ${dht}`);
      return facts.replicas === 1 && facts;
    });
    expect(fetched).toMatchObject({ records: [id], heads: 1, refused: {} });
    await until("the owner hears of it", async () => {
      const { members } = await owner.json("member list home");
      return members.some(({ how }: { how: string }) => how === "joined");
    });
    stop.abort();
    expect((await serving).exitCode).toBe(0);
    // What stands in the DHT stays when nobody serves.
    expect(await late.json(`db fetch ${id} ${dht}`)).toMatchObject({ records: [id], replicas: 0, heads: 1 });
  } finally {
    stop.abort();
    machines.remove();
  }
}, 60_000);
