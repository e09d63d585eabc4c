/** A record as values of the DHT, and back. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { blake2b256 } from "../../../../src/crypto/blake2b.ts";
import {
  cutString,
  decodeDhtHead,
  dhtKeyPair,
  encodeDhtHead,
  exportRecord,
  MAX_STRING_BYTES,
  PIECE_BYTES,
  StringGathering,
} from "../../../../src/overlay/dnetdb/dht-record.ts";
import { readStrings } from "../../../../src/overlay/dnetdb/record-string.ts";
import { Replica } from "../../../../src/overlay/dnetdb/replica.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import { SeededRandom } from "../../../support/random.ts";
import { Owner, START } from "../../../support/replicas.ts";

const newStore = () => new Store(new Database(":memory:"));

function filled(steps: number) {
  const store = newStore();
  const owner = new Owner(1);
  const keep = ({ bytes, body }: { bytes: Uint8Array; body: Uint8Array | null }) => store.accept(START, bytes, body);
  owner.first.forEach(keep);
  for (let i = 0; i < steps; i++) {
    if (i % 4) keep(owner.add());
    else {
      const { invitation, join } = owner.invite();
      keep(invitation);
      keep(join);
    }
  }
  return { store, owner, keep };
}

/** Everything that a gathering asks for, out of these values. */
function gather(head: { readonly length: number; readonly root: Uint8Array }, values: readonly Uint8Array[]) {
  const byHash = new Map(values.map((value) => [blake2b256(value).toHex(), value]));
  const gathering = new StringGathering(head);
  let asked = 0;
  for (let hashes = gathering.wanted(8); hashes.length > 0; hashes = gathering.wanted(8)) {
    for (const hash of hashes) {
      asked++;
      expect(gathering.give(byHash.get(hash.toHex())!)).toBe(true);
    }
  }
  return { bytes: gathering.bytes, asked, isBroken: gathering.isBroken };
}

test.each([0, 1, 999, 1_000, 1_001, 31_000, 31_001, 961_000, 961_001, 2_000_000])(
  "a string of %i bytes comes back from its values, each small enough for the DHT",
  (length) => {
    const bytes = new SeededRandom(length).bytes(length);
    const { head, values } = cutString(bytes);
    expect(values.every((value) => value.length <= PIECE_BYTES)).toBe(true);
    const found = gather(head, values);
    expect(Buffer.compare(found.bytes!, bytes)).toBe(0);
    expect(found.asked).toBe(values.length);
  },
);

test("the same bytes in several places are looked for once", () => {
  const bytes = new Uint8Array(100_000).fill(7);
  const { head, values } = cutString(bytes);
  const found = gather(head, values);
  expect(Buffer.compare(found.bytes!, bytes)).toBe(0);
  expect(found.asked).toBeLessThan(10);
});

test("a record that was put there is taken in by who knows its id alone, with all that is beside it", () => {
  const { store, owner } = filled(60);
  const { head, values } = exportRecord(store, owner.record)!;
  const { chain, rest } = decodeDhtHead(head)!;
  const items = readStrings(gather(chain, values).bytes!, gather(rest, values).bytes!)!;
  const copy = newStore();
  const taken = new Replica(copy).bring(0, START, "dht", owner.record, items);
  expect(taken).toMatchObject({ refused: 0, isEarly: false, isFull: false });
  expect(copy.headOf(owner.record)).toEqual({ ...store.headOf(owner.record)!, changed: expect.any(Number) });
  expect(copy.missingBodies(owner.record, 9)).toEqual([]);
});

test("of a longer chain all but the last values are the same", () => {
  const { store, owner, keep } = filled(200);
  const before = exportRecord(store, owner.record)!;
  keep(owner.add());
  const after = exportRecord(store, owner.record)!;
  const has = new Set(before.values.map((value) => value.toHex()));
  const chain = decodeDhtHead(after.head)!.chain;
  const ofChain = Math.ceil(chain.length / PIECE_BYTES);
  const fresh = after.values.slice(0, ofChain).filter((value) => !has.has(value.toHex()));
  expect(fresh.length).toBeLessThanOrEqual(2);
});

test("a head has one encoding, and one that says too much is none", () => {
  const { store, owner } = filled(3);
  const { head } = exportRecord(store, owner.record)!;
  const decoded = decodeDhtHead(head)!;
  expect(encodeDhtHead(decoded)).toEqual(head);
  for (let end = 0; end < head.length; end++) expect(decodeDhtHead(head.subarray(0, end))).toBeNull();
  expect(decodeDhtHead(Uint8Array.of(...head, 0))).toBeNull();
  const long = encodeDhtHead({ ...decoded, chain: { ...decoded.chain, length: MAX_STRING_BYTES + 1 } });
  expect(decodeDhtHead(long)).toBeNull();
  expect(decodeDhtHead(encodeDhtHead({ ...decoded, chain: { ...decoded.chain, length: 0 } }))).toBeNull();
  expect(dhtKeyPair(owner.record)).toEqual(dhtKeyPair(owner.record.slice()));
  expect(dhtKeyPair(owner.record).publicKey).not.toEqual(dhtKeyPair(new Uint8Array(32)).publicKey);
});

test("values that are not what the head says end it, and nothing makes it throw", () => {
  const random = new SeededRandom(3);
  const bytes = random.bytes(50_000);
  const { head, values } = cutString(bytes);
  for (const length of [1, 999, 1_000, 31_000, 31_001, 49_000, 49_999, 50_001, 51_000, 62_000, 961_001]) {
    const gathering = new StringGathering({ length, root: head.root });
    for (let round = 0; round < 4; round++) for (const value of values) gathering.give(value);
    expect([length, gathering.bytes]).toEqual([length, null]);
  }
  expect(new StringGathering(head).give(random.bytes(1_000))).toBe(false);
  const { store, owner } = filled(5);
  const { head: first, values: all } = exportRecord(store, owner.record)!;
  const { chain, rest } = decodeDhtHead(first)!;
  const [steps, others] = [gather(chain, all).bytes!, gather(rest, all).bytes!];
  for (let round = 0; round < 500; round++) {
    const bent = steps.with(random.below(steps.length), random.below(256));
    const items = readStrings(
      bent.subarray(0, random.below(bent.length + 1)),
      others.subarray(0, random.below(others.length)),
    );
    if (items) new Replica(newStore()).bring(0, START, "dht", owner.record, items);
  }
});
