/** A replica and a peer that a test plays: what it is told, what is taken from it, and when it is dropped. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Limits } from "../../../../src/overlay/dnetdb/admission.ts";
import { MAX_BODY_BYTES } from "../../../../src/overlay/dnetdb/contents.ts";
import { Replica } from "../../../../src/overlay/dnetdb/replica.ts";
import { Store } from "../../../../src/overlay/dnetdb/store.ts";
import type { Sync } from "../../../../src/overlay/dnetdb/sync.ts";
import { cursorName } from "../../../../src/overlay/dnetdb/sync-fetch.ts";
import {
  decodeSyncMessage,
  encodeSyncMessage,
  type Head,
  type Interests,
  type Item,
  type SyncMessage,
} from "../../../../src/overlay/dnetdb/sync-messages.ts";
import { MAX_WANTS } from "../../../../src/overlay/dnetdb/sync-serve.ts";
import { lockOf } from "../../../support/dnetdb.ts";
import { SeededRandom } from "../../../support/random.ts";
import { Cloud, Owner, type Signed, START } from "../../../support/replicas.ts";

const MINUTE = 60_000;
const PEER_STORE = new Uint8Array(16).fill(0xee);
const CURSOR = cursorName("tester", PEER_STORE, "all");
let stores = 0;

/** One replica, and the test at the other end of its one link. */
class Desk {
  readonly database: Database;
  readonly store: Store;
  readonly replica: Replica;
  readonly peer: Sync;
  now = 0;
  dropped: string | null = null;
  /** What it said first. */
  readonly greeting: readonly SyncMessage[] = [];
  readonly news: Uint8Array[] = [];

  constructor({
    interests = "all",
    limits = {},
    database = new Database(":memory:"),
    greets = true,
    name = "tester",
  }: { interests?: Interests; limits?: Partial<Limits>; database?: Database; greets?: boolean; name?: string } = {}) {
    this.database = database;
    this.store = new Store(database, new SeededRandom(++stores).bytes(16));
    this.replica = new Replica(this.store, { limits });
    this.peer = this.replica.connect(0, { peer: name, interests })!;
    if (!greets) return;
    this.say({ type: "hello", store: PEER_STORE });
    this.greeting = this.hear();
  }

  say(...messages: SyncMessage[]): void {
    for (const message of messages) this.sayBytes(encodeSyncMessage(message));
  }

  sayBytes(bytes: Uint8Array): void {
    this.replica.receive(this.now, START + this.now, this.peer, bytes);
    this.#drain();
  }

  /** All that it has to say now. */
  hear(): SyncMessage[] {
    const all: SyncMessage[] = [];
    for (let frame = this.replica.take(this.now, this.peer); frame; frame = this.replica.take(this.now, this.peer)) {
      all.push(decodeSyncMessage(frame)!);
    }
    this.#drain();
    return all;
  }

  wait(ms: number): void {
    for (const end = this.now + ms; ; ) {
      const next = this.replica.deadline();
      if (next > end) {
        this.now = end;
        return;
      }
      this.now = Math.max(this.now, next);
      this.replica.advance(this.now);
      this.#drain();
    }
  }

  /** Answers its question of what changed. */
  tell(upTo: number, heads: Head[], isAll = true): SyncMessage[] {
    this.say({ type: "heads", round: 1, upTo, isAll, heads });
    return this.hear();
  }

  #drain(): void {
    for (const output of this.replica.drain()) {
      if (output.type === "dropped") this.dropped = output.reason;
      if (output.type === "news" && "transaction" in output.news) this.news.push(output.news.transaction);
    }
  }
}

const item = ({ bytes, body }: Signed): Item => ({ kind: "transaction", bytes, body });
const digest = new Uint8Array(16);
const headOf = (owner: Owner, height: number): Head => ({ record: owner.record, height, head: owner.head.id, digest });
const steps = (owner: Owner, ...all: Signed[]): SyncMessage => ({
  type: "items",
  record: owner.record,
  part: "steps",
  end: "all",
  next: 0,
  items: all.map(item),
});
const unasked = (owner: Owner, ...all: Item[]): SyncMessage => ({
  type: "items",
  record: owner.record,
  part: "unasked",
  end: "all",
  next: 0,
  items: all,
});
const typesOf = (messages: readonly SyncMessage[]) => messages.map(({ type }) => type);

test("DN-28 a replica that knows an id and nothing else asks for that record alone, from the mint on", () => {
  const owner = new Owner(1);
  const desk = new Desk({ interests: [owner.record], greets: false });
  expect(desk.hear()).toEqual([{ type: "hello", store: desk.store.id }]);
  desk.say({ type: "hello", store: PEER_STORE });
  expect(desk.hear()).toEqual([{ type: "follow", round: 1, cursor: 0, records: [owner.record] }]);
  const other = new Owner(2);
  const wants = desk.tell(5, [headOf(other, 0), headOf(owner, 0)]);
  expect(wants).toEqual([{ type: "want", record: owner.record, part: "steps", after: [] }]);
  desk.say(steps(owner, ...owner.first));
  expect(desk.store.headOf(owner.record)?.head).toEqual(owner.head.id);
  expect(desk.hear()).toEqual([{ type: "next", cursor: 5 }]);
});

test("a cursor is kept up to what was committed, and no further where something may come yet", () => {
  const owner = new Owner(1);
  const database = new Database(":memory:");
  const desk = new Desk({ database });
  desk.tell(5, [headOf(owner, 0)]);
  desk.say(steps(owner, ...owner.first));
  desk.hear();
  desk.wait(MINUTE);
  expect(desk.store.cursorOf(CURSOR)).toBe(5);
  // It tells of a step and does not show it.
  const later = owner.add();
  desk.tell(9, [headOf(owner, 1)]);
  desk.say(steps(owner));
  desk.hear();
  desk.wait(MINUTE);
  expect(desk.store.cursorOf(CURSOR)).toBe(5);
  // After a crash it asks for it again.
  const again = new Desk({ database });
  expect(again.greeting).toMatchObject([{ type: "hello" }, { type: "follow", cursor: 5 }]);
  expect(again.tell(9, [headOf(owner, 1)])).toMatchObject([{ type: "want", part: "steps" }]);
  again.say(steps(owner, later));
  again.hear();
  again.replica.disconnect(START, again.peer);
  expect(again.store.cursorOf(CURSOR)).toBe(9);
});

test("who takes another's store for its own moves no cursor but its own", () => {
  const owner = new Owner(1);
  const database = new Database(":memory:");
  const honest = new Desk({ database });
  honest.tell(5, []);
  honest.replica.disconnect(START, honest.peer);
  const liar = new Desk({ database, name: "liar" });
  expect(liar.greeting).toMatchObject([{ type: "hello" }, { type: "follow", cursor: 0 }]);
  liar.tell(9, []);
  liar.replica.disconnect(START, liar.peer);
  const again = new Desk({ database });
  expect(again.greeting).toMatchObject([{ type: "hello" }, { type: "follow", cursor: 5 }]);
  expect(again.tell(9, [headOf(owner, 0)])).toMatchObject([{ type: "want", part: "steps" }]);
});

test("what was held back is asked for again after five minutes, from where nothing was missing", () => {
  const owner = new Owner(1);
  const desk = new Desk();
  desk.tell(5, [headOf(owner, 0)]);
  desk.say(steps(owner));
  expect(desk.hear()).toEqual([{ type: "next", cursor: 5 }]);
  desk.wait(5 * MINUTE);
  expect(desk.hear()).toEqual([{ type: "follow", round: 2, cursor: 0, records: "all" }]);
});

test("a peer's log that was put back is read from its start", () => {
  const owner = new Owner(1);
  const desk = new Desk();
  for (const { bytes, body } of owner.first) desk.replica.submit(0, START, bytes, body);
  desk.say({ type: "follow", round: 7, cursor: 1_000, records: "all" });
  expect(desk.hear()).toMatchObject([{ type: "heads", round: 7, upTo: desk.store.sequence, isAll: true, heads: [{}] }]);
});

test("DN-30 a transaction goes to a peer that has read all at once, and a mint only with what it begins", () => {
  const owner = new Owner(1);
  const desk = new Desk({ interests: [] });
  desk.say({ type: "follow", round: 1, cursor: 0, records: "all" });
  expect(typesOf(desk.hear())).toEqual(["heads"]);
  desk.say({ type: "next", cursor: 0 });
  const [mint, creation] = owner.first;
  desk.replica.submit(0, START, mint.bytes, null);
  expect(desk.hear()).toMatchObject([{ type: "heads", upTo: 1, heads: [] }]);
  desk.say({ type: "next", cursor: 1 });
  desk.replica.submit(0, START, creation.bytes, creation.body);
  const [first, heads] = desk.hear();
  expect(first).toEqual(unasked(owner, item(mint), item(creation)));
  expect(heads).toMatchObject({ type: "heads", heads: [{ head: creation.id }] });
  // The answer to its question is out; what is new goes to it nevertheless.
  const step = owner.add();
  desk.replica.submit(0, START, step.bytes, step.body);
  expect(desk.hear()).toEqual([unasked(owner, item(step))]);
});

test("what a peer brings does not go back to it", () => {
  const owner = new Owner(1);
  const desk = new Desk();
  desk.say({ type: "follow", round: 1, cursor: 0, records: "all" });
  desk.hear();
  desk.say({ type: "next", cursor: 0 }, unasked(owner, ...owner.first.map(item)));
  expect(desk.news).toEqual([owner.first[1].id]);
  expect(desk.hear().filter(({ type }) => type === "items")).toEqual([]);
});

test("a mint that comes alone, or with what it does not begin, leaves nothing behind", () => {
  const [owner, other] = [new Owner(1), new Owner(2)];
  const desk = new Desk();
  const forged = { ...owner.first[1], bytes: owner.first[1].bytes.with(-1, owner.first[1].bytes.at(-1)! ^ 1) };
  desk.say(unasked(owner, item(owner.first[0])));
  desk.say(unasked(owner, item(owner.first[0]), item(other.first[1])));
  desk.say(unasked(owner, item(owner.first[0]), item(forged)));
  desk.say(unasked(other, item(owner.first[0]), item(owner.first[1])));
  expect(desk.store.transaction(owner.first[0].id)).toBeNull();
  expect(desk.store.sequence).toBe(0);
  expect(desk.dropped).toBeNull();
});

test("who asks or answers out of turn is dropped, and told why", () => {
  const owner = new Owner(1);
  const cases: readonly (readonly [why: string, messages: SyncMessage[]])[] = [
    ["OUT_OF_TURN", [{ type: "hello", store: PEER_STORE }]],
    ["OUT_OF_TURN", [{ type: "next", cursor: 0 }]],
    ["OUT_OF_TURN", [steps(owner, ...owner.first)]],
    [
      "OUT_OF_TURN",
      [
        { type: "heads", round: 1, upTo: 1, isAll: true, heads: [] },
        { type: "heads", round: 1, upTo: 1, isAll: true, heads: [] },
      ],
    ],
    [
      "TOO_MANY_WANTS",
      Array.from({ length: MAX_WANTS + 1 }, () => ({ type: "want", record: owner.record, part: "steps", after: [] })),
    ],
  ];
  for (const [why, messages] of cases) {
    const desk = new Desk();
    desk.say(...messages);
    expect(desk.dropped).toBe(why);
    expect(desk.hear()).toEqual([{ type: "goodbye", reason: why }]);
    expect(desk.hear()).toEqual([]);
  }
  const garbled = new Desk();
  garbled.sayBytes(Uint8Array.of(200, 1, 2));
  expect(garbled.dropped).toBe("MALFORMED");
  const copy = new Desk({ greets: false });
  copy.say({ type: "hello", store: copy.store.id });
  expect(copy.dropped).toBe("SAME_STORE");
  const early = new Desk({ greets: false });
  early.say({ type: "next", cursor: 0 });
  expect(early.dropped).toBe("OUT_OF_TURN");
});

test("a peer that owes an answer and is silent is dropped; one whose bytes come slowly is not", () => {
  for (const isSlow of [false, true]) {
    const owner = new Owner(1);
    const desk = new Desk();
    desk.tell(5, [headOf(owner, 0)]);
    for (let minutes = 0; minutes < 30; minutes++) {
      desk.wait(MINUTE);
      if (isSlow) desk.replica.heard(desk.now, desk.peer);
    }
    expect(desk.dropped).toBe(isSlow ? null : "SILENT");
  }
});

test("who owes nothing may be silent for ever", () => {
  const desk = new Desk();
  expect(desk.tell(5, [])).toEqual([{ type: "next", cursor: 5 }]);
  desk.wait(24 * 60 * MINUTE);
  expect(desk.dropped).toBeNull();
});

test("forged steps, and steps that are told of and not shown, are borne for a while and then end it", () => {
  const owner = new Owner(1);
  const forging = new Desk();
  for (let i = 1; !forging.dropped && i < 100; i++) {
    const bytes = owner.first[1].bytes.with(-i, owner.first[1].bytes.at(-i)! ^ 1);
    forging.say(unasked(owner, item(owner.first[0]), { kind: "transaction", bytes, body: owner.first[1].body }));
    if (i === 32) expect(forging.dropped).toBeNull();
  }
  expect(forging.dropped).toBe("REFUSED");
  expect(forging.store.sequence).toBe(0);

  const hiding = new Desk();
  for (let i = 1; !hiding.dropped && i < 100; i++) {
    const hidden = new Owner(1_000 + i);
    hiding.tell(i, [headOf(hidden, 3)]);
    hiding.say(steps(hidden));
    hiding.hear();
    if (i === 32) expect(hiding.dropped).toBeNull();
  }
  expect(hiding.dropped).toBe("WITHHELD");
});

test("EV-57 what is beyond the bounds of a peer, a lock, a record or this machine is not kept", () => {
  const bring = (limits: Partial<Limits>, ...owners: Owner[]) => {
    const desk = new Desk({ limits });
    for (const owner of owners) desk.say(unasked(owner, ...owner.first.map(item)));
    expect(desk.dropped).toBeNull();
    return owners.map((owner) => desk.store.headOf(owner.record) !== null);
  };
  const owners = [1, 2, 3].map((seed) => new Owner(seed));
  expect(bring({ recordsPerPeer: 2 }, ...owners)).toEqual([true, true, false]);
  expect(bring({ records: 1 }, ...owners)).toEqual([true, false, false]);
  expect(bring({ totalBytes: 1_100 }, ...owners)).toEqual([true, true, false]);
  const sameKey = [START, START + 1, START + 2].map((time) => new Owner(1, { time: time - 86_400_000 }));
  expect(bring({ recordsPerLock: 2 }, ...sameKey)).toEqual([true, true, false]);

  const desk = new Desk({ limits: { recordBytes: 2_000 } });
  const owner = new Owner(4);
  desk.say(unasked(owner, ...owner.first.map(item)));
  for (let i = 0; i < 10; i++) desk.say(unasked(owner, item(owner.add())));
  expect(desk.store.bytesOf(owner.record)).toBeLessThanOrEqual(2_000);
  expect(desk.store.headOf(owner.record)!.height).toBeGreaterThan(1);
  const large = new Owner(5);
  const policy = large.policy(new Uint8Array(MAX_BODY_BYTES + 1));
  desk.sayBytes(encodeSyncMessage(unasked(large, ...large.first.map(item), item(policy))));
  expect(desk.dropped).toBe("MALFORMED");
});

test("EV-57 records that were handed over to a lock do not use up what it may begin", () => {
  const desk = new Desk({ limits: { recordsPerLock: 2 } });
  const victim = new Owner(1);
  for (const stranger of [2, 3, 4].map((seed) => new Owner(seed))) {
    const words = { op: "OP_DNET_TRANSFER", dnet: stranger.record } as const;
    const handOver = stranger.sign(stranger.head, words, null, { to: lockOf(victim.keyPair) });
    desk.say(unasked(stranger, ...stranger.first.map(item), item(handOver)));
    expect(desk.store.view(stranger.record)!.lock).toEqual(lockOf(victim.keyPair));
  }
  desk.say(unasked(victim, ...victim.first.map(item)));
  expect(desk.store.headOf(victim.record)).not.toBeNull();
});

test("a record that is full is refused without blame, and read on past it", () => {
  const owner = new Owner(1);
  const desk = new Desk({ limits: { records: 0 } });
  desk.tell(5, [headOf(owner, 0)]);
  desk.say(steps(owner, ...owner.first));
  expect(desk.hear()).toEqual([{ type: "next", cursor: 5 }]);
  desk.replica.disconnect(START, desk.peer);
  expect(desk.store.cursorOf(CURSOR)).toBe(5);
});

test("where two have parted the peer is asked by ever earlier steps, and its branch comes beside ours", () => {
  const owner = new Owner(1);
  const desk = new Desk();
  const chain = [...owner.first, ...Array.from({ length: 20 }, () => owner.add())];
  for (const { bytes, body } of chain) desk.replica.submit(0, START, bytes, body);
  const parted = owner.head;
  const ours = [owner.add(), owner.add()];
  for (const { bytes, body } of ours) desk.replica.submit(0, START, bytes, body);
  owner.head = parted;
  const theirs = [owner.add(), owner.add(), owner.add()];
  expect(desk.tell(50, [headOf(owner, 23)])).toMatchObject([{ part: "steps", after: [{ height: 22 }] }]);
  desk.say({ ...(steps(owner) as object), end: "unconnected" } as SyncMessage);
  const [far] = desk.hear();
  expect(far).toMatchObject({ after: [22, 21, 19, 15, 7, 0].map((height) => ({ height })) });
  desk.say(steps(owner, chain[21]!, ...theirs));
  for (const { id } of [...ours, ...theirs]) expect(desk.store.transaction(id)).not.toBeNull();
  expect(desk.store.evidence(owner.record).length).toBeGreaterThan(1);
  expect(desk.dropped).toBeNull();
});

test("who fills the list of bodies that are missing keeps none of them from us, once someone has it", () => {
  const desk = new Desk();
  const bodiless = (owner: Owner) => {
    const { bytes } = owner.policy(new Uint8Array(9));
    desk.say(unasked(owner, ...owner.first.map(item), { kind: "transaction", bytes, body: null }));
  };
  const owner = new Owner(1);
  desk.tell(5, []);
  bodiless(owner);
  for (let i = 0; i < 1_024; i++) bodiless(new Owner(100 + i));
  desk.hear();
  desk.say(unasked(owner));
  expect(desk.hear()).toMatchObject([{ type: "want", part: "bodies", record: owner.record }]);
}, 20_000);

test("what is beside the chain is read in pieces, joins and what clouds say of them, and all of it comes once", () => {
  const [owner, cloud, desk] = [new Owner(1), new Cloud(2), new Desk()];
  for (const { bytes, body } of [...cloud.first, ...owner.first, owner.attach(cloud.record)])
    desk.replica.submit(0, START, bytes, body);
  const pairs = Array.from({ length: 700 }, () => owner.invite());
  for (const { bytes, body } of pairs.flatMap(({ invitation, join }) => [invitation, join]))
    expect(desk.store.accept(START, bytes, body).status).toBe("accepted");
  desk.store.seal(START, cloud.record, cloud.keyPair);
  const kinds = { transaction: 0, statement: 0, body: 0 };
  for (let cursor: number | null = 0; cursor !== null; ) {
    desk.say({ type: "want", record: owner.record, part: "beside", cursor });
    const [answer] = desk.hear() as Extract<SyncMessage, { type: "items" }>[];
    expect(answer!.items.length).toBeLessThanOrEqual(1_024);
    for (const { kind } of answer!.items) kinds[kind]++;
    cursor = answer!.end === "more" ? answer!.next : null;
  }
  expect(kinds).toEqual({ transaction: 700, statement: 701, body: 0 });
}, 20_000);

test("DN-49 an idle day changes neither store, and nothing is said", () => {
  const owner = new Owner(1);
  const desk = new Desk();
  for (const { bytes, body } of owner.first) desk.replica.submit(0, START, bytes, body);
  desk.say({ type: "follow", round: 1, cursor: 0, records: "all" });
  desk.tell(0, []);
  desk.say({ type: "next", cursor: desk.store.sequence });
  const before = desk.store.sequence;
  desk.wait(24 * 60 * MINUTE);
  expect(desk.hear()).toEqual([]);
  expect(desk.store.sequence).toBe(before);
});

test("when other records are of interest what was asked before is answered in vain, and nothing hangs", () => {
  const [before, after] = [new Owner(1), new Owner(2)];
  const desk = new Desk({ interests: [before.record] });
  desk.tell(5, [headOf(before, 0)]);
  desk.replica.follow(desk.now, desk.peer, [after.record]);
  expect(desk.hear()).toEqual([{ type: "follow", round: 2, cursor: 0, records: [after.record] }]);
  desk.say({ type: "heads", round: 2, upTo: 5, isAll: true, heads: [headOf(after, 0)] });
  desk.say(steps(before, ...before.first));
  expect(desk.store.headOf(before.record)).toBeNull();
  expect(typesOf(desk.hear())).toEqual(["want"]);
  desk.say(steps(after, ...after.first));
  expect(desk.hear()).toEqual([{ type: "next", cursor: 5 }]);
  expect(desk.dropped).toBeNull();
});
