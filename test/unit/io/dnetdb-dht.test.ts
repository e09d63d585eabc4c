/** Records in a DHT of real nodes on 127.0.0.1, found by nothing but their ids. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { fetchRecord, publishRecord } from "../../../src/io/dnetdb-dht.ts";
import { type Testnet, testnet } from "../../../src/io/gateway/testnet.ts";
import { dhtKeyPair } from "../../../src/overlay/dnetdb/dht-record.ts";
import { recordId } from "../../../src/overlay/dnetdb/ids.ts";
import { Replica } from "../../../src/overlay/dnetdb/replica.ts";
import { Store } from "../../../src/overlay/dnetdb/store.ts";
import { encodeTransaction } from "../../../src/overlay/dnetdb/transaction.ts";
import { stepsOf } from "../../support/dnetdb.ts";
import { Machines } from "../cli/machine.ts";

const MEMBERS = 60;
let network: Testnet;
beforeAll(async () => {
  network = await testnet(4);
});
afterAll(() => network.destroy());

function filled(members: number) {
  const store = new Store(new Database(":memory:"));
  let record: Uint8Array | null = null;
  let left = members;
  for (const { transaction, body } of stepsOf(11)) {
    record ??= recordId(transaction.id);
    expect(store.accept(transaction.time, encodeTransaction(transaction), body).status).toBe("accepted");
    if (--left === 0) break;
  }
  return { store, record: record! };
}

test("DN-28 who has nothing but an id reads the whole record from the DHT; what is there already is not put again", async () => {
  const { store, record } = filled(MEMBERS);
  const [here, there] = network.nodes;
  const known = new Set<string>();
  const first = (await publishRecord(here!, store, record, known))!;
  expect(first.put).toBe(first.values);
  expect(await publishRecord(here!, store, record, known)).toEqual({ values: first.values, put: 0 });
  const other = new Store(new Database(":memory:"), new Uint8Array(16).fill(1));
  const items = await fetchRecord(there!, record);
  new Replica(other).bring(0, 1_800_000_000_000, "the DHT", record, items!);
  expect({ ...other.headOf(record)!, changed: 0 }).toEqual({ ...store.headOf(record)!, changed: 0 });
  expect(other.missingBodies(record, 10)).toEqual([]);
}, 30_000);

test("a head that leads nowhere, or is none, is no record; the next who publishes mends it", async () => {
  const { store, record } = filled(5);
  const [here, there] = network.nodes;
  expect(await publishRecord(here!, store, record)).not.toBeNull();
  const { seq } = (await there!.mutableGet(dhtKeyPair(record).publicKey, { latest: true }))!;
  for (const value of [Uint8Array.of(9, 9), new Uint8Array(73).fill(1)]) {
    const latest = (await there!.mutableGet(dhtKeyPair(record).publicKey, { latest: true }))!;
    await there!.mutablePut(dhtKeyPair(record), value, { seq: latest.seq + 1 });
    expect(await fetchRecord(here!, record)).toBeNull();
  }
  await publishRecord(here!, store, record);
  expect((await fetchRecord(there!, record))!.length).toBeGreaterThan(5);
  expect((await there!.mutableGet(dhtKeyPair(record).publicKey, { latest: true }))!.seq).toBe(seq + 3);
}, 30_000);

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
