/** Records in a DHT whose nodes are all the real hyperdht's: they hold what we put there, and lead to who shares it. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Gateway } from "../../src/index.ts";
import { publishRecord } from "../../src/io/dnetdb-dht.ts";
import { discover } from "../../src/io/dnetdb-discovery.ts";
import { keepInDht } from "../../src/io/dnetdb-keeper.ts";
import { replicate } from "../../src/io/dnetdb-sync.ts";
import { dhtTopic } from "../../src/overlay/dnetdb/dht-record.ts";
import { Store } from "../../src/overlay/dnetdb/store.ts";
import { BothKinds, type Network } from "../support/hyperdht-both.ts";
import { hasNode, needsNode } from "../support/hyperdht-process.ts";
import { SeededRandom } from "../support/random.ts";
import { Owner } from "../support/replicas.ts";
import { until } from "../support/until.ts";

const MEMBERS = 40;

describe.skipIf(!hasNode)(`nodes of the real hyperdht${needsNode}`, () => {
  const stack = new AsyncDisposableStack();
  let network: Network;
  beforeAll(async () => {
    const both = stack.use(await BothKinds.start());
    network = await both.network("theirs", { ours: 0, theirs: 5 });
  }, 30_000);
  afterAll(() => stack.disposeAsync());

  let made = 0;
  const newStore = () => new Store(new Database(":memory:"), new SeededRandom(++made).bytes(16));
  const visitor = async () => {
    const gateway = new Gateway({ host: "127.0.0.1", port: 0, bootstrap: network.addresses, ephemeral: true });
    stack.defer(() => gateway.destroy());
    await gateway.ready();
    return gateway;
  };
  /** A dnet that its owner has. */
  const newDnet = () => {
    const [store, owner] = [newStore(), new Owner(++made, { bodyBytes: 350, time: Date.now() - 86_400_000 })];
    const add = () => {
      const { bytes, body } = owner.add(350);
      expect(store.accept(Date.now(), bytes, body).status).toBe("accepted");
    };
    for (const { bytes, body } of owner.first) store.accept(Date.now(), bytes, body);
    for (let i = 0; i < MEMBERS; i++) add();
    return { store, record: owner.record, add };
  };
  const find = async (record: Uint8Array, store = newStore()) => {
    const replication = replicate(store);
    stack.defer(() => replication.close());
    const signal = AbortSignal.timeout(20_000);
    const found = await discover({ gateway: await visitor(), store, replication, signal }, record);
    return { store, found };
  };
  const headOf = (store: Store, record: Uint8Array) => ({ ...store.headOf(record)!, changed: 0 });

  test("DN-28 what was put there is found by its id alone, and again when it has changed", async () => {
    const { store, record, add } = newDnet();
    const owner = await visitor();
    expect(await publishRecord(owner, store, record)).toMatchObject({ isHeadThere: true });
    const { store: reader, found } = await find(record);
    expect([found.replicas, found.heads]).toEqual([0, 1]);
    expect(headOf(reader, record)).toEqual(headOf(store, record));
    add();
    expect(await publishRecord(owner, store, record)).toMatchObject({ isHeadThere: true });
    await find(record, reader);
    expect(headOf(reader, record)).toEqual(headOf(store, record));
  }, 60_000);

  test("DN-26 DN-28 who shares a record is found by its id alone, and synced from", async () => {
    const { store, record } = newDnet();
    const [gateway, keyPair, replication] = [await visitor(), Gateway.keyPair(), replicate(store)];
    stack.defer(() => replication.close());
    const server = gateway.createServer({}, (stream) => {
      replication.attach(stream, { peer: "caller", interests: [] });
    });
    await server.listen(keyPair);
    const keeper = keepInDht({ store, gateway, keyPair, nodes: () => server.nodes });
    stack.defer(() => keeper.close());
    keeper.keep({ published: [], shared: [record] });
    await until("announced", async () => {
      for await (const { peers } of gateway.lookup(dhtTopic(record))) if (peers.length > 0) return true;
      return false;
    });
    const { store: reader, found } = await find(record);
    expect([found.replicas, found.heads]).toEqual([1, 0]);
    expect(headOf(reader, record)).toEqual(headOf(store, record));
  }, 60_000);
});
